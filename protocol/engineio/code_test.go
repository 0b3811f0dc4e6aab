package engineio

import "testing"

func TestAppendError(t *testing.T) {
	cases := []struct {
		code   Code
		status int
		want   string
	}{
		{UnknownTransport, 400, `{"code":0,"message":"Transport unknown"}`},
		{UnknownSID, 400, `{"code":1,"message":"Session ID unknown"}`},
		{BadHandshakeMethod, 400, `{"code":2,"message":"Bad handshake method"}`},
		{BadRequest, 400, `{"code":3,"message":"Bad request"}`},
		{Forbidden, 403, `{"code":4,"message":"Forbidden"}`},
		{UnsupportedProtocol, 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{Code(17), 400, `{"code":17,"message":"Bad request"}`},
	}
	for _, c := range cases {
		if got := AppendError(nil, c.code); string(got) != c.want || c.code.Status() != c.status {
			t.Errorf("code %d: got %d %s, want %d %s", c.code, c.code.Status(), got, c.status, c.want)
		}
	}
}

func TestAppendErrorMessage(t *testing.T) {
	got := AppendErrorMessage(nil, Forbidden, "no \"guests\"\x00")
	const want = `{"code":4,"message":"no \"guests\"\u0000"}`
	if string(got) != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}
