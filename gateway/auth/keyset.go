package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// What a key set may hold, and how weak its keys may be.
const (
	maxKeys       = 256  // stops a key server that is broken or not ours
	minSecret     = 32   // bytes: an HMAC key is to be as long as the hash (RFC 7518, section 3.2)
	minRSA        = 2048 // bits (RFC 7518, section 3.3)
	maxTokenBytes = 16 << 10
)

// Why keys cannot be used.
var (
	ErrKeys      = errors.New("auth: no keys in what should hold them")
	ErrWeakKey   = errors.New("auth: a key that is too short")
	ErrKeyKind   = errors.New("auth: a key of a kind that signs no tokens")
	ErrManyKeys  = errors.New("auth: more keys than anyone needs")
	ErrSecretKey = errors.New("auth: a private key where public ones belong")
)

// KeySet is the keys that may sign. It does not change once it is made.
type KeySet struct{ keys []jose.JSONWebKey }

// ParseKeys reads keys: a JWK set or a single JWK (RFC 7517), PEM blocks of public keys and certificates, or anything else as one
// HMAC secret, without the line end after it.
func ParseKeys(data []byte) (*KeySet, error) {
	text := bytes.TrimSpace(data)
	switch {
	case len(text) == 0:
		return nil, ErrKeys
	case text[0] == '{':
		return parseJWK(text)
	case bytes.HasPrefix(text, []byte("-----BEGIN ")):
		return parsePEM(text)
	}
	return newKeySet([]jose.JSONWebKey{{Key: bytes.TrimRight(data, "\r\n")}})
}

func parseJWK(text []byte) (*KeySet, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("read JWK set: %w", err)
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{text}
	}
	if len(set.Keys) > maxKeys {
		return nil, ErrManyKeys
	}
	var keys []jose.JSONWebKey
	for _, one := range set.Keys {
		var key jose.JSONWebKey
		// A set may hold keys of kinds that we do not know (RFC 7517, section 5), and keys for other uses.
		if key.UnmarshalJSON(one) != nil || key.Use != "" && key.Use != "sig" {
			continue
		}
		keys = append(keys, key)
	}
	return newKeySet(keys)
}

func parsePEM(text []byte) (*KeySet, error) {
	var keys []jose.JSONWebKey
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "PUBLIC KEY":
			key, err = x509.ParsePKIXPublicKey(block.Bytes)
		case "RSA PUBLIC KEY":
			key, err = x509.ParsePKCS1PublicKey(block.Bytes)
		case "CERTIFICATE":
			var certificate *x509.Certificate
			if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
				key = certificate.PublicKey
			}
		default:
			if strings.Contains(block.Type, "PRIVATE") {
				return nil, ErrSecretKey
			}
			err = ErrKeyKind
		}
		if err != nil {
			return nil, fmt.Errorf("read PEM block %s: %w", block.Type, err)
		}
		keys = append(keys, jose.JSONWebKey{Key: key})
	}
	return newKeySet(keys)
}

func newKeySet(keys []jose.JSONWebKey) (*KeySet, error) {
	if len(keys) == 0 {
		return nil, ErrKeys
	}
	for i := range keys {
		switch key := keys[i].Key.(type) {
		case []byte:
			if len(key) < minSecret {
				return nil, fmt.Errorf("%w: an HMAC secret needs %d bytes", ErrWeakKey, minSecret)
			}
		case *rsa.PublicKey:
			if key.N.BitLen() < minRSA {
				return nil, fmt.Errorf("%w: RSA needs %d bits", ErrWeakKey, minRSA)
			}
		case *ecdsa.PublicKey, ed25519.PublicKey:
		case crypto.Signer:
			return nil, ErrSecretKey
		default:
			return nil, fmt.Errorf("%w: %T", ErrKeyKind, key)
		}
	}
	return &KeySet{keys: keys}, nil
}

// join is a set with the keys of both; either may be nil.
func (s *KeySet) join(other *KeySet) *KeySet {
	if s == nil || other == nil {
		if s == nil {
			return other
		}
		return s
	}
	return &KeySet{keys: append(append([]jose.JSONWebKey(nil), s.keys...), other.keys...)}
}

// Len is how many keys there are.
func (s *KeySet) Len() int {
	if s == nil {
		return 0
	}
	return len(s.keys)
}

// candidates are the keys that may have made a signature: those with its key id, or without any; and of its kind, so that a
// public key is never taken for an HMAC secret (RFC 8725, section 2.1).
func (s *KeySet) candidates(id string, algorithm jose.SignatureAlgorithm) []any {
	if s == nil {
		return nil
	}
	var found []any
	for i := range s.keys {
		key := &s.keys[i]
		if id != "" && key.KeyID != "" && key.KeyID != id || key.Algorithm != "" && key.Algorithm != string(algorithm) {
			continue
		}
		if fits(key.Key, algorithm) {
			found = append(found, key.Key)
		}
	}
	return found
}

func fits(key any, algorithm jose.SignatureAlgorithm) bool {
	switch key.(type) {
	case []byte:
		return strings.HasPrefix(string(algorithm), "HS")
	case *rsa.PublicKey:
		return strings.HasPrefix(string(algorithm), "RS") || strings.HasPrefix(string(algorithm), "PS")
	case *ecdsa.PublicKey:
		return strings.HasPrefix(string(algorithm), "ES")
	case ed25519.PublicKey:
		return algorithm == jose.EdDSA
	}
	return false
}
