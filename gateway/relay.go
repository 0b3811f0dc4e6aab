package gateway

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"patchbay/backplane"
	"patchbay/protocol/engineio"
)

// A polling request that lands on a gateway which does not own its session is relayed to the
// owner, and answered there: the owner alone applies Engine.IO's rules. The subjects are
// `gateway.<owner>.poll`, `gateway.<owner>.abort` and, for answers, `gateway.<asker>.polled.<token>`.

// Headers of relayed requests and their answers.
const (
	headerRelay = "Pb-Relay" // of a request: its kind and the session id; of an answer: status and content type
	headerOpen  = "Pb-More"  // of an answer: another part follows
	relayGet    = "get"      // the next packets
	relayPost   = "post"     // packets from the client, in the data
	relayBytes  = "bytes"    // the same in a binary body
	relayAbort  = "abort"    // the client went away
	relayEnd    = "end"      // the asker drains: its GET is to be answered now
	verbPoll    = "poll"     // subject verb of requests
	verbPolled  = "polled"   // subject verb of answers
)

// relays are the requests that this node has relayed and that are not answered yet. Handlers add,
// intake answers.
type relays struct {
	mu      sync.Mutex
	next    uint64
	waiting map[string]*relayed // by token
}

// relayed is one request under way to its owner.
type relayed struct {
	node   string
	text   string        // of a GET: the session id
	ended  bool          // it was asked to be answered now
	answer chan response // capacity 1
	parts  []byte        // touched by intake alone
}

// open notes a request to a node, and returns its token.
func (rs *relays) open(node, text string) (string, *relayed) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.waiting == nil {
		rs.waiting = map[string]*relayed{}
	}
	rs.next++
	token := strconv.FormatUint(rs.next, 36)
	r := &relayed{node: node, text: text, answer: make(chan response, 1)}
	rs.waiting[token] = r
	return token, r
}

// find returns a request that waits, or nil.
func (rs *relays) find(token string) *relayed {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.waiting[token]
}

// close forgets a request.
func (rs *relays) close(token string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.waiting, token)
}

// lost answers all that waits for a node that is dead.
func (rs *relays) lost(node string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, r := range rs.waiting {
		if r.node == node {
			r.finish(failure(engineio.UnknownSID))
		}
	}
}

// finish answers once; a second answer is dropped.
func (r *relayed) finish(a response) {
	select {
	case r.answer <- a:
	default:
	}
}

// poll returns the answer if it has come.
func (r *relayed) poll() (response, bool) {
	select {
	case a := <-r.answer:
		return a, true
	default:
		return response{}, false
	}
}

// relay has another node answer a request. ok is false when the client went away first.
func (gw *Gateway) relay(ctx context.Context, id sid, text, kind string, body []byte) (answer response, ok bool) {
	begun := time.Now()
	get := text
	if kind != relayGet {
		get = ""
	}
	token, r := gw.relays.open(id.node, get)
	defer gw.relays.close(token)
	reply := gw.conn.Node(gw.options.ID, verbPolled, token)
	err := gw.conn.PublishMsg(&backplane.Msg{
		Subject: gw.conn.Node(id.node, verbPoll, ""), Reply: reply, Data: body,
		Header: map[string][]string{headerRelay: {kind + " " + text}},
	})
	if err != nil {
		gw.countRelay("failed", begun)
		return response{status: http.StatusServiceUnavailable, contentType: textHTML}, true
	}
	select {
	case answer = <-r.answer:
		gw.countRelay(strconv.Itoa(answer.status), begun)
		return answer, true
	case <-ctx.Done():
		if kind == relayGet {
			if lost, ok := r.poll(); ok && lost.status == http.StatusOK {
				reply = "" // its packets are lost: the session cannot go on, whatever is open
			}
			gw.sendAbort(id, text, reply)
		}
		gw.countRelay("aborted", begun)
		return response{}, false
	}
}

// sendAbort ends a session of another node: only if the GET with that reply subject is open, or,
// without one, in any case.
func (gw *Gateway) sendAbort(id sid, text, reply string) {
	gw.countPublish(gw.conn.PublishMsg(&backplane.Msg{
		Subject: gw.conn.Node(id.node, verbPoll, ""), Reply: reply,
		Header: map[string][]string{headerRelay: {relayAbort + " " + text}},
	}))
}

// endRelays has the owners answer the GETs that this node has relayed, with nothing if there is nothing, and returns how many requests
// are not answered yet.
func (gw *Gateway) endRelays() int {
	ends, waiting := gw.relays.end()
	for token, r := range ends {
		gw.countPublish(gw.conn.PublishMsg(&backplane.Msg{
			Subject: gw.conn.Node(r.node, verbPoll, ""), Reply: gw.conn.Node(gw.options.ID, verbPolled, token),
			Header: map[string][]string{headerRelay: {relayEnd + " " + r.text}},
		}))
	}
	return waiting
}

// end returns the GETs that wait, each once, and how many requests wait in all.
func (rs *relays) end() (gets map[string]*relayed, waiting int) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	gets = map[string]*relayed{}
	for token, r := range rs.waiting {
		if r.text != "" && !r.ended {
			gets[token], r.ended = r, true
		}
	}
	return gets, len(rs.waiting)
}

func (gw *Gateway) countRelay(outcome string, begun time.Time) {
	gw.metrics.relays.WithLabelValues(outcome).Observe(time.Since(begun).Seconds())
}

// polled takes a part of the answer to a request that we relayed. On intake.
func (in *intake) polled(m *backplane.Msg, token string) {
	r := in.gw.relays.find(token)
	if r == nil {
		return // the client is gone
	}
	if backplane.NoResponders(m) {
		r.finish(failure(engineio.UnknownSID))
		return
	}
	r.parts = append(r.parts, m.Data...)
	if len(m.Header[headerOpen]) > 0 {
		return
	}
	status, contentType, _ := strings.Cut(first(m, headerRelay), " ")
	code, err := strconv.Atoi(status)
	if err != nil {
		in.bad(m, "answer to a relayed request without a status")
		return
	}
	r.finish(response{status: code, contentType: contentType, body: r.parts})
}

// pollFor takes a request that another node relays to us. On intake.
func (in *intake) pollFor(m *backplane.Msg) {
	kind, text, _ := strings.Cut(first(m, headerRelay), " ")
	req := &request{body: m.Data, relay: m.Reply, respond: func(a response) { in.gw.answerRelay(m.Reply, a) }}
	switch kind {
	case relayGet:
		req.kind = requestGet
	case relayPost:
		req.kind = requestPost
	case relayBytes:
		req.kind = requestBytes
	case relayAbort:
		req.kind = requestAbort
	case relayEnd:
		req.kind = requestEnd
	default:
		in.bad(m, "relayed request of unknown kind")
		return
	}
	var ok bool
	if req.id, ok = in.seal.open(text); !ok || !in.gw.owns(req.id) || !in.gw.loops[req.id.loop].post(req) {
		req.cancel()
	}
}

// answerRelay sends the answer to the node that asked, in as many messages as NATS's limit makes it.
func (gw *Gateway) answerRelay(reply string, a response) {
	head := strconv.Itoa(a.status) + " " + a.contentType
	for first := true; first || len(a.body) > 0; first = false {
		n := min(len(a.body), gw.maxMessage)
		m := &backplane.Msg{Subject: reply, Data: a.body[:n], Header: map[string][]string{headerRelay: {head}}}
		a.body = a.body[n:]
		if len(a.body) > 0 {
			m.Header[headerOpen] = []string{"1"}
		}
		gw.countPublish(gw.conn.PublishMsg(m))
	}
}

func first(m *backplane.Msg, key string) string {
	if v := m.Header[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}
