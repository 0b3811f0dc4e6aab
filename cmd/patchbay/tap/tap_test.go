package tap

import (
	"strings"
	"testing"
	"time"

	"patchbay/backplane"
)

func TestLine(t *testing.T) {
	s := backplane.NewSubjects("")
	id := backplane.NewSocketID("g1", 0)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	event := &backplane.Msg{Subject: s.Worker("w1", "event", id), Data: []byte(`["say",{"text":"secret","n":7,"list":[true,null]}]`)}
	attached := backplane.EncodePayload(s.SocketEmit(id), "", backplane.Payload{JSON: []byte(`["file",{"_placeholder":true,"num":0}]`), Attachments: [][]byte{{1, 2, 3}}})
	for _, c := range []struct {
		m      *backplane.Msg
		redact bool
		want   string
	}{
		{event, false, `03:04:05.000  ← event of ` + id + `  ["say",{"text":"secret","n":7,"list":[true,null]}]`},
		{event, true, `03:04:05.000  ← event of ` + id + `  ["say",{"list":[true,null],"n":"‹number›","text":"‹6›"}]`},
		{&backplane.Msg{Subject: strings.TrimSuffix(s.SocketEmit(id), "emit") + "ack.1.1", Data: []byte(`["secret"]`)}, true, `03:04:05.000  → acknowledgement to ` + id + `  ["‹6›"]`},
		{&backplane.Msg{Subject: s.Room("/", backplane.UserRoom("ada")), Data: []byte(`["note","secret"]`)}, true, `03:04:05.000  → user / ada  ["note","‹6›"]`},
		{attached, false, `03:04:05.000  → socket ` + id + `  ["file",{"_placeholder":true,"num":0}]  and 1 attachments of 3 bytes`},
		{&backplane.Msg{Subject: s.Room("/", "a b"), Data: []byte(`["x"]`)}, false, `03:04:05.000  → room / a b  ["x"]`},
		{&backplane.Msg{Subject: s.Namespace("/chat"), Data: []byte(`["x"]`)}, true, `03:04:05.000  → namespace /chat  ["x"]`},
		{&backplane.Msg{Subject: "elsewhere", Data: []byte("not JSON")}, true, `03:04:05.000  elsewhere  ‹8 bytes›`},
	} {
		if got := Line(s, c.m, at, c.redact); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// Nothing that anybody sends can move a cursor or colour a terminal.
func TestPlain(t *testing.T) {
	hostile := "\x1b[2J\u009b31m\u202ebad\r\n"
	m := &backplane.Msg{Subject: "x", Data: []byte(`["` + "\u009b31m\u202e" + `"]`), Header: map[string][]string{backplane.HeaderError: {hostile}}}
	line := Line(backplane.NewSubjects(""), m, time.Time{}, false)
	if strings.ContainsAny(line, "\x1b\u009b\u202e\r\n") {
		t.Errorf("%q", line)
	}
	if got := Plain(hostile); got != `\x1b[2J\u009b31m\u202ebad\r\n` {
		t.Errorf("%q", got)
	}
}
