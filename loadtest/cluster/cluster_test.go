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
		"a whole":   {Servers: 3, Routers: 2, Gateways: 3},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster.Start(t, shape)
			for i := range c.Gateways {
				if text := handshake(t, c.URL(i)); !strings.HasPrefix(text, `0{"sid":"`) {
					t.Errorf("gateway %d: got %q, want an Engine.IO handshake", i, text)
				}
			}
			if err := c.StopPart(c.Gateways[0]); err != nil {
				t.Error(err)
			}
		})
	}
}

func handshake(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url + "/socket.io/?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
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
