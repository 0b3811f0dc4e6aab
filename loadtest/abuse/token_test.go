package abuse_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const tokenSecret = "a secret of thirty-two bytes or more"

// keyFile writes the secret that clients' tokens are signed with.
func keyFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(tokenSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// token signs claims.
func token(algorithm jose.SignatureAlgorithm, key any, claims jwt.Claims) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	must(err, "make a signer")
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	must(err, "sign")
	return text
}

// claims are a user's, from now for a time.
func claims(user string, lifetime time.Duration) jwt.Claims {
	return jwt.Claims{Subject: user, Expiry: jwt.NewNumericDate(time.Now().Add(lifetime))}
}

func goodToken(user string) string {
	return token(jose.HS256, []byte(tokenSecret), claims(user, time.Hour))
}

// badTokens are none of the issuer's, or not now.
func badTokens() map[string]string {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err, "make a key")
	encode := base64.RawURLEncoding.EncodeToString
	good := goodToken("eve")
	return map[string]string{
		"none":            encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(`{"sub":"eve","exp":9999999999}`)) + ".",
		"another secret":  token(jose.HS256, []byte("another secret of thirty-two bytes"), claims("eve", time.Hour)),
		"another kind":    token(jose.ES256, private, claims("eve", time.Hour)),
		"over":            token(jose.HS256, []byte(tokenSecret), claims("eve", -time.Hour)),
		"far too long":    token(jose.HS256, []byte(tokenSecret), claims("eve", 1000*time.Hour)),
		"without an end":  token(jose.HS256, []byte(tokenSecret), jwt.Claims{Subject: "eve"}),
		"changed":         good[:len(good)-4] + "AAAA",
		"no token at all": "..",
	}
}
