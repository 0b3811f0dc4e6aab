package gateway

import (
	"bytes"
	"container/heap"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"patchbay/backplane"
	"patchbay/gateway/auth"
	"patchbay/protocol/socketio"
)

// The events by which a client keeps its socket when its token ends. They exist where tokens are asked for.
const (
	// eventExpiring goes to the client some time before the end, with {"expires": Unix milliseconds}.
	eventExpiring = "auth:expiring"
	// eventRefresh comes from the client, with its new token; the acknowledgement is {"expires": …} or {"error": …}.
	eventRefresh = `["auth:refresh"`
)

// Bounds of CONNECTs whose tokens name a key that is to be fetched.
const (
	maxHeld = 1024            // for each loop; more are refused
	heldFor = 6 * time.Second // longer than keys are fetched apart
)

// tokens are what the clients of a loop's sockets have proved, and until when. Owned by its loop.
type tokens struct {
	holders map[*socket]*holder
	order   holders // by what is due
	held    []*heldConnect
	timer   timer
}

// holder is a socket whose client has a token.
type holder struct {
	socket   *socket
	identity *auth.Identity
	due      time.Duration // of the warning, and then of the end
	warned   bool
	index    int
}

// identify checks the token of a CONNECT. A nil identity without an error means that none is asked for.
func (s *session) identify(p socketio.Packet) (*auth.Identity, error) {
	g := s.loop.gw.guard
	if g.verifier == nil {
		return nil, nil
	}
	identity, err := g.verifier.Verify(s.token(p.Payload), s.loop.gw.now())
	outcome := "accepted"
	if err != nil {
		outcome = err.Error()
	}
	s.loop.gw.metrics.tokens.WithLabelValues(outcome).Inc()
	return identity, err
}

// token finds a client's token: `token` of the CONNECT's payload, a bearer token in the header of the session's first request
// (RFC 6750, section 2.1), or `token` of its query.
func (s *session) token(payload []byte) string {
	var auth struct {
		Token string `json:"token"`
	}
	if len(payload) > 0 && json.Unmarshal(payload, &auth) == nil && auth.Token != "" {
		return auth.Token
	}
	var h backplane.Handshake
	if json.Unmarshal(s.handshake, &h) != nil {
		return ""
	}
	if kind, token, ok := strings.Cut(h.Headers.Get("Authorization"), " "); ok && strings.EqualFold(kind, "Bearer") {
		return strings.TrimSpace(token)
	}
	return h.Query.Get("token")
}

// heldConnect is a CONNECT whose token names a key that is not there yet.
type heldConnect struct {
	session *session
	packet  socketio.Packet // its payload is a copy
	until   time.Duration
}

// unidentified handles a CONNECT whose token is no good. One with an unknown key waits: the key may have just been made.
func (s *session) unidentified(p socketio.Packet, err error) {
	l := s.loop
	if errors.Is(err, auth.ErrUnknownKey) && l.gw.options.Auth.KeyURL != "" && len(l.tokens.held) < maxHeld {
		p.Payload = bytes.Clone(p.Payload)
		l.tokens.held = append(l.tokens.held, &heldConnect{session: s, packet: p, until: l.now + min(heldFor, 2*l.gw.options.Auth.Refresh)})
		l.gw.guard.keys.Want()
		l.tokens.schedule(l)
		return
	}
	s.refuse(p.Namespace, refusalOf(err))
}

// tryHeld has a loop try the CONNECTs again that wait for keys.
type tryHeld struct{}

func (tryHeld) run(l *loop) {
	held := l.tokens.held
	l.tokens.held = nil
	for _, h := range held {
		if h.session.state != sessionOpen {
			continue
		}
		if _, err := h.session.identify(h.packet); errors.Is(err, auth.ErrUnknownKey) {
			l.tokens.held = append(l.tokens.held, h)
			continue
		}
		h.session.connect(h.packet)
	}
	l.tokens.schedule(l)
}

// hold notes what a socket's client has proved; nil is nothing.
func (t *tokens) hold(k *socket, identity *auth.Identity) {
	if identity == nil {
		return
	}
	l := k.nsp.loop
	t.drop(k)
	if t.holders == nil {
		t.holders = map[*socket]*holder{}
	}
	h := &holder{socket: k, identity: identity}
	t.holders[k] = h
	h.plan(l)
	heap.Push(&t.order, h)
	t.schedule(l)
}

// plan says what is due next.
func (h *holder) plan(l *loop) {
	left := h.identity.Expires.Sub(l.gw.now())
	h.due = l.now + left
	if warning := l.gw.options.Auth.Warning; !h.warned && left > warning {
		h.due -= warning
	} else {
		h.warned = true
	}
}

// of is what a socket's client has proved, nil if nothing.
func (t *tokens) of(k *socket) *auth.Identity {
	if h := t.holders[k]; h != nil {
		return h.identity
	}
	return nil
}

// drop forgets a socket.
func (t *tokens) drop(k *socket) {
	if h := t.holders[k]; h != nil {
		heap.Remove(&t.order, h.index)
		delete(t.holders, k)
	}
}

// schedule arms the timer for what is due first.
func (t *tokens) schedule(l *loop) {
	due := time.Duration(-1)
	if len(t.order) > 0 {
		due = t.order[0].due
	}
	for _, h := range t.held {
		if due < 0 || h.until < due {
			due = h.until
		}
	}
	if due < 0 {
		l.wheel.stop(&t.timer)
		return
	}
	l.wheel.set(&t.timer, due, tokenTimer{l})
}

// tokenTimer is when the first token of a loop is due.
type tokenTimer struct{ l *loop }

func (t tokenTimer) expire(now time.Duration) {
	l, tokens := t.l, &t.l.tokens
	for len(tokens.order) > 0 && tokens.order[0].due <= now {
		h := tokens.order[0]
		if !h.warned {
			h.warned = true
			h.plan(l)
			heap.Fix(&tokens.order, h.index)
			h.socket.warn(h.identity)
			continue
		}
		if h.socket.detached != nil { // its client needs a new token to come back
			tokens.retire(h)
			continue
		}
		l.gw.metrics.tokens.WithLabelValues("ended").Inc()
		h.socket.revoke()
		tokens.drop(h.socket)
	}
	held := tokens.held
	tokens.held = nil
	for _, h := range held {
		switch {
		case h.session.state != sessionOpen:
		case h.until <= now:
			h.session.refuse(h.packet.Namespace, refusalOf(auth.ErrUnknownKey))
		default:
			tokens.held = append(tokens.held, h)
		}
	}
	tokens.schedule(l)
}

// retire keeps a detached socket's identity, whose token is over, until the socket ends: it says whose the socket is.
func (t *tokens) retire(h *holder) {
	h.due = 1<<63 - 1
	heap.Fix(&t.order, h.index)
}

// warn tells a client that its token ends soon.
func (k *socket) warn(identity *auth.Identity) {
	if !k.here() {
		return
	}
	payload := append([]byte(`["`+eventExpiring+`",`), tokenEnd(identity)...)
	k.transmit(encodePacket(socketio.Packet{Type: socketio.Event, Namespace: k.nsp.name}, backplane.Payload{JSON: append(payload, ']')}), false)
}

// tokenEnd is when a token ends, as clients are told.
func tokenEnd(identity *auth.Identity) []byte {
	data, err := json.Marshal(struct {
		Expires int64 `json:"expires"`
	}{identity.Expires.UnixMilli()})
	if err != nil {
		panic("gateway: a time that is not JSON: " + err.Error())
	}
	return data
}

// refresh takes a client's new token for a socket.
func (k *socket) refresh(p socketio.Packet, payload []byte) {
	l := k.nsp.loop
	var args []any
	token, answer := "", []byte(nil)
	if json.Unmarshal(payload, &args) == nil && len(args) > 1 {
		token, _ = args[1].(string)
	}
	identity, err := l.gw.guard.verifier.Verify(token, l.gw.now())
	if former := l.tokens.of(k); err == nil && former != nil && former.User != identity.User {
		err = auth.ErrMalformed // somebody else's
	}
	if err != nil {
		answer = append([]byte(`{"error":`), socketio.AppendString(nil, err.Error())...)
		answer = append(answer, '}')
	} else {
		l.tokens.hold(k, identity)
		l.gw.metrics.tokens.WithLabelValues("refreshed").Inc()
		answer = tokenEnd(identity)
	}
	if p.HasAck {
		k.session.sendText(func(dst []byte) []byte {
			return socketio.AppendPacket(dst, socketio.Packet{
				Type: socketio.Ack, Namespace: k.nsp.name, HasAck: true, AckID: p.AckID,
				Payload: append(append([]byte("["), answer...), ']'),
			})
		})
	}
}

// refreshes reports whether an event is a client's new token.
func (k *socket) refreshes(payload []byte) bool {
	rest, ok := bytes.CutPrefix(payload, []byte(eventRefresh))
	return ok && len(rest) > 0 && (rest[0] == ',' || rest[0] == ']') && k.nsp.loop.gw.guard.verifier != nil
}

// revoke ends a socket whose client may not have it any more.
func (k *socket) revoke() {
	switch s := k.session; {
	case k.detached != nil:
		k.lapse("revoked")
	case k.joining != nil:
		k.remove("")
		s.refuse(k.nsp.name, refusalOf(auth.ErrRevoked))
	case k.frozen(): // the node that takes it ends it, or this one when it is back
	default:
		k.dismiss()
	}
}

// mayResume reports whether a client may have a socket back: it must be the same user's.
func (t *tokens) mayResume(k *socket, identity *auth.Identity) bool {
	former := t.of(k)
	return former == nil || identity != nil && former.User == identity.User
}

// holders implement heap.Interface, by what is due.
type holders []*holder

// Len implements heap.Interface.
func (h holders) Len() int { return len(h) }

// Less implements heap.Interface.
func (h holders) Less(i, j int) bool { return h[i].due < h[j].due }

// Swap implements heap.Interface.
func (h holders) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *holders) Push(x any) {
	one, ok := x.(*holder)
	if !ok {
		panic("gateway: a heap of holders was given something else")
	}
	one.index = len(*h)
	*h = append(*h, one)
}

// Pop implements heap.Interface.
func (h *holders) Pop() any {
	old := *h
	one := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return one
}
