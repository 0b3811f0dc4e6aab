package gateway

import "time"

// An owner may cut only when it has handled all that had reached its node by then. A loop's timer does not know that: messages
// may wait in the inbox. So the cut waits for a message that the node sends itself, and which comes out of the inbox behind them.

// verbPulse is its subject verb; the argument is the token of the handoff.
const verbPulse = "pulse"

// pulse asks for the cut, or asks again: NATS may have been away.
func (o *leaving) pulse(now time.Duration) {
	l := o.loop
	if o.pulsed == 0 {
		o.pulsed = now
	}
	l.gw.countPublish(l.gw.conn.Publish(l.gw.conn.Node(l.gw.options.ID, verbPulse, o.token), nil))
	l.wheel.set(&o.timer, now+pulseRetry, o)
}

// pulseRetry is how long a node waits for a message to itself.
const pulseRetry = time.Second

// pulsed is that message, on its way to its loop.
type pulsed struct{ token string }

func (t *pulsed) run(l *loop) {
	o := l.leavings[t.token]
	if o == nil || o.pulsed == 0 {
		return
	}
	at := o.pulsed // when the linger was over: how long the message has waited since does not count as a stall
	o.pulsed = 0
	o.do(o.Tick(at))
}

// pulse takes the message. On intake.
func (in *intake) pulse(token string) {
	if l, ok := in.gw.routes.tokens.Load(token); ok {
		if l, ok := l.(*loop); ok {
			l.post(&pulsed{token: token})
		}
	}
}
