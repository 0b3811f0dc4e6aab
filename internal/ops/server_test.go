package ops_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"patchbay/internal/ops"
)

func TestServer(t *testing.T) {
	defer goleak.VerifyNone(t)
	s, err := ops.Listen("127.0.0.1:0", ops.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	expect := func(path string, status int, text string) {
		t.Helper()
		gotStatus, gotText := get(t, s, path)
		if gotStatus != status || !strings.Contains(gotText, text) {
			t.Errorf("%s: got %d %.200q, want %d with %q", path, gotStatus, gotText, status, text)
		}
	}
	expect("/healthz", 200, "ok")
	expect("/readyz", 503, "starting")
	s.SetReady(func() error { return errors.New("no NATS") })
	expect("/readyz", 503, "no NATS")
	s.SetReady(func() error { return nil })
	expect("/readyz", 200, "ok")
	expect("/metrics", 200, "go_goroutines")
	expect("/metrics", 200, "process_open_fds")
	expect("/debug/pprof/", 200, "goroutine")
	expect("/debug/pprof/cmdline", 200, "ops.test")
	expect("/nothing", 404, "")
	expect("/reload", 405, "")
	if status, text := post(t, s, "/reload"); status != 503 || !strings.Contains(text, "nothing can be reloaded") {
		t.Errorf("a reload before there is a part: %d %s", status, text)
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, s *ops.Server, path string) (status int, text string) {
	t.Helper()
	return request(t, s, http.MethodGet, path)
}

func post(t *testing.T, s *ops.Server, path string) (status int, text string) {
	t.Helper()
	return request(t, s, http.MethodPost, path)
}

func request(t *testing.T, s *ops.Server, method, path string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+s.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestListenTaken(t *testing.T) {
	s, err := ops.Listen("127.0.0.1:0", ops.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Stop(context.Background()) }()
	if _, err := ops.Listen(s.Addr().String(), ops.NewRegistry(), zap.NewNop()); err == nil {
		t.Error("a taken address was listened on twice")
	}
}
