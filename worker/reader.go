package worker

import (
	"encoding/json"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// reader takes what comes to the worker, in order, and hands it to the sockets. It never waits. Owned by its
// goroutine.
type reader struct {
	app         *App
	conn        *backplane.Conn
	inbox       *backplane.Inbox
	lost, hello string
	gap         string
	moves       *moves
	alarm       *time.Timer // for moves
	armed       bool
	links       uint64 // of the connection, that were seen
	remind      int    // beats at which gateways are reminded of what they may have said on the last link
}

func newReader(a *App, conn *backplane.Conn) *reader {
	return &reader{
		app: a, conn: conn, inbox: backplane.NewInbox(conn, 0), lost: conn.Lost(), hello: conn.Hello(),
		gap: conn.Gap("*"), moves: newMoves(a.options.MoveTimeout), links: conn.Links(),
	}
}

func (r *reader) run(quit <-chan struct{}) {
	beat := time.NewTicker(r.app.options.BeatInterval)
	defer beat.Stop()
	r.alarm = time.NewTimer(r.app.options.MoveTimeout)
	r.alarm.Stop()
	defer r.alarm.Stop()
	for {
		select {
		case m := <-r.inbox.C:
			r.take(m)
		case <-beat.C:
			r.app.watches.renew(r)
			r.beat()
			r.relinked()
			r.remindGateways()
		case v := <-r.app.run.census.verdicts:
			r.judge(v)
		case <-r.alarm.C:
			r.expireMoves()
		case <-quit:
			return
		}
	}
}

// beat: a worker that leaves has said so, once.
func (r *reader) beat() {
	if !r.app.run.leaving.Load() {
		r.app.beat()
	}
	r.pulse()
}

// relinked has done what a loss of the link to NATS makes necessary: what gateways said in that moment may be lost.
func (r *reader) relinked() {
	if links := r.conn.Links(); links != r.links {
		r.links, r.remind = links, reminders
		r.app.run.census.begin("")
	}
}

func (r *reader) take(m *backplane.Msg) {
	switch m.Subject {
	case r.lost:
		r.someoneLost(m)
		return
	case r.hello:
		r.beat()
		return
	}
	if node, ok := r.conn.ParseGap(m.Subject); ok {
		r.app.run.census.begin(node)
		return
	}
	if from, ok := r.conn.ParsePeers(m.Subject); ok {
		if from != r.app.options.ID {
			r.app.takePeer(m)
		}
		return
	}
	verb, id, _ := r.conn.ParseOwned(m.Subject)
	r.takeOwn(m, verb, id)
}

// takeOwn takes what comes on the worker's own subjects.
func (r *reader) takeOwn(m *backplane.Msg, verb, id string) {
	switch verb {
	case "event":
		r.event(m, id)
	case replyVerb:
		if !r.app.replies.deliver(id, m) {
			r.malformed(m, nil)
		}
	case "connect":
		r.connect(m, id)
	case "open":
		if s := r.app.sockets.get(id); s != nil {
			r.open(s, m.Data)
		}
	case "data":
		if s := r.app.sockets.get(id); s != nil {
			s.data.load(m.Data)
		}
	case "alive":
		r.alive(m, id)
	case "rehomed":
		r.rehomed(id)
	case pulseVerb:
		r.pulsed(m, id)
	case "left":
		r.left(m, id)
	case "moved":
		r.moved(m, id)
	case "probe": // a router's way to learn whether anybody is here
	case "disconnect":
		r.disconnect(id, string(m.Data), backplane.LeftRooms(m))
	case presenceVerb:
		r.presence(m, id)
	case peerVerb:
		r.app.takePeer(m)
	default:
		r.malformed(m, nil)
	}
}

func (r *reader) malformed(m *backplane.Msg, err error) {
	r.app.metrics.malformed.Inc()
	r.app.options.Log.Warn("a message that makes no sense", zap.String("subject", m.Subject), zap.Error(err))
}

// add gives a socket something to do, and starts its goroutine if it has none.
func (r *reader) add(s *Socket, t task) {
	o := &r.app.options
	switch s.queue.add(t, o.QueueLimit, o.QueueBytes) {
	case addedFirst:
		// A crew that takes no more is that of a worker whose sockets have moved.
		r.app.crew.run(s.work)
	case addedNot:
		r.overrun(s)
	case addedBehind, addedNever:
	}
}

// overrun disconnects a socket whose queue is full. Its disconnect handlers run when the gateway has
// done so, after the events that were taken.
func (r *reader) overrun(s *Socket) {
	r.app.metrics.queueFull.Inc()
	data, err := json.Marshal(backplane.Control{Op: backplane.OpDisconnect, Close: true})
	if err == nil {
		err = r.conn.Publish(r.conn.SocketControl(s.id), data)
	}
	r.app.options.Log.Warn("a socket sends faster than it is served, and is disconnected",
		zap.String("socket", s.id), zap.String("namespace", s.nsp.name), zap.Error(err))
	r.add(s, task{kind: taskFull})
}

// open has the connection handlers run: the gateway has let the socket in, and can be asked and
// emitted to. It says after which event the socket comes here.
func (r *reader) open(s *Socket, number []byte) {
	s.startAt(number)
	if s.open() {
		r.app.seen.changed(s.Node(), s.id)
		r.add(s, task{kind: taskOpen})
	}
}

func (r *reader) connect(m *backplane.Msg, id string) {
	a := r.app
	if a.run.leaving.Load() {
		r.forward(m)
		return
	}
	var request backplane.Connect
	if err := json.Unmarshal(m.Data, &request); err != nil || request.Socket != id || m.Reply == "" {
		r.malformed(m, err)
		return
	}
	var former *Socket
	if s := a.sockets.get(id); s != nil {
		elsewhere := request.Recovered && !s.at(request.Node, request.Epoch)
		switch {
		case s.connecting() && !elsewhere:
			return // asked again because middleware is slow; the answer is still to come
		case !request.Recovered:
			s.again(m.Reply)
			return
		}
		if !elsewhere { // the gateway took this worker for dead, and gives the events again
			s.lost.Store(true)
		}
		// It has been away, and the word of that is lost.
		r.disconnect(id, "transport close", nil)
		former = s
	}
	nsp := a.namespace(request.Namespace)
	if nsp == nil {
		answer := &backplane.Connected{Error: &backplane.ConnectError{Message: "Invalid namespace"}}
		if err := a.answer(m.Reply, answer); err != nil {
			r.malformed(m, err)
		}
		return
	}
	s := newSocket(nsp, request)
	a.sockets.add(s)
	connect := task{kind: taskConnect, msg: &backplane.Msg{Reply: m.Reply}}
	if former != nil {
		// One id is one socket to the application: its disconnection comes before its return.
		connect.former = make(chan struct{})
		r.add(former, task{kind: taskEnded, former: connect.former})
	}
	r.add(s, connect)
}

// again repeats the answer to a CONNECT.
func (s *Socket) again(reply string) {
	s.data.mu.Lock()
	defer s.data.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := &backplane.Connected{Worker: s.nsp.app.options.ID, Rooms: s.rooms, Data: s.data.encodeLocked()}
	if err := s.nsp.app.answer(reply, answer); err != nil {
		s.nsp.app.options.Log.Error("cannot answer a CONNECT", zap.String("socket", s.id), zap.Error(err))
	}
}

// forward gives a CONNECT that came to a worker about to leave back to the routers.
func (r *reader) forward(m *backplane.Msg) {
	var request backplane.Connect
	err := json.Unmarshal(m.Data, &request)
	if err == nil {
		again := *m
		again.Subject = r.conn.Connect(request.Namespace)
		again.Sub = nil
		err = r.conn.PublishMsg(&again)
	}
	if err != nil {
		r.malformed(m, err)
	}
}

// disconnect ends a socket, once. Of one that is not ours nothing is known.
func (r *reader) disconnect(id, reason string, rooms []string) {
	s := r.app.sockets.remove(id)
	if s == nil {
		return
	}
	s.mu.Lock()
	node := s.node
	s.mu.Unlock()
	r.app.seen.changed(node, id)
	r.end(s, reason, rooms)
}

// end has the disconnect handlers run, unless the socket was never let in. Without rooms those count that
// this worker knew of.
func (r *reader) end(s *Socket, reason string, rooms []string) {
	r.app.metrics.disconnects.Inc()
	if s.gone(ErrDisconnected) == stateOpen {
		s.lastRooms(rooms)
		r.add(s, task{kind: taskDisconnect, text: reason})
	}
}

// someoneLost hears that a lease has run out. A gateway's sockets are gone with it. If it is this worker's own,
// others have got its sockets while it was silent: it lets go of them, and they have not disconnected.
func (r *reader) someoneLost(m *backplane.Msg) {
	var lost backplane.Lost
	if err := json.Unmarshal(m.Data, &lost); err != nil {
		r.malformed(m, err)
		return
	}
	a := r.app
	switch {
	case lost.Node != "":
		a.seen.lost(lost.Node, lost.Epoch)
		a.watches.forgetNode(lost.Node, lost.Epoch)
		for _, s := range a.sockets.take(func(s *Socket) bool { return s.on(lost.Node, lost.Epoch) }) {
			r.end(s, "transport close", nil)
		}
		a.replies.lost(lost.Node)
	case lost.Worker == a.options.ID && lost.Epoch == a.epoch && !a.run.leaving.Load():
		list := a.sockets.takeAll()
		for _, s := range list {
			r.release(s)
		}
		a.options.Log.Error("this worker was taken for dead, and its sockets have new homes",
			zap.String("worker", lost.Worker), zap.Int("sockets", len(list)))
		r.beat()
	}
}
