package backplane_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"patchbay/backplane"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func serve(t *testing.T, config string) *backplane.Server {
	t.Helper()
	s, err := backplane.StartServer(backplane.ServerOptions{Config: write(t, "nats.conf", config), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// tries to connect, and to hear the server's answer.
func tries(t *testing.T, o backplane.Options) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := backplane.Open(ctx, o)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Flush(ctx)
}

func TestLoginByPasswordFile(t *testing.T) {
	s := serve(t, `authorization { user: u, password: right }`)
	path := write(t, "password", "wrong\n")
	o := backplane.Options{URL: s.URL(), Login: backplane.Login{User: "u", PasswordFile: path}}
	if tries(t, o) == nil {
		t.Error("a wrong password was let in")
	}
	if err := os.WriteFile(path, []byte("right\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tries(t, o); err != nil {
		t.Error(err)
	}
	if err := tries(t, backplane.Options{URL: strings.Replace(s.URL(), "nats://", "nats://u:right@", 1)}); err != nil {
		t.Errorf("user and password in the URL: %v", err)
	}
}

func TestLoginByNKey(t *testing.T) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, seed := keyTexts(t, pair)
	s := serve(t, `authorization { users = [ { nkey: `+public+` } ] }`)
	if err := tries(t, backplane.Options{URL: s.URL(), Login: backplane.Login{NKey: write(t, "seed", seed)}}); err != nil {
		t.Error(err)
	}
	if tries(t, backplane.Options{URL: s.URL()}) == nil {
		t.Error("nobody was let in")
	}
}

// A server that is not there yet is waited for, whether it refuses or is silent.
func TestOpenWaits(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for _, address := range []string{"127.0.0.1:1", silent.Addr().String()} {
		core, logs := observer.New(zap.WarnLevel)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			_, err := backplane.Open(ctx, backplane.Options{URL: "nats://" + address, Log: zap.New(core)})
			ended <- err
		}()
		for deadline := time.After(30 * time.Second); logs.Len() < 2; {
			select {
			case err := <-ended:
				t.Fatalf("%s: it was not waited for: %v", address, err)
			case <-deadline:
				t.Fatalf("%s: no second attempt", address)
			case <-time.After(10 * time.Millisecond):
			}
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want that it was called off", address, err)
		}
	}
}

func keyTexts(t *testing.T, pair nkeys.KeyPair) (public, seed string) {
	t.Helper()
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return public, string(text)
}

// An operator signs an account, the account signs a user: NATS's decentralized way.
func TestLoginByCredentials(t *testing.T) {
	operator, account, user := must(nkeys.CreateOperator()), must(nkeys.CreateAccount()), must(nkeys.CreateUser())
	operatorID, _ := keyTexts(t, operator)
	accountID, _ := keyTexts(t, account)
	userID, seed := keyTexts(t, user)
	operatorJWT := must(jwt.NewOperatorClaims(operatorID).Encode(operator))
	accountJWT := must(jwt.NewAccountClaims(accountID).Encode(operator))
	userJWT := must(jwt.NewUserClaims(userID).Encode(account))
	credentials := must(jwt.FormatUserConfig(userJWT, []byte(seed)))

	s := serve(t, "operator: "+operatorJWT+"\nresolver: MEMORY\nresolver_preload: { "+accountID+": "+accountJWT+" }\n")
	login := backplane.Login{Credentials: write(t, "user.creds", string(credentials))}
	if err := tries(t, backplane.Options{URL: s.URL(), Login: login}); err != nil {
		t.Error(err)
	}
	if tries(t, backplane.Options{URL: s.URL()}) == nil {
		t.Error("nobody was let in")
	}
}

// must is for what cannot fail but by a broken test.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestLoginContradictions(t *testing.T) {
	s := serve(t, "")
	for name, login := range map[string]backplane.Login{
		"two ways":                {User: "u", NKey: "f"},
		"a password for nobody":   {Password: "p"},
		"a password and its file": {User: "u", Password: "p", PasswordFile: "f"},
		"a file that is not":      {User: "u", PasswordFile: "/no/such/file"},
		"a seed that is not":      {NKey: "/no/such/file"},
	} {
		if err := tries(t, backplane.Options{URL: s.URL(), Login: login}); !errors.Is(err, backplane.ErrLogin) {
			t.Errorf("%s: got %v, want ErrLogin", name, err)
		}
	}
}

func TestTLS(t *testing.T) {
	authority := newAuthority(t)
	serverCert, serverKey := authority.issue(t, "server")
	clientCert, clientKey := authority.issue(t, "client")
	t.Setenv("PATCHBAY_NATS_CERT", serverCert)
	t.Setenv("PATCHBAY_NATS_KEY", serverKey)
	t.Setenv("PATCHBAY_NATS_CA", authority.path)
	s, err := backplane.StartServer(backplane.ServerOptions{Config: "../deploy/nats/tls.conf", Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)

	whole := backplane.TLS{CA: authority.path, Cert: clientCert, Key: clientKey}
	if err := tries(t, backplane.Options{URL: s.URL(), TLS: whole}); err != nil {
		t.Error(err)
	}
	strangerCert, strangerKey := newAuthority(t).issue(t, "stranger")
	for name, half := range map[string]backplane.TLS{
		"nothing":                  {},
		"an authority alone":       {CA: authority.path},
		"a certificate alone":      {Cert: clientCert, Key: clientKey},
		"a stranger's certificate": {CA: authority.path, Cert: strangerCert, Key: strangerKey},
	} {
		if tries(t, backplane.Options{URL: s.URL(), TLS: half}) == nil {
			t.Errorf("%s was enough", name)
		}
	}
}

// authority signs certificates.
type authority struct {
	path string // of its own certificate
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key))
	a.cert = must(x509.ParseCertificate(der))
	a.path = write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return a
}

func (a *authority) issue(t *testing.T, name string) (cert, key string) {
	t.Helper()
	own := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der := must(x509.CreateCertificate(rand.Reader, template, a.cert, &own.PublicKey, a.key))
	private := must(x509.MarshalPKCS8PrivateKey(own))
	cert = write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return cert, write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}
