package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/gateway/auth"
)

// guard is what a gateway asks of clients before their CONNECTs go to a worker. Its parts are safe for concurrent use.
type guard struct {
	verifier *auth.Verifier // nil: no token is asked for
	keys     *auth.Keys
	revoked  *auth.Revoked
	lifetime time.Duration // the longest of a token, and of a revocation
	end      context.CancelFunc
}

// newGuard reads the keys.
func newGuard(gw *Gateway) (*guard, error) {
	o := gw.options.Auth.WithDefaults()
	g := &guard{revoked: auth.NewRevoked(0), lifetime: o.Lifetime}
	if !o.Enabled() {
		return g, nil
	}
	g.verifier = auth.NewVerifier(o, g.revoked)
	var err error
	g.keys, err = auth.NewKeys(o, g.verifier, gw.log, gw.keysChanged)
	return g, err
}

// start keeps the keys up to date from here on.
func (g *guard) start(gw *Gateway) {
	if g.keys == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.end = cancel
	gw.running.Go(func() { g.keys.Run(ctx) })
}

func (g *guard) stop() {
	if g.end != nil {
		g.end()
	}
}

// keysChanged has the loops try again what waits for keys.
func (gw *Gateway) keysChanged() {
	for _, l := range gw.loops {
		l.post(tryHeld{})
	}
}

// refusalOf is what a client is told about its token.
func refusalOf(err error) *backplane.ConnectError {
	reason, retry := "unauthorized", false
	for _, known := range []error{
		auth.ErrMissing, auth.ErrMalformed, auth.ErrUnknownKey, auth.ErrSignature, auth.ErrExpired, auth.ErrNotYet,
		auth.ErrLifetime, auth.ErrIssuer, auth.ErrAudience, auth.ErrRevoked,
	} {
		if errors.Is(err, known) {
			reason = known.Error()
		}
	}
	data, err := json.Marshal(struct {
		Code   string `json:"code"`
		Reason string `json:"reason"`
		Retry  bool   `json:"retry"`
	}{"E_TOKEN", reason, retry})
	if err != nil {
		panic("gateway: a refusal that is not JSON: " + err.Error())
	}
	return &backplane.ConnectError{Message: "unauthorized", Data: data}
}

// verbRevoked is the subject verb of another gateway's answer about what has been revoked so far.
const verbRevoked = "revoked"

// revocationsPerMessage keeps such an answer below NATS's message size: a revocation is some 600 bytes at most.
const revocationsPerMessage = 1000

// revoke takes a revocation: it is remembered, and the sockets that it is about are ended. On intake.
func (in *intake) revoke(m *backplane.Msg) {
	r, err := backplane.ParseRevocation(m.Data)
	if err != nil {
		in.bad(m, "revocation: "+err.Error())
		return
	}
	in.apply([]backplane.Revocation{r})
}

func (in *intake) apply(list []backplane.Revocation) {
	g, now := in.gw.guard, in.gw.now()
	for i := range list {
		g.revoked.Add(list[i], now, g.lifetime)
	}
	for _, l := range in.gw.loops {
		l.post(&revoked{list: list})
	}
}

// askRevoked asks another gateway for what has been revoked before this one began.
func (gw *Gateway) askRevoked() {
	gw.countPublish(gw.conn.PublishRequest(gw.conn.Revoked(), gw.conn.Node(gw.options.ID, verbRevoked, ""), nil))
}

// learnRevoked takes the answer; "no responders" means that this gateway is the first. From then on it answers, too. On intake.
func (in *intake) learnRevoked(m *backplane.Msg) {
	if !in.knowing {
		in.knowing = true
		if _, err := in.inbox.QueueSubscribe(in.gw.conn.Revoked(), backplane.GatewayQueue); err != nil {
			in.gw.log.Error("cannot answer other gateways about revocations", zap.Error(err))
		}
	}
	if backplane.NoResponders(m) {
		return
	}
	var list []backplane.Revocation
	if err := json.Unmarshal(m.Data, &list); err != nil {
		in.bad(m, "revocations: "+err.Error())
		return
	}
	in.apply(list)
}

// tellRevoked answers a gateway that has just started. On intake.
func (in *intake) tellRevoked(m *backplane.Msg) {
	gw := in.gw
	all := gw.guard.revoked.All(gw.now())
	for {
		n := min(len(all), revocationsPerMessage)
		data, err := json.Marshal(all[:n:n])
		if err != nil {
			panic("gateway: revocations that are not JSON: " + err.Error())
		}
		gw.countPublish(gw.conn.Publish(m.Reply, data))
		if all = all[n:]; len(all) == 0 {
			return
		}
	}
}

// revoked is revocations on their way through the loops.
type revoked struct{ list []backplane.Revocation }

func (t *revoked) run(l *loop) {
	for i := range t.list {
		r := &t.list[i]
		if k := l.sockets[r.Socket]; r.Socket != "" && k != nil {
			l.gw.metrics.revoked.Inc()
			k.revoke()
		}
	}
	for _, h := range l.tokens.holders {
		for i := range t.list {
			if auth.Applies(&t.list[i], h.identity) {
				l.gw.metrics.revoked.Inc()
				h.socket.revoke()
				break
			}
		}
	}
}
