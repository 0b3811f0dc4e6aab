package gateway

import (
	"cmp"
	"slices"
	"time"

	"patchbay/backplane"
)

// socket is a session's presence in one namespace. Owned by its loop.
type socket struct {
	id       string // public
	session  *session
	nsp      *namespace
	worker   string       // its home, once it has joined
	joining  *joining     // while its CONNECT is being decided
	homing   *homing      // while it looks for a new home
	detached *detached    // while its transport is gone
	arrears  *arrears     // of one that comes back, or came from another loop
	rooms    []membership // without the room of its own id
	since    uint64       // the position in its loop's history at which it joined
	data     []byte       // a JSON object, or nil
	auth     []byte       // the payload of its CONNECT, or nil
	place    int32        // in nsp.members
	mark     uint32       // of the last union of rooms that it was found in
	debts
}

// arrears is what a socket that comes back is owed.
type arrears struct {
	from    replayPoint   // what its client has
	anchor  string        // the event before the backlog, by which the client may ask; empty if it had none
	backlog []past        // what it missed before it came to this loop, until its client is known to have it
	size    int           // bytes in backlog
	trimmed bool          // something is missing before the backlog
	at      time.Duration // when it came back, or was last given something on its way
	taking  *taking       // while it comes from another node
	leaving *leaving      // while another node takes it
}

// taking is the machine by which the socket came from another node, as long as there is one.
func (k *socket) taking() *taking {
	if k.arrears == nil {
		return nil
	}
	return k.arrears.taking
}

// moving reports whether the socket gets its emits from the machine of a handoff, not from the loop.
func (k *socket) moving() bool {
	return k.arrears != nil && (k.arrears.taking != nil || k.arrears.leaving != nil)
}

// frozen reports whether another node is taking the socket.
func (k *socket) frozen() bool { return k.arrears != nil && k.arrears.leaving != nil }

// foreign reports whether the socket was born on another node, or at another start of this one.
func (k *socket) foreign() bool { return !k.nsp.loop.gw.born(k.id) }

// owed returns the socket's arrears, to be filled in.
func (k *socket) owed() *arrears {
	if k.arrears == nil {
		k.arrears = new(arrears)
	}
	return k.arrears
}

// backlog is what the socket missed before it came to this loop.
func (k *socket) backlog() []past {
	if k.arrears == nil {
		return nil
	}
	return k.arrears.backlog
}

// membership is one socket's in one room.
type membership struct {
	room  *room
	since uint64 // the position in the loop's history at which it joined
	place int32  // in room.members
}

// namespace is a loop's share of a namespace: its sockets here, and the rooms they are in. It
// exists while it has sockets, connecting ones included.
type namespace struct {
	loop    *loop
	name    string
	subject string
	members []*socket // joined
	rooms   map[string]*room
	users   int  // sockets, connecting ones included
	joined  bool // somebody was in it
	claimed bool // the subject, for as long as there are users
}

// room is a loop's share of a room: a dense list of its members here.
type room struct {
	nsp     *namespace
	name    string
	subject string
	members []place
}

// place is a member, and which of its memberships this is.
type place struct {
	socket *socket
	index  int32 // in socket.rooms
}

// enter returns a namespace for one more socket.
func (l *loop) enter(name string) *namespace {
	n := l.namespaces[name]
	if n == nil {
		n = &namespace{loop: l, name: name, subject: l.gw.conn.Namespace(name), rooms: map[string]*room{}}
		l.namespaces[name] = n
		// Before the CONNECT is asked for, so that what its handler emits to the namespace, at once
		// after the acceptance, is heard here. add tries again if this fails.
		n.claimed = l.gw.interest.Claim(n.subject, l.index) == nil
	}
	n.users++
	return n
}

// exit takes a socket's use of the namespace back.
func (n *namespace) exit() {
	if n.users--; n.users > 0 {
		return
	}
	delete(n.loop.namespaces, n.name)
	if n.claimed && n.joined {
		n.loop.gw.interest.Release(n.subject, n.loop.index, time.Now())
	} else if n.claimed { // nobody ever was in it: there may be no such namespace, and any number of them
		n.loop.gw.interest.Abandon(n.subject, n.loop.index)
	}
}

// add makes a socket a member of the namespace, whose subject is subscribed when it returns.
func (n *namespace) add(k *socket) error {
	if !n.claimed {
		if err := n.loop.gw.interest.Claim(n.subject, n.loop.index); err != nil {
			return err
		}
		n.claimed = true
	}
	n.joined = true
	k.place = int32(len(n.members))
	n.members = append(n.members, k)
	return nil
}

// drop undoes add.
func (n *namespace) drop(k *socket) {
	last := len(n.members) - 1
	moved := n.members[last]
	n.members[k.place], moved.place = moved, k.place
	n.members[last] = nil
	n.members = n.members[:last]
	if last == 0 {
		n.members = nil
	}
}

// join puts the socket into a room; false if it is there already. The room's subject is
// subscribed when it returns.
func (k *socket) join(name string) (bool, error) {
	if name == k.id || k.in(name) {
		return false, nil
	}
	l, r := k.nsp.loop, k.nsp.rooms[name]
	switch limits := l.gw.live(); {
	case len(k.rooms) >= limits.Rooms:
		l.gw.metrics.limited.WithLabelValues("rooms").Inc()
		return false, errRooms
	case len(name) > limits.RoomName:
		l.gw.metrics.limited.WithLabelValues("room name").Inc()
		return false, errRoomName
	}
	if r == nil {
		r = &room{nsp: k.nsp, name: name, subject: l.gw.conn.Room(k.nsp.name, name)}
		if err := r.claim(); err != nil {
			return false, err
		}
		k.nsp.rooms[name] = r
		l.gw.metrics.rooms.Inc()
	}
	k.rooms = append(k.rooms, membership{room: r, since: l.history.next(), place: int32(len(r.members))})
	r.members = append(r.members, place{socket: k, index: int32(len(k.rooms) - 1)})
	return true, nil
}

// claim has the node hear the room's emits. What goes to sockets born here it hears already, and so
// a room that is named like one of them.
func (r *room) claim() error {
	l := r.nsp.loop
	if l.gw.born(r.name) {
		l.gw.interest.Hold(r.subject, l.index)
		return nil
	}
	return l.gw.interest.Claim(r.subject, l.index)
}

// leave takes the socket out of a room; false if it is not in it.
func (k *socket) leave(name string) bool {
	for i := range k.rooms {
		if k.rooms[i].room.name == name {
			k.leaveAt(i)
			return true
		}
	}
	return false
}

// leaveAt takes the socket out of its i-th room. Both lists move their last element into the gap.
func (k *socket) leaveAt(i int) {
	m := k.rooms[i]
	r := m.room
	last := len(r.members) - 1
	moved := r.members[last]
	r.members[m.place] = moved
	moved.socket.rooms[moved.index].place = m.place
	r.members[last] = place{}
	r.members = r.members[:last]
	if last == 0 {
		delete(r.nsp.rooms, r.name)
		r.nsp.loop.gw.interest.Release(r.subject, r.nsp.loop.index, time.Now())
		r.nsp.loop.gw.metrics.rooms.Dec()
	}
	end := len(k.rooms) - 1
	if i != end {
		k.rooms[i] = k.rooms[end]
		k.rooms[i].room.members[k.rooms[i].place].index = int32(i)
	}
	k.rooms[end] = membership{}
	k.rooms = k.rooms[:end]
}

func (k *socket) in(name string) bool {
	for i := range k.rooms {
		if k.rooms[i].room.name == name {
			return true
		}
	}
	return false
}

// roomNames are the names of the socket's rooms, sorted, without its own.
func (k *socket) roomNames() []string {
	names := make([]string, len(k.rooms))
	for i := range k.rooms {
		names[i] = k.rooms[i].room.name
	}
	slices.Sort(names)
	return names
}

// added is the membership change that describes the socket whole.
func (k *socket) added() backplane.Change {
	return backplane.Change{
		Op: backplane.SocketAdded, Socket: k.id, Namespace: k.nsp.name,
		Worker: k.worker, Rooms: k.roomNames(), Data: k.data,
	}
}

// remove takes the socket out of everything and tells its worker why. The client is not told.
func (k *socket) remove(reason string) {
	l := k.nsp.loop
	switch {
	case k.joining != nil && k.detached != nil: // it was coming back
		k.session.withdraw(k)
		k.joining, k.session = nil, nil
		k.forget("refused")
		return
	case k.joining != nil:
		// The answer will find no socket, and the worker that gave it will be told then. One that has
		// given it already is told now.
		if wait := k.joining.claimed; wait != nil {
			wait.release(l)
			l.gw.toWorker(wait.answer.Worker, "disconnect", k.id, []byte(cmp.Or(reason, reasonTransportClose)))
		}
		k.session.withdraw(k)
		k.joining, k.session = nil, nil
		delete(l.sockets, k.id)
		l.tokens.drop(k)
		k.nsp.exit()
		return
	}
	k.leaveSession(reason)
	k.leaveLoop()
}

// leaveLoop takes the socket out of its rooms and its loop.
func (k *socket) leaveLoop() {
	l := k.nsp.loop
	delete(l.sockets, k.id)
	l.tokens.drop(k)
	k.abandonEvents()
	l.gw.unroute(k.id, l)
	if t := k.taking(); t != nil {
		t.left(k)
	}
	if k.foreign() {
		l.unclaim(l.gw.conn.SocketAll(k.id))
	}
	for len(k.rooms) > 0 {
		k.leaveAt(len(k.rooms) - 1)
	}
	k.nsp.drop(k)
	k.nsp.exit()
}

// withdraw takes a socket off a session's list.
func (s *session) withdraw(k *socket) {
	s.sockets = slices.DeleteFunc(s.sockets, func(other *socket) bool { return other == k })
}
