package backplane

import "strings"

// userPrefix begins the names of users' rooms.
const userPrefix = "user="

// MaxUser is the longest user id, in bytes. The room's name with it stays within the gateways' default limit.
const MaxUser = 256

// UserRoom is the room of all sockets of a user: who emits to it reaches the user, wherever and however often they are
// connected. A socket is in at most one such room of its namespace, and gets there by OpUser or at its admission only.
func UserRoom(user string) string { return userPrefix + user }

// UserOf returns the user whose room bears a name; ok is false for other rooms.
func UserOf(room string) (user string, ok bool) {
	user, ok = strings.CutPrefix(room, userPrefix)
	return user, ok && user != ""
}
