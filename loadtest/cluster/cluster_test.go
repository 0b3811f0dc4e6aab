package cluster_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"patchbay/backplane"
	"patchbay/loadtest/cluster"
)

func TestStart(t *testing.T) {
	for name, shape := range map[string]cluster.Shape{
		"the least": {},
		"a whole":   {Servers: 3, Routers: 2, Gateways: 3, Workers: 2, App: cluster.Contract},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster.Start(t, shape)
			for i := range c.Gateways {
				text := request(t, c.URL(i)+"/socket.io/?EIO=4&transport=polling", "")
				sid, ok := strings.CutPrefix(text, `0{"sid":"`)
				if !ok {
					t.Fatalf("gateway %d: got %q, want an Engine.IO handshake", i, text)
				}
				if shape.App == nil {
					continue
				}
				session := c.URL(i) + "/socket.io/?EIO=4&transport=polling&sid=" + sid[:strings.IndexByte(sid, '"')]
				if text := request(t, session, "40"); text != "ok" {
					t.Errorf("gateway %d: got %q for a CONNECT, want ok", i, text)
				}
				if text := request(t, session, ""); !strings.HasPrefix(text, `40{"sid":"`) {
					t.Errorf("gateway %d: got %q, want the acceptance of a CONNECT", i, text)
				}
			}
			if err := c.StopPart(c.Gateways[0]); err != nil {
				t.Error(err)
			}
		})
	}
}

// request sends a GET, or a POST if there is a body, and returns the answer's body.
func request(t *testing.T, url, body string) string {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOpenFails(t *testing.T) {
	cluster.CheckLeaks(t)
	broken := errors.New("broken")
	_, err := cluster.Open(context.Background(), cluster.Shape{
		App: func(context.Context, backplane.Options) (cluster.Part, error) { return nil, broken },
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}
