package backplane

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// socketRandom is the length of the random part of a socket id: 16 base64url
// characters, of which the first names the loop and the next birthLength the start of the node. The 72 random bits
// of the rest keep ids unique over all sockets of one start without asking anybody.
const (
	socketRandom = 16
	birthLength  = 3
)

// Birth names one start of a node: 18 random bits as 3 base64url characters. It is part of the ids of all sockets
// born there, and of their subjects: so a node that is started again under its old id does not hear, and does not
// answer for, sockets that it has never had. (Two starts of one node have the same with a chance of 1 in 262,144.)
type Birth string

// NewBirth makes a random one.
func NewBirth() Birth {
	return Birth(randomText(birthLength))
}

// NewSocketID makes the public id of a socket born on the given node and
// shard (loop): `<16 characters>_<node>`. It reveals nothing about the session.
func (b Birth) NewSocketID(node string, shard int) string {
	return string(idAlphabet[shard%MaxShards]) + string(b) + randomText(socketRandom-1-birthLength) + "_" + node
}

// SocketBirth is the start of its node at which a socket was born, by the socket's id, which must be one.
func SocketBirth(id string) Birth { return Birth(id[1 : 1+birthLength]) }

// randomText is so many random base64url characters, 24 at most.
func randomText(n int) string {
	var raw [18]byte
	if _, err := rand.Read(raw[:]); err != nil {
		panic("backplane: no random numbers: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(raw[:])[:n]
}

// MaxShards is how many loops a node can have: a socket id names its loop with one
// base64url character.
const MaxShards = 64

// MaxNodeID is the longest node or worker id, in bytes.
const MaxNodeID = 24

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// NewSocketID is Birth.NewSocketID of a start of its own.
func NewSocketID(node string, shard int) string { return NewBirth().NewSocketID(node, shard) }

// SplitSocketID tells the birth node and shard of a socket id, and whether the text has
// the form of one at all. A room may bear such a name, by chance or because
// an application joins other sockets' ids: see Subjects.Room.
func SplitSocketID(id string) (node string, shard int, ok bool) {
	if len(id) < socketRandom+2 || id[socketRandom] != '_' {
		return "", 0, false
	}
	for i := range socketRandom {
		if strings.IndexByte(idAlphabet, id[i]) < 0 {
			return "", 0, false
		}
	}
	node = id[socketRandom+1:]
	return node, strings.IndexByte(idAlphabet, id[0]), ValidID(node)
}

// ValidID reports whether a text can be the id of a node, router or worker: 1 to 24
// lower-case letters and digits, so that it is a subject token as it stands.
func ValidID(id string) bool {
	if id == "" || len(id) > MaxNodeID {
		return false
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// NewID makes a random id for a node, router or worker: a letter that says which,
// and nine letters and digits.
func NewID(kind byte) string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789" // 32 of them, none alike
	var b [10]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic("backplane: no random numbers: " + err.Error())
	}
	for i := range b {
		b[i] = letters[b[i]%32]
	}
	b[0] = kind
	return string(b[:])
}
