package gateway

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// certify writes a certificate for 127.0.0.1, and returns the files and what trusts it.
func certify(t *testing.T, dir, name string) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(parsed)
	return cert, key, roots
}

// wss opens a session over TLS.
func (r *rig) wss(roots *x509.CertPool) *wsClient {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	dialer := ws.Dialer{TLSConfig: &tls.Config{RootCAs: roots}}
	conn, br, _, err := dialer.Dial(ctx, r.url("wss", "EIO=4&transport=websocket"))
	if err != nil {
		r.Fatal(err)
	}
	c := r.client(conn, br)
	c.sid = c.Expect(`0{"sid":"*","upgrades":[],"pingInterval":*}`)[0]
	return c
}

// Over TLS everything is as it is without, and the certificate can change while clients are connected.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key, roots := certify(t, dir, "one")
	r := newRig(t, func(o *Options) { o.HTTP.TLSCert, o.HTTP.TLSKey = cert, key })
	c := r.wss(roots)
	c.join("")
	if request := next(t, r.app.connects); !strings.Contains(string(request.Handshake), `"secure":true`) ||
		!strings.Contains(string(request.Handshake), `"address":"127.0.0.1"`) {
		t.Errorf("handshake %s", request.Handshake)
	}
	big := strings.Repeat("x", 300_000)
	c.Send(`42["big","` + big + `"]`)
	r.app.expectEvent(`["big","` + big + `"]`)
	r.app.emitAll("/", `["big","`+big+`"]`)
	c.Expect(`42["big","` + big + `"]`)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	response, err := client.Get(r.url("https", "EIO=4&transport=polling"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || !strings.HasPrefix(string(text), `0{"sid":`) {
		t.Errorf("polling: %s, %v", text, err)
	}
	_, _, renewed := certify(t, dir, "two")
	if err := r.gw.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wss(renewed).join("")
	if err := os.WriteFile(cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.gw.Reload(t.Context()); err == nil {
		t.Error("a bad certificate was taken")
	}
	r.wss(renewed).join("")
	c.Alive(r.app)
	c.Send("41")
	c.net.Close()
	// Whoever speaks no TLS, or nothing at all, is let go.
	plain := r.raw()
	plain.Raw([]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n"))
	if _, err := io.ReadAll(plain.r); err != nil {
		t.Errorf("a client without TLS: %v", err)
	}
}

// A trusted proxy's header says where a connection comes from, in both versions, whole or in pieces, before TLS and without.
func TestProxyProtocol(t *testing.T) {
	cert, key, roots := certify(t, t.TempDir(), "one")
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\x7f\x00\x00\x01\x30\x39\x01\xbb"
	v1 := "PROXY TCP4 198.51.100.7 127.0.0.1 12345 443\r\n"
	proxied := func(o *Options) { o.HTTP.ProxyProtocol, o.HTTP.TrustedProxies = true, "127.0.0.0/8" }
	for name, change := range map[string]func(*Options){"plain": proxied, "tls": func(o *Options) {
		proxied(o)
		o.HTTP.TLSCert, o.HTTP.TLSKey = cert, key
	}} {
		r := newRig(t, change)
		for _, header := range []string{v1, v2} {
			for _, cut := range []int{0, 1, 8, 15, len(header)} {
				c := r.raw()
				c.Raw([]byte(header[:cut]))
				c.Raw([]byte(header[cut:]))
				if name == "tls" {
					c.net = tls.Client(c.net, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
					c.r = bufio.NewReader(c.net)
				}
				c.Raw([]byte("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
					"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
				for line := ""; line != "\r\n"; {
					var err error
					if line, err = c.r.ReadString('\n'); err != nil {
						t.Fatalf("%s: %q cut at %d: %v", name, header, cut, err)
					}
				}
				c.Expect(`0{"sid":"*","upgrades":[],"pingInterval":*}`)
				c.join("")
				if request := next(t, r.app.connects); !strings.Contains(string(request.Handshake), `"address":"198.51.100.7"`) {
					t.Errorf("%s: %q: handshake %s", name, header, request.Handshake)
				}
			}
		}
		for _, bad := range []string{"GET / HTTP/1.1\r\n\r\n", "PROXY " + strings.Repeat("x", 200), v1[:5] + "?", "PROXY TCP4 a b c d\r\n", v2[:13] + "\x11\xff\xff"} {
			c := r.raw()
			c.Raw([]byte(bad))
			if text, err := io.ReadAll(c.r); len(text) > 0 && err == nil {
				t.Errorf("%s: %.20q was answered: %q", name, bad, text)
			}
		}
	}
}

// FuzzProxyHeader: whatever a connection begins with.
func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 198.51.100.7 127.0.0.1 12345 443\r\nGET"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\x7f\x00\x00\x01\x30\x39\x01\xbb"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := proxyLength(data)
		if n > len(data) || err != nil && n != 0 {
			t.Fatalf("%d of %d bytes, %v", n, len(data), err)
		}
		for cut := range min(n, 64) { // of a part nothing else can be said, but that more is needed
			if m, err := proxyLength(data[:cut]); m != 0 || err != nil {
				t.Fatalf("cut at %d: %d, %v", cut, m, err)
			}
		}
		if n > 0 {
			if source, err := proxySource(data[:n]); err != nil && source != "" {
				t.Error("an address in spite of an error")
			}
		}
	})
}
