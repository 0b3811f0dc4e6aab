package backplane

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// socketRandom is the length of the random part of a socket id: 16 base64url
// characters, of which the first names the loop. 90 random bits keep ids unique
// over all nodes without asking anybody.
const socketRandom = 16

// MaxShards is how many loops a node can have: a socket id names its loop with one
// base64url character.
const MaxShards = 64

// MaxNodeID is the longest node or worker id, in bytes.
const MaxNodeID = 24

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// NewSocketID makes the public id of a socket born on the given node and
// shard (loop): `<16 random characters>_<node>`. It reveals nothing about the session.
func NewSocketID(node string, shard int) string {
	var raw [12]byte
	if _, err := rand.Read(raw[:]); err != nil {
		panic("backplane: no random numbers: " + err.Error())
	}
	var b [socketRandom]byte
	base64.RawURLEncoding.Encode(b[:], raw[:])
	b[0] = idAlphabet[shard%MaxShards]
	return string(b[:]) + "_" + node
}

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
