// Package tap writes what passes on the backplane for people to read: one line for each message, with nothing in it that a
// terminal would obey.
package tap

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"patchbay/backplane"
)

// maxText is how many bytes of a payload are shown.
const maxText = 2000

// Line describes a message. What clients and applications wrote in it is left out if it is to be redacted: of each value its kind and
// length alone are shown; event names and keys stay.
func Line(s backplane.Subjects, m *backplane.Msg, at time.Time, redact bool) string {
	var b strings.Builder
	b.WriteString(at.Format("15:04:05.000") + "  " + what(s, m))
	payload, err := backplane.DecodePayload(m)
	switch {
	case err != nil:
		fmt.Fprintf(&b, "  %d bytes that are no payload", len(m.Data))
	case len(payload.JSON) > 0:
		b.WriteString("  " + text(payload.JSON, redact, named(s, m.Subject)))
	}
	if n := len(payload.Attachments); n > 0 {
		fmt.Fprintf(&b, "  and %d attachments of %d bytes", n, len(m.Data)-len(payload.JSON))
	}
	for _, header := range []string{backplane.HeaderRooms, backplane.HeaderExcept, backplane.HeaderFlags, backplane.HeaderError} {
		if v := m.Header[header]; len(v) > 0 {
			b.WriteString("  " + strings.ToLower(strings.TrimPrefix(header, "Pb-")) + "=" + Plain(v[0]))
		}
	}
	return b.String()
}

// what says what a message is, and about whom, by its subject.
func what(s backplane.Subjects, m *backplane.Msg) string {
	if id, verb, _, ok := s.ParseSocket(m.Subject); ok {
		verbs := map[string]string{"emit": "→ socket", "control": "control of", "ack": "→ acknowledgement to", "take": "handoff of"}
		if name, ok := verbs[verb]; ok {
			return name + " " + Plain(id)
		}
		return Plain(verb + " " + id)
	}
	if nsp, room, whole, ok := s.ParseEmit(m.Subject); ok {
		if whole {
			return "→ namespace " + Plain(nsp)
		}
		if user, ok := backplane.UserOf(room); ok {
			return "→ user " + Plain(nsp) + " " + Plain(user)
		}
		return "→ room " + Plain(nsp) + " " + Plain(room)
	}
	if verb, about, ok := s.ParseOwned(m.Subject); ok {
		verbs := map[string]string{"event": "← event of", "connect": "← CONNECT of", "open": "joined:", "disconnect": "gone:"}
		if name, ok := verbs[verb]; ok {
			return name + " " + Plain(about)
		}
		return Plain(verb + " " + about)
	}
	return Plain(m.Subject)
}

// named reports whether the first thing in a message's payload is an event's name. In an acknowledgement it is not.
func named(s backplane.Subjects, subject string) bool {
	if _, verb, _, ok := s.ParseSocket(subject); ok {
		return verb == "emit"
	}
	if _, _, _, ok := s.ParseEmit(subject); ok {
		return true
	}
	verb, _, ok := s.ParseOwned(subject)
	return ok && (verb == "event" || verb == "emit")
}

// text is a payload on one line.
func text(data []byte, redact, named bool) string {
	if redact {
		var v any
		if json.Unmarshal(data, &v) != nil {
			return fmt.Sprintf("‹%d bytes›", len(data))
		}
		list, ok := v.([]any)
		if !ok {
			v = hide(v)
		}
		for i := range list {
			if _, text := list[i].(string); i > 0 || !text || !named {
				list[i] = hide(list[i])
			}
		}
		hidden, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprintf("‹%d bytes›", len(data))
		}
		data = hidden
	}
	if len(data) > maxText {
		return Plain(string(data[:maxText])) + fmt.Sprintf("… (%d bytes)", len(data))
	}
	return Plain(string(data))
}

// hide replaces values by their kinds.
func hide(v any) any {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("‹%d›", len(v))
	case float64:
		return "‹number›"
	case []any:
		for i := range v {
			v[i] = hide(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = hide(v[key])
		}
	}
	return v
}

// Plain writes out whatever a terminal would not just show.
func Plain(s string) string {
	if strings.IndexFunc(s, odd) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if odd(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func odd(r rune) bool { return !unicode.IsGraphic(r) || r == unicode.ReplacementChar }
