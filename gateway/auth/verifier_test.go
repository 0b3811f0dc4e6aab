package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"patchbay/backplane"
)

var secret = []byte("thirty-two bytes of secret, or so")

// sign makes a token.
func sign(t testing.TB, algorithm jose.SignatureAlgorithm, key any, kid string, claims any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func publicPEM(t testing.TB, keys ...crypto.PublicKey) []byte {
	t.Helper()
	var text []byte
	for _, key := range keys {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
	}
	return text
}

func newRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEC(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func parse(t testing.TB, data []byte) *KeySet {
	t.Helper()
	set, err := ParseKeys(data)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

var now = time.Unix(1_800_000_000, 0)

func claims(more map[string]any) map[string]any {
	all := map[string]any{"sub": "ada", "jti": "t1", "iat": now.Unix() - 10, "exp": now.Unix() + 600}
	for name, value := range more {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return all
}

// Each kind of signature is accepted with its own kind of key.
func TestAlgorithms(t *testing.T) {
	rsaKey, ec256, ec384 := newRSA(t, 2048), newEC(t, elliptic.P256()), newEC(t, elliptic.P384())
	public, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	all := publicPEM(t, rsaKey.Public(), ec256.Public(), ec384.Public(), public)
	for _, c := range []struct {
		algorithm jose.SignatureAlgorithm
		key       any
		keys      []byte
	}{
		{jose.HS256, secret, secret}, {jose.HS512, append(secret, secret...), append(secret, secret...)},
		{jose.RS256, rsaKey, all}, {jose.PS512, rsaKey, all}, {jose.ES256, ec256, all}, {jose.ES384, ec384, all}, {jose.EdDSA, ed, all},
	} {
		v := NewVerifier(Options{}, nil)
		v.SetKeys(parse(t, c.keys))
		identity, err := v.Verify(sign(t, c.algorithm, c.key, "", claims(nil)), now)
		if err != nil || identity.User != "ada" || identity.Token != "t1" || !identity.Expires.Equal(now.Add(600*time.Second)) {
			t.Errorf("%s: %+v, %v", c.algorithm, identity, err)
		}
	}
}

// Who knows a public key cannot sign with it as if it were a secret, and nobody can leave the signature out.
func TestConfusion(t *testing.T) {
	key := newRSA(t, 2048)
	public := publicPEM(t, key.Public())
	v := NewVerifier(Options{}, nil)
	v.SetKeys(parse(t, public))
	if _, err := v.Verify(sign(t, jose.HS256, public, "", claims(nil)), now); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a public key as a secret: %v", err)
	}
	none := "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhZGEiLCJleHAiOjQwMDAwMDAwMDB9."
	if _, err := v.Verify(none, now); !errors.Is(err, ErrMalformed) {
		t.Errorf("no signature: %v", err)
	}
	if _, err := v.Verify(sign(t, jose.RS256, newRSA(t, 2048), "", claims(nil)), now); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: %v", err)
	}
}

// What a token says is checked, each rule with its own error.
func TestClaims(t *testing.T) {
	for _, c := range []struct {
		name   string
		claims map[string]any
		change func(*Options)
		want   error
	}{
		{"good", nil, nil, nil},
		{"over", map[string]any{"exp": now.Unix() - 11}, nil, ErrExpired},
		{"over within the leeway", map[string]any{"exp": now.Unix() - 9}, nil, nil},
		{"without an end", map[string]any{"exp": nil}, nil, ErrLifetime},
		{"too long", map[string]any{"exp": now.Unix() + 100_000}, nil, ErrLifetime},
		{"early", map[string]any{"nbf": now.Unix() + 11}, nil, ErrNotYet},
		{"of nobody", nil, func(o *Options) { o.Issuer = "us" }, ErrIssuer},
		{"of another", map[string]any{"iss": "them"}, func(o *Options) { o.Issuer = "us" }, ErrIssuer},
		{"of us", map[string]any{"iss": "us"}, func(o *Options) { o.Issuer = "us" }, nil},
		{"for nobody", nil, func(o *Options) { o.Audience = "chat" }, ErrAudience},
		{"for several", map[string]any{"aud": []string{"mail", "chat"}}, func(o *Options) { o.Audience = "chat" }, nil},
		{"with a number for a user", map[string]any{"uid": 42, "sub": nil}, func(o *Options) { o.User = "uid" }, nil},
	} {
		var o Options
		if c.change != nil {
			c.change(&o)
		}
		v := NewVerifier(o, NewRevoked(0))
		v.SetKeys(parse(t, secret))
		identity, err := v.Verify(sign(t, jose.HS256, secret, "", claims(c.claims)), now)
		if !errors.Is(err, c.want) || (err == nil) != (identity != nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err == nil && o.User == "uid" && identity.User != "42" {
			t.Errorf("%s: user %q", c.name, identity.User)
		}
	}
	v := NewVerifier(Options{}, nil)
	for _, text := range []string{"", "a", "a.b.c", strings.Repeat("a", maxTokenBytes+1)} {
		if _, err := v.Verify(text, now); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrMissing) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
	if _, err := v.Verify(sign(t, jose.HS256, secret, "", claims(nil)), now); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("without keys: %v", err)
	}
}

// A key id chooses among keys; one that is not there is known to be so.
func TestKeyIDs(t *testing.T) {
	one, two := newEC(t, elliptic.P256()), newEC(t, elliptic.P256())
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: one.Public(), KeyID: "1", Use: "sig"}, {Key: two.Public(), KeyID: "2"}, {Key: newEC(t, elliptic.P256()).Public(), KeyID: "3", Use: "enc"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(Options{}, nil)
	v.SetKeys(parse(t, set))
	for _, c := range []struct {
		kid  string
		key  any
		want error
	}{{"1", one, nil}, {"2", two, nil}, {"", two, nil}, {"1", two, ErrSignature}, {"3", one, ErrUnknownKey}, {"4", one, ErrUnknownKey}} {
		if _, err := v.Verify(sign(t, jose.ES256, c.key, c.kid, claims(nil)), now); !errors.Is(err, c.want) {
			t.Errorf("key id %q: %v, want %v", c.kid, err, c.want)
		}
	}
}

// Keys that would be no protection, or are no keys, are refused.
func TestBadKeys(t *testing.T) {
	private, err := x509.MarshalPKCS8PrivateKey(newEC(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	privateJWK, err := json.Marshal(jose.JSONWebKey{Key: newEC(t, elliptic.P256()), KeyID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"nothing", nil, ErrKeys},
		{"a short secret", []byte("password"), ErrWeakKey},
		{"short RSA", publicPEM(t, newRSA(t, 1024).Public()), ErrWeakKey},
		{"a private key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), ErrSecretKey},
		{"a private JWK", privateJWK, ErrSecretKey},
		{"an empty set", []byte(`{"keys":[]}`), ErrKeys},
		{"kinds that are not known", []byte(`{"keys":[{"kty":"new"}]}`), ErrKeys},
		{"too many", []byte(`{"keys":[` + strings.Repeat(`{},`, maxKeys) + `{}]}`), ErrManyKeys},
		{"another block", pem.EncodeToMemory(&pem.Block{Type: "X", Bytes: []byte{1}}), ErrKeyKind},
	} {
		if _, err := ParseKeys(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// A revocation holds for what it is about and for nothing else.
func TestRevocation(t *testing.T) {
	list := NewRevoked(0)
	v := NewVerifier(Options{}, list)
	v.SetKeys(parse(t, secret))
	token := func(jti, user string, issued int64) string {
		return sign(t, jose.HS256, secret, "", claims(map[string]any{"jti": jti, "sub": user, "iat": issued}))
	}
	list.Add(backplane.Revocation{Token: "t1", At: now}, now, time.Hour)
	list.Add(backplane.Revocation{User: "bob", At: now}, now, time.Hour)
	for _, c := range []struct {
		jti, user string
		issued    int64
		want      error
	}{
		{"t1", "ada", now.Unix(), ErrRevoked}, {"t2", "ada", now.Unix(), nil},
		{"t3", "bob", now.Unix() - 1, ErrRevoked}, {"t3", "bob", now.Unix() + 1, nil},
	} {
		if _, err := v.Verify(token(c.jti, c.user, c.issued), now); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// FuzzVerify: no text is a token, and none ends the process.
func FuzzVerify(f *testing.F) {
	v := NewVerifier(Options{}, NewRevoked(0))
	v.SetKeys(parse(f, secret))
	good := sign(f, jose.HS256, secret, "", claims(nil))
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("..")
	f.Add(`{"payload":"","signatures":[]}`)
	f.Fuzz(func(t *testing.T, token string) {
		identity, err := v.Verify(token, now)
		if (identity == nil) == (err == nil) {
			t.Errorf("%+v and %v", identity, err)
		}
		if err == nil && token != good && !strings.HasPrefix(token, good[:strings.LastIndexByte(good, '.')]) {
			t.Errorf("a token of nobody was taken: %q", token)
		}
	})
}

// FuzzParseKeys: whatever a key server answers.
func FuzzParseKeys(f *testing.F) {
	f.Add(secret)
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`))
	f.Add(publicPEM(f, newEC(f, elliptic.P256()).Public()))
	f.Fuzz(func(t *testing.T, data []byte) {
		if set, err := ParseKeys(data); (err == nil) != (set.Len() > 0) {
			t.Errorf("%d keys and %v", set.Len(), err)
		}
	})
}
