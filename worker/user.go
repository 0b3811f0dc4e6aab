package worker

import (
	"context"
	"iter"
	"slices"

	"patchbay/backplane"
)

// UserRoom is the room in which all sockets of a user are: see [Socket.SetUser]. To emit to it is to emit to the user.
func UserRoom(user string) string { return backplane.UserRoom(user) }

// SetUser makes the socket one of a user's, and of no other's; "" takes it back. All sockets of a user are in a room of its own,
// [UserRoom], which can be joined by no other way: so a user is reached by [Namespace.User], from wherever and however often
// they are connected, and counted once ([Target.Headcount]). It is kept with the session: it outlives this worker, and moves along.
// In middleware it goes along with the answer. A client whose token was checked by the gateway is the token's user to begin with.
func (s *Socket) SetUser(ctx context.Context, user string) error {
	s.mu.Lock()
	if s.state == stateConnecting {
		defer s.mu.Unlock()
		s.rooms = slices.DeleteFunc(s.rooms, func(room string) bool {
			_, ok := backplane.UserOf(room)
			return ok
		})
		if user != "" {
			s.rooms = append(s.rooms, UserRoom(user))
		}
		return nil
	}
	s.mu.Unlock()
	_, err := s.control(ctx, backplane.Control{Op: backplane.OpUser, User: user})
	return err
}

// User returns the socket's user, "" if it has none.
func (s *Socket) User(ctx context.Context) (string, error) {
	rooms, err := s.Rooms(ctx)
	return userIn(rooms), err
}

// User is all sockets of users.
func (n *Namespace) User(users ...string) Target { return n.All().User(users...) }

// User adds all sockets of users, as [Target.To] adds those of rooms.
func (t Target) User(users ...string) Target { return t.To(userRooms(users)...) }

// ExceptUser leaves out all sockets of users.
func (t Target) ExceptUser(users ...string) Target { return t.Except(userRooms(users)...) }

func userRooms(users []string) []string {
	rooms := make([]string, len(users))
	for i, user := range users {
		rooms[i] = UserRoom(user)
	}
	return rooms
}

// UserCount is a user with how many sockets they have in the target that was asked for.
type UserCount struct {
	ID      string
	Sockets int
}

// Users goes through the users that have sockets in the target, by id, page by page as [Target.Fetch] does.
func (t Target) Users(ctx context.Context) iter.Seq2[UserCount, error] {
	return func(yield func(UserCount, error) bool) {
		if t.nobody() {
			return
		}
		if t.nsp.match != "" {
			yield(UserCount{}, ErrParent)
			return
		}
		for page, err := range t.nsp.app.pages(ctx, t.query(backplane.QueryUsers)) {
			if err != nil {
				yield(UserCount{}, err)
				return
			}
			for _, one := range page.Users {
				if !yield(UserCount(one), nil) {
					return
				}
			}
		}
	}
}

// Headcount is how many are in a target.
type Headcount struct {
	Sockets   int
	Users     int // each counted once, however many sockets they have
	Anonymous int // sockets without a user
}

// Headcount counts the sockets and users of the target in the whole cluster. It includes what this worker has done. The error
// may be ErrIncomplete: those that are known are then counted.
func (t Target) Headcount(ctx context.Context) (Headcount, error) {
	switch {
	case t.nobody():
		return Headcount{}, nil
	case t.nsp.match != "":
		return Headcount{}, ErrParent
	}
	q := t.query(backplane.QueryUsers)
	q.Limit = 1
	answer, err := t.nsp.app.query(ctx, q)
	return Headcount{Sockets: answer.Total, Users: answer.Count, Anonymous: answer.Total - answer.Named}, err
}
