package gateway

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"

	"patchbay/backplane"
)

// A session id is `<36 base64url characters>_<node>`. The characters are 12 random
// bytes, the loop, the node's epoch (6 bytes) and 8 bytes of an HMAC-SHA256 over all that and
// the node's id, under the cluster secret. So any gateway can tell without asking: mine, another
// node's, of an earlier start, or garbage.
const (
	sidRandom = 12
	sidMAC    = 8
	sidBody   = sidRandom + 1 + 6 + sidMAC
	sidText   = 36 // base64url of sidBody
)

// sessionKey is the random part of a session id: what a loop finds its session by.
type sessionKey [sidRandom]byte

// sid is a session id taken apart.
type sid struct {
	key   sessionKey
	loop  int
	epoch uint64
	node  string
}

// sealer makes and checks session ids. Each goroutine has its own: the hash is reused.
type sealer struct {
	mac hash.Hash
	buf []byte
}

func newSealer(secret []byte) *sealer {
	return &sealer{mac: hmac.New(sha256.New, secret)}
}

// seal makes the session id of a new session.
func (s *sealer) seal(loop int, epoch uint64, node string) (sessionKey, string) {
	var key sessionKey
	if _, err := rand.Read(key[:]); err != nil {
		panic("gateway: no random numbers: " + err.Error())
	}
	return key, s.text(sid{key: key, loop: loop, epoch: epoch, node: node})
}

// text is the id in the form that clients send.
func (s *sealer) text(id sid) string {
	var body [sidBody]byte
	copy(body[:], id.key[:])
	body[sidRandom] = byte(id.loop)
	var epoch [8]byte
	binary.BigEndian.PutUint64(epoch[:], id.epoch)
	copy(body[sidRandom+1:], epoch[2:])
	copy(body[sidBody-sidMAC:], s.sum(body[:sidBody-sidMAC], id.node))
	return base64.RawURLEncoding.EncodeToString(body[:]) + "_" + id.node
}

// open checks a session id; ok is false for anything that no gateway with our secret made.
func (s *sealer) open(text string) (id sid, ok bool) {
	if len(text) < sidText+2 || text[sidText] != '_' || !backplane.ValidID(text[sidText+1:]) {
		return sid{}, false
	}
	var body [sidBody]byte
	if n, err := base64.RawURLEncoding.Decode(body[:], []byte(text[:sidText])); err != nil || n != sidBody {
		return sid{}, false
	}
	id.node = text[sidText+1:]
	if !hmac.Equal(body[sidBody-sidMAC:], s.sum(body[:sidBody-sidMAC], id.node)) {
		return sid{}, false
	}
	copy(id.key[:], body[:])
	id.loop = int(body[sidRandom])
	var epoch [8]byte
	copy(epoch[2:], body[sidRandom+1:sidBody-sidMAC])
	id.epoch = binary.BigEndian.Uint64(epoch[:])
	return id, true
}

// equal compares in constant time.
func (s *sealer) equal(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

func (s *sealer) sum(body []byte, node string) []byte {
	s.mac.Reset()
	s.mac.Write(body)
	s.mac.Write([]byte(node))
	s.buf = s.mac.Sum(s.buf[:0])
	return s.buf[:sidMAC]
}
