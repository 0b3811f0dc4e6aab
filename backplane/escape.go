package backplane

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// MaxToken is the longest subject token, in bytes, that Token returns.
// It bounds subjects whatever a client calls its rooms: NATS refuses control
// lines over 4 KB, and long subjects cost every server that routes them.
const MaxToken = 160

// tokenPrefixKept is how much of an over-long name stays readable in its token.
const tokenPrefixKept = 64

// ErrToken reports a subject token that Token cannot have produced.
var ErrToken = errors.New("backplane: not a name token")

// Token turns any text into one NATS subject token.
//
// Letters, digits and the other printable ASCII characters stay as they are,
// except for those that mean something to NATS (`.`, `*`, `>`, space), to our
// own lists (`,`) or to this escaping (`%`, `~`); these, and every byte outside
// printable ASCII, become `%XX`. The empty name is `-`, and a name that is just
// `-` is `%2D`. A name whose token would pass MaxToken becomes `~`, its
// first 64 escaped bytes, `~`, and 128 bits of its SHA-256 in hex: such a token is
// unique but not reversible, and what carries it also carries the name.
func Token(name string) string {
	if plain(name) {
		return name
	}
	escaped := Escape(name)
	if len(escaped) <= MaxToken {
		return escaped
	}
	sum := sha256.Sum256([]byte(name))
	return "~" + escaped[:tokenPrefixKept] + "~" + hex.EncodeToString(sum[:16])
}

// Hashed reports whether a token stands for a name too long to be spelled out.
func Hashed(token string) bool { return strings.HasPrefix(token, "~") }

// Escape is Token without the bound on length: always reversible by Unescape.
// It is the form that names take in header lists.
func Escape(name string) string {
	switch name {
	case "":
		return "-"
	case "-":
		return "%2D"
	}
	var b strings.Builder
	b.Grow(len(name) + 8)
	for i := 0; i < len(name); i++ {
		c := name[i]
		if keep(c) {
			b.WriteByte(c)
			continue
		}
		const digits = "0123456789ABCDEF"
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// Unescape is the inverse of Escape, and of Token for tokens that are not
// Hashed. It returns ErrToken for anything that Escape does not produce, so a
// name has exactly one spelling.
func Unescape(token string) (string, error) {
	if token == "-" {
		return "", nil
	}
	if plain(token) {
		return token, nil
	}
	out := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if c != '%' {
			out = append(out, c)
			continue
		}
		if i+2 >= len(token) {
			return "", ErrToken
		}
		hi, lo := unhex(token[i+1]), unhex(token[i+2])
		if hi < 0 || lo < 0 {
			return "", ErrToken
		}
		out = append(out, byte(hi<<4|lo))
		i += 2
	}
	name := string(out)
	if Escape(name) != token {
		return "", ErrToken
	}
	return name, nil
}

// keep reports whether a byte stands for itself in a token.
func keep(c byte) bool {
	switch c {
	case '.', '*', '>', '%', ',', '~':
		return false
	}
	return c > ' ' && c < 0x7f
}

// plain reports whether a name is its own token.
func plain(name string) bool {
	if name == "" || name == "-" || len(name) > MaxToken {
		return false
	}
	for i := 0; i < len(name); i++ {
		if !keep(name[i]) {
			return false
		}
	}
	return true
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
