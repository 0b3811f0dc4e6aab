package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCORS(t *testing.T) {
	r := newRig(t, func(o *Options) { o.HTTP.CORSOrigin = "http://a,http://b" })
	p := r.browser()
	allowed := func(a answer) string { return a.header.Get("Access-Control-Allow-Origin") }
	for _, query := range []string{"EIO=4&transport=polling", "EIO=4&transport=nonsense", "EIO=4&transport=polling&sid=x"} { // as the reference does
		if a := p.Do("GET", query, "", "Origin", "http://b"); allowed(a) != "http://b" || a.header.Get("Access-Control-Allow-Credentials") != "true" || a.header.Get("Vary") != "Origin" {
			t.Errorf("%s: %v", query, a.header)
		}
		if a := p.Do("GET", query, "", "Origin", "http://evil"); allowed(a) != "" || a.header.Get("Vary") != "Origin" {
			t.Errorf("%s: %v", query, a.header)
		}
		if a := p.Do("GET", query, ""); allowed(a) != "" {
			t.Errorf("%s: %v", query, a.header)
		}
	}
	a := p.Do("OPTIONS", "EIO=4&transport=polling", "", "Origin", "http://a", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-own")
	if a.status != 204 || allowed(a) != "http://a" || !strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "POST") || a.header.Get("Access-Control-Allow-Headers") != "x-own" {
		t.Errorf("%+v", a)
	}
	r2 := newRig(t, func(o *Options) { o.HTTP.CORSOrigin = "*" })
	if a := r2.browser().Do("GET", "EIO=4&transport=polling", "", "Origin", "http://any"); allowed(a) != "*" || a.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%v", a.header)
	}
	r3 := newRig(t)
	if a := r3.browser().Do("GET", "EIO=4&transport=polling", "", "Origin", "http://any"); allowed(a) != "" {
		t.Errorf("%v", a.header)
	}
}

func TestCookie(t *testing.T) {
	r := newRig(t, func(o *Options) { o.HTTP.Cookie = "io" })
	p := r.browser()
	a := p.Do("GET", "EIO=4&transport=polling", "")
	sid, _, _ := strings.Cut(strings.TrimPrefix(a.body, `0{"sid":"`), `"`)
	if got := a.header.Get("Set-Cookie"); got != "io="+sid+"; Path=/; HttpOnly; SameSite=Lax" {
		t.Errorf("cookie %q", got)
	}
	raw := r.raw()
	raw.Raw([]byte(handshake("EIO=4&transport=websocket")))
	a = raw.response()
	sid = raw.Expect(`0{"sid":"*","upgrades":*`)[0]
	if got := a.header.Get("Set-Cookie"); !strings.HasPrefix(got, "io="+sid+";") {
		t.Errorf("cookie %q", got)
	}
	p.sid = r.poll().sid
	if a := p.Post("40"); a.header.Get("Set-Cookie") != "" {
		t.Error("a cookie with every answer")
	}
}

func TestBundles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"socket.io.js", "socket.io.min.js.map", "secret.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("content of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := newRig(t, func(o *Options) {
		o.HTTP.ClientDir = dir
		o.HTTP.Page = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusTeapot) })
	})
	p := r.browser()
	for path, want := range map[string]answer{
		"socket.io/socket.io.js":         {status: 200, body: "content of socket.io.js"},
		"socket.io/socket.io.min.js.map": {status: 200, body: "content of socket.io.min.js.map"},
		"socket.io/socket.io.esm.min.js": {status: 404},
		"socket.io/secret.txt":           {status: 404},
		"socket.io/..%2fsocket.io.js":    {status: 404},
		"socket.io/../secret.txt":        {status: 404},
		"socket.io":                      {status: 400},
		"":                               {status: http.StatusTeapot},
	} {
		a, err := p.try(t.Context(), "GET", "http://"+r.gw.Addr().String()+"/"+path, "")
		if err != nil || a.status != want.status || want.body != "" && a.body != want.body {
			t.Errorf("%s: %d %q %v", path, a.status, a.body, err)
		}
	}
}

// Headers far beyond a bufio's size, of a browser with many cookies, reach the worker.
func TestLongHeaders(t *testing.T) {
	r := newRig(t)
	raw := r.raw()
	cookie := strings.Repeat("c", 9000)
	raw.Raw([]byte(handshake("EIO=4&transport=websocket", "Cookie: a="+cookie)))
	if a := raw.response(); a.status != 101 {
		t.Fatalf("%+v", a)
	}
	raw.Expect("0*")
	raw.join("")
	if request := next(t, r.app.connects); !strings.Contains(string(request.Handshake), cookie) {
		t.Error("the cookie is not told")
	}
}

// nextRequest is a ResponseWriter whose client sends its next POST as soon as it sees the answer to the one before, and on another connection.
type nextRequest struct {
	httptest.ResponseRecorder
	send func()
}

// Write implements http.ResponseWriter.
func (w *nextRequest) Write(p []byte) (int, error) {
	w.send()
	return w.ResponseRecorder.Write(p)
}

// A POST that has been answered is over: the next one is not taken for a second at the same time, whatever the first one did.
func TestPostAfterAnswer(t *testing.T) {
	r := newRig(t)
	for name, body := range map[string]string{"taken": "3", "too large": strings.Repeat("4", 2_000_000)} {
		p, _ := r.pollJoin()
		url := "/socket.io/?EIO=4&transport=polling&sid=" + p.sid
		again := httptest.NewRecorder()
		first := &nextRequest{*httptest.NewRecorder(), func() {
			r.gw.web.ServeHTTP(again, httptest.NewRequest(http.MethodPost, url, strings.NewReader("3")))
		}}
		chunks := struct{ io.Reader }{strings.NewReader(body)} // whose length nobody knows
		r.gw.web.ServeHTTP(first, httptest.NewRequest(http.MethodPost, url, chunks))
		if name == "too large" {
			first.send() // its answer has no body
		}
		if again.Code != http.StatusOK || again.Body.String() != "ok" {
			t.Errorf("%s: the next one got %d %s", name, again.Code, again.Body)
		}
	}
}

// Of a connection on which chunks came nothing more is read: with a length beside them, a proxy may have seen another request in them.
func TestChunksEndTheConnection(t *testing.T) {
	r := newRig(t)
	for _, length := range []string{"", "Content-Length: 6\r\n"} {
		c := r.raw()
		c.Raw([]byte("POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n" + length + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
			"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n\r\n"))
		if a := c.response(); a.status != http.StatusBadRequest {
			t.Errorf("%+v", a)
		}
		c.ExpectEnd()
	}
}
