package auth

import (
	"context"
	"crypto/elliptic"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"
	"go.uber.org/zap"
)

// Keys that change where they come from change here; what cannot be read leaves the former in force.
func TestKeysFollow(t *testing.T) {
	defer goleak.VerifyNone(t)
	one, two := newEC(t, elliptic.P256()), newEC(t, elliptic.P256())
	var served atomic.Value
	serve := func(keys ...jose.JSONWebKey) {
		data, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		served.Store(data)
	}
	serve(jose.JSONWebKey{Key: one.Public(), KeyID: "1"})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		data, _ := served.Load().([]byte)
		if data == nil {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = rw.Write(data)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(Options{}, nil)
	changed := make(chan struct{}, 10)
	keys, err := NewKeys(Options{KeyFile: file, KeyURL: server.URL, Refresh: 10 * time.Millisecond}, v, zap.NewNop(), func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); keys.Run(ctx) }()
	defer func() { cancel(); <-done; keys.client.CloseIdleConnections() }()
	good := func(algorithm jose.SignatureAlgorithm, key any, kid string) bool {
		_, err := v.Verify(sign(t, algorithm, key, kid, claims(nil)), now)
		return err == nil
	}
	for !good(jose.ES256, one, "1") {
		<-changed
	}
	if !good(jose.HS256, secret, "") {
		t.Error("the file's key is not in force beside the set's")
	}
	serve(jose.JSONWebKey{Key: two.Public(), KeyID: "2"})
	for !good(jose.ES256, two, "2") {
		<-changed
	}
	if good(jose.ES256, one, "1") {
		t.Error("a key that is no longer in the set is in force")
	}
	other := []byte("another secret of thirty-two bytes")
	if err := os.WriteFile(file, other, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := keys.Reload(ctx); err != nil || !good(jose.HS256, other, "") || good(jose.HS256, secret, "") {
		t.Errorf("the file's new key is not in force: %v", err)
	}
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := keys.Reload(ctx); err == nil || !good(jose.HS256, other, "") {
		t.Errorf("a bad file: %v", err)
	}
}
