package gateway

import (
	"errors"
	"net/http"
	"testing"
)

func TestDoorOrigins(t *testing.T) {
	d, err := newDoor(&HTTPOptions{Origins: "https://example.com, https://*.example.org,http://localhost:3000"})
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]bool{
		"":                    true, // no browser, or the same origin by GET
		"https://example.com": true, "HTTPS://Example.COM": true, "http://example.com": false, "https://example.com:8443": false,
		"https://www.example.com": false, "https://notexample.com": false, "https://example.com.evil.net": false,
		"https://a.example.org": true, "https://a.b.example.org": true, "https://example.org": false, "https://evilexample.org": false,
		"http://localhost:3000": true, "http://localhost": false, "null": false,
	} {
		h := http.Header{}
		if from != "" {
			h.Set("Origin", from)
		}
		if d.admits(h) != want {
			t.Errorf("%q is let in: %t", from, !want)
		}
	}
}

func TestDoorHeaders(t *testing.T) {
	d, err := newDoor(&HTTPOptions{RequireHeaders: []string{"x-api-key: abc", "X-Any"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		header http.Header
		want   bool
	}{
		{http.Header{"X-Api-Key": {"abc"}, "X-Any": {"1"}}, true},
		{http.Header{"X-Api-Key": {"abd"}, "X-Any": {"1"}}, false},
		{http.Header{"X-Api-Key": {"abc"}}, false},
		{nil, false},
	} {
		if d.admits(c.header) != c.want {
			t.Errorf("%v is let in: %t", c.header, !c.want)
		}
	}
}

// What a client writes into X-Forwarded-For itself is never believed.
func TestDoorSource(t *testing.T) {
	d, err := newDoor(&HTTPOptions{TrustedProxies: "10.0.0.0/8, ::1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		peer   string
		chain  []string
		want   string
		secure bool
	}{
		{"192.0.2.1", []string{"198.51.100.7"}, "192.0.2.1", false},
		{"10.1.1.1", nil, "10.1.1.1", true},
		{"10.1.1.1", []string{"198.51.100.7"}, "198.51.100.7", true},
		{"10.1.1.1", []string{"1.2.3.4, 198.51.100.7"}, "198.51.100.7", true},
		{"10.1.1.1", []string{"1.2.3.4", "198.51.100.7, 10.2.2.2"}, "198.51.100.7", true},
		{"10.1.1.1", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3", true},
		{"10.1.1.1", []string{"198.51.100.7, garbage"}, "10.1.1.1", true},
		{"::1", []string{"2001:db8::5"}, "2001:db8::5", true},
		{"::ffff:10.1.1.1", []string{"198.51.100.7"}, "198.51.100.7", true},
		{"", []string{"198.51.100.7"}, "", false},
	} {
		got, secure := d.source(c.peer, false, http.Header{"X-Forwarded-For": c.chain, "X-Forwarded-Proto": {"https"}})
		if got != c.want || secure != c.secure {
			t.Errorf("%s with %q: %s, secure %t", c.peer, c.chain, got, secure)
		}
	}
}

func TestDoorOptions(t *testing.T) {
	for _, o := range []HTTPOptions{
		{Origins: "example.com"}, {Origins: "https://"}, {Origins: "https://a*.b"}, {Origins: "https://a/b"}, {Origins: "*"},
		{TrustedProxies: "10.0.0.0/99"}, {TrustedProxies: "proxy"}, {RequireHeaders: []string{":x"}},
	} {
		if _, err := newDoor(&o); !errors.Is(err, ErrOptions) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
