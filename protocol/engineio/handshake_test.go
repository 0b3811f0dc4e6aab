package engineio

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"
)

func TestAppendOpen(t *testing.T) {
	cases := []struct {
		name string
		open Open
		want string
	}{
		{"polling",
			Open{"lv_VI97HAXpY6yYWAAAC", []string{"websocket"}, DefaultPingInterval, DefaultPingTimeout, DefaultMaxPayload},
			`0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`},
		{"websocket",
			Open{"x", nil, 300 * time.Millisecond, 200 * time.Millisecond, 1},
			`0{"sid":"x","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1}`},
		{"odd names",
			Open{"a\"\\\n", []string{"a", "é"}, 0, 0, 0},
			`0{"sid":"a\"\\\n","upgrades":["a","é"],"pingInterval":0,"pingTimeout":0}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := AppendOpen(nil, c.open)
			if string(got) != c.want {
				t.Fatalf("got  %s\nwant %s", got, c.want)
			}
			again, err := DecodeOpen(got[1:])
			if len(again.Upgrades) == 0 {
				again.Upgrades = nil
			}
			if err != nil || !reflect.DeepEqual(again, c.open) {
				t.Fatalf("round trip gave %+v, %v", again, err)
			}
		})
	}
}

func TestDecodeOpenErrors(t *testing.T) {
	for _, data := range []string{
		``, `[]`, `{`, `{}`, `{"sid":""}`, `{"sid":1}`,
		`{"sid":"x","pingInterval":-1}`, `{"sid":"x","pingTimeout":9223372036854775807}`,
		`{"sid":"x","maxPayload":-1}`, `{"sid":"x","maxPayload":1.5}`,
	} {
		if _, err := DecodeOpen([]byte(data)); !errors.Is(err, ErrHandshake) {
			t.Errorf("%s: got %v, want ErrHandshake", data, err)
		}
	}
}

func FuzzDecodeOpen(f *testing.F) {
	whole := AppendOpen(nil, Open{"abc", []string{"websocket"}, time.Second, time.Second, 100})[1:]
	for cut := range len(whole) + 1 {
		f.Add(whole[:cut])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		open, err := DecodeOpen(data)
		if err != nil {
			return
		}
		encoded := AppendOpen(nil, open)[1:]
		if !json.Valid(encoded) {
			t.Fatalf("not JSON: %s", encoded)
		}
		again, err := DecodeOpen(encoded)
		if open.Upgrades == nil {
			open.Upgrades = []string{}
		}
		if err != nil || !reflect.DeepEqual(open, again) {
			t.Fatalf("round trip of %+v gave %+v, %v", open, again, err)
		}
	})
}
