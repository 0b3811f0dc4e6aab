package backplane

import (
	"bytes"
	"math"
	"testing"
)

func TestReceipts(t *testing.T) {
	s := NewSubjects("p.q")
	id := NewSocketID("g1", 3)
	for _, r := range []Receipt{
		{Number: 1}, {Number: math.MaxUint64, Again: 255}, {Number: 7, WantsAck: true}, {Number: 8, Again: 2, AckID: math.MaxUint64, WantsAck: true},
	} {
		subject := string(s.AppendReceipt(nil, id, r))
		got, ok := s.ReceiptOf(subject)
		if !ok || got != r {
			t.Errorf("%s: %+v %v, want %+v", subject, got, ok, r)
		}
		socket, verb, arg, ok := s.ParseSocket(subject)
		if got, read := ParseReceipt(verb, arg); !ok || socket != id || !read || got != r {
			t.Errorf("%s: %q %+v", subject, socket, got)
		}
	}
	if r, ok := s.ReceiptOf(s.SocketAck(id, "5")); !ok || r != (Receipt{AckID: 5, WantsAck: true}) {
		t.Errorf("of a gateway that does not count: %+v %v", r, ok)
	}
	if got, want := string(s.AppendWorker(nil, "w1", "event", id)), s.Worker("w1", "event", id); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, subject := range []string{"", "p.q.socket", s.SocketEmit(id), s.SocketControl(id), "p.q.worker.w1.reply.5", s.SocketAck(id, "x"), s.SocketAck(id, "1.2.3"), s.SocketAck(id, "1.2-")} {
		if r, ok := s.ReceiptOf(subject); ok {
			t.Errorf("%q: %+v", subject, r)
		}
	}
	m := &Msg{}
	if Redelivered(m) {
		t.Error("redelivered without a flag")
	}
	if SetRedelivered(m); !Redelivered(m) {
		t.Error("the flag is lost")
	}
}

func TestStandings(t *testing.T) {
	for _, s := range []Standing{{}, {Counts: true}, {Received: 9, Done: 7, Counts: true}} {
		if got := ParseStanding(s.Append(nil)); got != s {
			t.Errorf("%+v, want %+v", got, s)
		}
	}
	for _, text := range []string{"", "1", "1 ", " 1", "1 x", "-1 0", "1 2 3"} {
		if got := ParseStanding([]byte(text)); got != (Standing{}) {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// What is read of confirmations is what stands there, line by line, and nothing else is.
func FuzzConfirmations(f *testing.F) {
	f.Add(AppendConfirmation(AppendConfirmation(nil, "AAAAAAAAAAAAAAAA_g1", 1), "BAAAAAAAAAAAAAAA_g2", math.MaxUint64))
	f.Add([]byte("a 1"))
	f.Add([]byte("a 1\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var again []byte
		rest := data
		for {
			socket, number, after, ok := NextConfirmation(rest)
			if !ok {
				break
			}
			if len(after) >= len(rest) {
				t.Fatal("nothing was taken off")
			}
			again, rest = AppendConfirmation(again, string(socket), number), after
		}
		read := data[:len(data)-len(rest)]
		if len(again) > len(read) || len(again) == len(read) && !bytes.Equal(again, read) {
			t.Errorf("%q became %q", read, again)
		}
	})
}
