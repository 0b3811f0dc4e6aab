package router

import (
	"cmp"
	"strings"

	"patchbay/backplane"
)

// keyLetters are the letters of a socket id's random part in text order, so that packed
// keys compare as the ids do.
const keyLetters = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"

// idRandom is how many letters stand before the underscore in a socket id.
const idRandom = 16

// key is a socket id in 16 bytes instead of a string header and up to 41: the 16
// letters at 6 bits each, and the number of the birth node's name.
type key struct {
	high uint64 // the first ten letters
	low  uint32 // the next five
	last uint32 // the sixteenth in the upper 6 bits, the birth node's number below
}

// maxBirthNodes is how many birth nodes a key can tell apart. It is far above the
// nodes of any cluster: numbers are reused when a birth node's last socket is gone.
const maxBirthNodes = 1 << 26

// packedID is a socket id taken apart, its birth node still a name.
type packedID struct {
	high uint64
	low  uint32
	last uint32
	node string
}

// parseID takes a socket id apart; ok is false for a text that has not its form.
func parseID(id string) (p packedID, ok bool) {
	node, _, ok := backplane.SplitSocketID(id)
	if !ok {
		return packedID{}, false
	}
	for i := range 10 {
		p.high = p.high<<6 | uint64(letter(id[i]))
	}
	for i := 10; i < 15; i++ {
		p.low = p.low<<6 | letter(id[i])
	}
	p.last, p.node = letter(id[15]), node
	return p, true
}

// key makes the key of an id whose birth node has a number.
func (p *packedID) key(node uint32) key {
	return key{high: p.high, low: p.low, last: p.last<<26 | node}
}

// birth is the number of the birth node's name.
func (k key) birth() uint32 { return k.last & (maxBirthNodes - 1) }

// hash spreads keys evenly: ids are random, except in tests.
func (k key) hash() uint64 {
	h := (k.high ^ uint64(k.low)<<32 ^ uint64(k.last)) * 0x9e3779b97f4a7c15
	return (h ^ h>>29) * 0xbf58476d1ce4e5b9 >> 8
}

// text is the socket id again.
func (k key) text(node string) string {
	var b strings.Builder
	b.Grow(idRandom + 1 + len(node))
	for i := 9; i >= 0; i-- {
		b.WriteByte(keyLetters[k.high>>(6*i)&63])
	}
	for i := 4; i >= 0; i-- {
		b.WriteByte(keyLetters[k.low>>(6*i)&63])
	}
	b.WriteByte(keyLetters[k.last>>26])
	b.WriteByte('_')
	b.WriteString(node)
	return b.String()
}

// comparePacked orders ids as their texts are ordered.
func comparePacked(a, b *packedID) int {
	if c := cmp.Compare(a.high, b.high); c != 0 {
		return c
	}
	if c := cmp.Compare(a.low, b.low); c != 0 {
		return c
	}
	if c := cmp.Compare(a.last, b.last); c != 0 {
		return c
	}
	return strings.Compare(a.node, b.node)
}

// letter is a letter's place in keyLetters; the caller has checked that it is one.
func letter(c byte) uint32 {
	switch {
	case c == '-':
		return 0
	case c <= '9':
		return uint32(c-'0') + 1
	case c <= 'Z':
		return uint32(c-'A') + 11
	case c == '_':
		return 37
	}
	return uint32(c-'a') + 38
}
