package backplane

import (
	"bytes"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/quick"

	"github.com/nats-io/nats.go"
)

func TestEmitRoundTrip(t *testing.T) {
	for _, e := range []Emit{
		{Payload: Payload{JSON: []byte(`["e"]`)}},
		{Payload: Payload{JSON: []byte(`["e"]`), Attachments: [][]byte{[]byte("a"), {}, []byte("ccc")}}},
		{Payload: Payload{JSON: []byte(`["e"]`)}, ID: "x.1", Volatile: true},
		{Payload: Payload{JSON: []byte(`["e"]`)}, Uncompressed: true},
		{Payload: Payload{JSON: []byte(`["e"]`)}, Volatile: true, Uncompressed: true, Ask: true},
		{Payload: Payload{JSON: []byte(`["e"]`)}, Match: `^(?:/dynamic-\d+)$`, Rooms: []string{"a"}},
		{Payload: Payload{JSON: []byte(`["e"]`)}, Namespace: "/ é, \r\n ", Rooms: []string{"", "-", "a,b", "é", " "}, Except: []string{"%2D"}},
	} {
		m := e.Encode("s", "r")
		if m.Subject != "s" || m.Reply != "r" {
			t.Errorf("%+v", m)
		}
		got, err := DecodeEmit(m)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%+v became %+v, %v", e, got, err)
		}
	}
	plain := &Emit{Payload: Payload{JSON: []byte(`["e"]`)}}
	if m := plain.Encode("s", ""); m.Header != nil || &m.Data[0] != &plain.JSON[0] {
		t.Error("a bare emit has headers or is copied")
	}
}

// A worker learns in which rooms a socket was, unless their names are too long.
func TestDisconnectRooms(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct{ rooms, want []string }{
		{nil, []string{}},
		{[]string{"a", "é, b", "*", ""}, []string{"a", "é, b", "*", ""}},
		{[]string{"*"}, []string{"*"}},
		{slices.Repeat([]string{long}, 1000), nil},
	} {
		m := EncodeDisconnect("s", "transport close", c.rooms)
		if got := LeftRooms(m); !reflect.DeepEqual(got, c.want) || string(m.Data) != "transport close" {
			t.Errorf("%.5v became %.5v, %q", c.rooms, got, m.Data)
		}
	}
}

func TestDecodePayloadRefuses(t *testing.T) {
	for _, lengths := range []string{"x", "-1", "4", "1,3", "1,,1", ",", "1,", "99999999999999999999", "0x1", "1 "} {
		m := &Msg{Data: []byte("abc"), Header: nats.Header{HeaderAttachments: {lengths}}}
		if p, err := DecodePayload(m); err == nil {
			t.Errorf("%q: %+v", lengths, p)
		}
	}
	// Attachments cannot grow into one another.
	m := &Msg{Data: []byte(`[]ab`), Header: nats.Header{HeaderAttachments: {"1,1"}}}
	p, err := DecodePayload(m)
	if err != nil || string(p.JSON) != "[]" || len(p.Attachments) != 2 {
		t.Fatalf("%+v %v", p, err)
	}
	_ = append(p.JSON, 'X')
	_ = append(p.Attachments[0], 'X')
	if string(p.Attachments[0]) != "a" || string(p.Attachments[1]) != "b" {
		t.Errorf("appending to one piece changed another: %q", p.Attachments)
	}
}

func TestNamesRoundTrip(t *testing.T) {
	check := func(names []string) bool {
		got, err := splitNames(joinNames(names))
		return err == nil && (len(names) == 0 && len(got) == 0 || reflect.DeepEqual(got, names))
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

func FuzzDecodePayload(f *testing.F) {
	f.Add([]byte(`["e"]abc`), "1,2")
	f.Add([]byte(``), "0,0,0")
	f.Add([]byte(`abc`), "4")
	f.Fuzz(func(t *testing.T, data []byte, lengths string) {
		m := &Msg{Data: data, Header: nats.Header{HeaderAttachments: {lengths}}}
		p, err := DecodePayload(m)
		if err != nil {
			return
		}
		whole := bytes.Clone(p.JSON)
		for _, a := range p.Attachments {
			whole = append(whole, a...)
		}
		if !bytes.Equal(whole, data) {
			t.Fatalf("%q cut at %q is %+v", data, lengths, p)
		}
		back := EncodePayload("s", "", p)
		if got := get(back, HeaderAttachments); lengths != "" && !sameNumbers(got, lengths) {
			t.Fatalf("lengths %q became %q", lengths, got)
		}
	})
}

// sameNumbers compares lists of numbers, of which Atoi reads several spellings.
func sameNumbers(a, b string) bool {
	x, y := strings.Split(a, ","), strings.Split(b, ",")
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		n, _ := strconv.Atoi(x[i])
		if m, _ := strconv.Atoi(y[i]); n != m {
			return false
		}
	}
	return true
}

func FuzzDecodeEmit(f *testing.F) {
	f.Add([]byte(`["e"]`), "id", "/nsp", "a,b", "-", "v")
	f.Add([]byte(``), "", "%", ",", "%2", "x")
	f.Fuzz(func(t *testing.T, data []byte, id, nsp, rooms, except, flags string) {
		m := &Msg{Data: data, Header: nats.Header{
			HeaderID: {id}, HeaderNamespace: {nsp}, HeaderRooms: {rooms}, HeaderExcept: {except}, HeaderFlags: {flags},
		}}
		e, err := DecodeEmit(m)
		if err != nil {
			return
		}
		again, err := DecodeEmit(e.Encode("s", ""))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("%+v became %+v, %v", e, again, err)
		}
	})
}
