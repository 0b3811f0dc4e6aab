package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/gobwas/ws"

	"patchbay/backplane"
)

var tokenSecret = []byte("a secret for the tests' tokens, of some length")

// guarded is a change of options by which clients need a token.
func guarded(t *testing.T) func(*Options) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, tokenSecret, 0o600); err != nil {
		t.Fatal(err)
	}
	return func(o *Options) {
		o.Auth.KeyFile = file
		o.Engine.Recovery = Window(time.Minute)
	}
}

// makeToken signs a token. Its id is the user's name and a number.
func makeToken(t testing.TB, signer jose.SigningKey, kid, user, id string, age, life time.Duration) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	s, err := jose.NewSigner(signer, options)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	claims := map[string]any{
		"sub": user, "jti": id, "iat": now.Add(-age).Unix(), "exp": float64(now.Add(life).UnixMilli()) / 1000, "role": "guest",
	}
	text, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func tokenOf(t testing.TB, user, id string, life time.Duration) string {
	t.Helper()
	return makeToken(t, jose.SigningKey{Algorithm: jose.HS256, Key: tokenSecret}, "", user, id, 10*time.Second, life)
}

// joinWith joins the root with a token.
func (c *wsClient) joinWith(token string) (id, pid string) {
	c.Helper()
	c.Send(fmt.Sprintf(`40{"token":%q}`, token))
	got := c.Expect(`40{"sid":"*","pid":"*"}`)
	return got[0], got[1]
}

const refused = `44{"message":"unauthorized","data":{"code":"E_TOKEN","reason":"%s","retry":false}}`

// Only a good token reaches a worker, and what it says goes along.
func TestTokens(t *testing.T) {
	r := newRig(t, guarded(t))
	c := r.ws()
	c.Send("40")
	c.Expect(fmt.Sprintf(refused, "no token"))
	c.Send(`40{"token":"x"}`)
	c.Expect(fmt.Sprintf(refused, "not a token"))
	c.Send(fmt.Sprintf(`40{"token":%q}`, tokenOf(t, "ada", "1", -time.Minute)))
	c.Expect(fmt.Sprintf(refused, "token has expired"))
	c.joinWith(tokenOf(t, "ada", "1", time.Minute))
	request := next(t, r.app.connects)
	var claims map[string]any
	if err := json.Unmarshal(request.Claims, &claims); err != nil || request.User != "ada" || claims["role"] != "guest" {
		t.Errorf("user %q, claims %s, %v", request.User, request.Claims, err)
	}
	if len(r.app.connects) != 0 {
		t.Error("a CONNECT without a good token reached the routers")
	}
	c.Alive(r.app)
}

// The token may stand in the query or a header of the session's first request, where clients cannot send a payload.
func TestTokenPlaces(t *testing.T) {
	r := newRig(t, guarded(t))
	token := tokenOf(t, "ada", "1", time.Minute)
	for _, c := range []*wsClient{
		r.wsWith("&token="+token, nil),
		r.wsWith("", http.Header{"Authorization": {"bearer " + token}}),
	} {
		c.Send("40")
		c.Expect(`40{"sid":"*","pid":"*"}`)
		if request := next(t, r.app.connects); request.User != "ada" {
			t.Errorf("user %q", request.User)
		}
	}
}

// A live socket ends with its token, unless its client brings a new one when it is warned.
func TestTokenEnds(t *testing.T) {
	r := newRig(t, guarded(t), func(o *Options) { o.Auth.Warning = time.Hour - time.Second })
	lives, ends := r.ws(), r.ws()
	lives.joinWith(tokenOf(t, "ada", "1", time.Hour))
	id, pid := ends.joinWith(tokenOf(t, "bob", "1", 1500*time.Millisecond)) // it is warned at once
	lives.Expect(`42["auth:expiring",{"expires":*}]`)
	lives.Send(fmt.Sprintf(`420["auth:refresh",%q]`, tokenOf(t, "eve", "2", time.Hour)))
	lives.Expect(`430[{"error":"not a token"}]`) // not this socket's user
	lives.Send(`423["auth:refresh"]`)            // is no event of the application's either
	lives.Expect(`433[{"error":"*"}]`)
	lives.Send(`421["auth:refresh",7]`)
	lives.Expect(`431[{"error":"no token"}]`)
	lives.Send(fmt.Sprintf(`422["auth:refresh",%q]`, tokenOf(t, "ada", "3", time.Hour)))
	lives.Expect(`432[{"expires":*}]`)
	ends.Expect("41")
	r.app.expectLeave(id, reasonServerLeft)
	ends.Send(fmt.Sprintf(`40{"token":%q,"pid":%q}`, tokenOf(t, "bob", "2", time.Hour), pid))
	if again := ends.Expect(`40{"sid":"*","pid":"*"}`)[0]; again == id {
		t.Error("a socket whose token ended was recovered")
	}
	lives.Expect(`42["auth:expiring",{"expires":*}]`)
	lives.Alive(r.app)
	if len(r.app.events) != 0 {
		t.Error("tokens were passed on as events")
	}
}

// A socket comes back to its own user alone, on any loop, and with a token that is still good.
func TestTokenAtRecovery(t *testing.T) {
	r := newRig(t, guarded(t))
	other := r.open("g2", guarded(t))
	for _, ws := range []func() *wsClient{r.ws, r.ws, func() *wsClient { return r.wsTo(other) }} {
		c := r.ws()
		id, pid := c.joinWith(tokenOf(t, "ada", "1", time.Minute))
		r.detach(c, id)
		thief := ws()
		thief.Send(fmt.Sprintf(`40{"pid":%q}`, pid))
		thief.Expect(fmt.Sprintf(refused, "no token"))
		thief.Send(fmt.Sprintf(`40{"token":%q,"pid":%q}`, tokenOf(t, "eve", "1", time.Minute), pid))
		if stolen := thief.Expect(`40{"sid":"*","pid":"*"}`)[0]; stolen == id {
			t.Fatal("a socket was given to another user")
		}
		if ws == nil {
			continue
		}
		c = r.ws()
		c.Send(fmt.Sprintf(`40{"token":%q,"pid":%q}`, tokenOf(t, "ada", "2", time.Minute), pid))
		c.Expect(`40{"sid":"*","pid":"*"}`) // its own, unless the thief's attempt has taken it to another node
	}
}

// What is revoked ends at once on every gateway, and stays refused, also on gateways that start later.
func TestRevocation(t *testing.T) {
	r := newRig(t, guarded(t))
	other := r.open("g2", guarded(t))
	one, two, three, four := r.ws(), r.wsTo(other), r.ws(), r.wsTo(other)
	byToken := tokenOf(t, "ada", "t1", time.Minute)
	one.joinWith(byToken)
	byUser := tokenOf(t, "bob", "t2", time.Minute)
	two.joinWith(byUser)
	id, _ := three.joinWith(tokenOf(t, "cyd", "t3", time.Minute))
	four.joinWith(tokenOf(t, "dan", "t4", time.Minute))
	for _, revocation := range []backplane.Revocation{{Token: "t1"}, {User: "bob", At: time.Now().Add(-5 * time.Second)}, {Socket: id}} {
		if err := r.app.conn.Revoke(revocation); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []*wsClient{one, two, three} {
		c.Expect("41")
		next(t, r.app.leaves)
	}
	four.Alive(r.app)
	late := r.open("g3", guarded(t))
	eventually(t, "the new gateway knows", func() bool { return late.guard.revoked.Len() == 2 })
	for _, gw := range []*Gateway{r.gw, other, late} {
		for _, token := range []string{byToken, byUser} {
			c := r.wsTo(gw)
			c.Send(fmt.Sprintf(`40{"token":%q}`, token))
			c.Expect(fmt.Sprintf(refused, "token has been revoked"))
		}
		c := r.wsTo(gw)
		c.joinWith(tokenOf(t, "cyd", "t3", time.Minute))                                                                   // the socket alone was revoked
		c.joinNew(makeToken(t, jose.SigningKey{Algorithm: jose.HS256, Key: tokenSecret}, "", "bob", "t5", 0, time.Minute)) // issued since
	}
	if err := r.app.conn.Revoke(backplane.Revocation{User: "a", Token: "b"}); err == nil {
		t.Error("a revocation of two things")
	}
}

// joinNew joins another namespace with a token.
func (c *wsClient) joinNew(token string) {
	c.Helper()
	c.Send(fmt.Sprintf(`40/new,{"token":%q}`, token))
	c.Expect(`40/new,{"sid":"*","pid":"*"}`)
}

// A token that is signed with a key newer than the set that a gateway has waits until the set is fetched again.
func TestKeyRotation(t *testing.T) {
	var served atomic.Value
	rotate := func(kid string) jose.SigningKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: kid}}})
		if err != nil {
			t.Fatal(err)
		}
		served.Store(data)
		return jose.SigningKey{Algorithm: jose.ES256, Key: key}
	}
	old := rotate("old")
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		data, _ := served.Load().([]byte)
		_, _ = rw.Write(data)
	}))
	defer server.Close()
	r := newRig(t, func(o *Options) {
		o.Auth.KeyURL = server.URL
		o.Auth.Refresh = time.Second
		o.Engine.Recovery = Window(time.Minute)
	})
	r.ws().joinWith(makeToken(t, old, "old", "ada", "1", 0, time.Minute)) // or waits for the first fetch
	fresh := rotate("new")
	r.ws().joinWith(makeToken(t, fresh, "new", "ada", "2", 0, time.Minute))
	c := r.ws()
	c.Send(fmt.Sprintf(`40{"token":%q}`, makeToken(t, old, "old", "ada", "1", 0, time.Minute)))
	c.Expect(fmt.Sprintf(refused, "signed with a key that is not known"))
}

// wsTo opens a session on a gateway of the rig's.
func (r *rig) wsTo(gw *Gateway) *wsClient {
	r.Helper()
	other := *r
	other.gw = gw
	return other.ws()
}

// wsWith opens a session whose first request has more in its query and its headers.
func (r *rig) wsWith(query string, header http.Header) *wsClient {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	dialer := ws.Dialer{Header: ws.HandshakeHeaderHTTP(header)}
	conn, br, _, err := dialer.Dial(ctx, r.url("ws", "EIO=4&transport=websocket"+query))
	if err != nil {
		r.Fatal(err)
	}
	c := r.client(conn, br)
	c.sid = c.Expect(`0{"sid":"*","upgrades":[],"pingInterval":*}`)[0]
	return c
}
