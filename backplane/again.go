package backplane

import (
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// What a NATS server that dies takes along is published again, by whom it came from: after the loss of a process's own link at once,
// before anything new; after another's loss when that asks. Recipients know the ids, and take each once.

// How far back one begins.
const (
	// replayMargin is for what the server had taken and not passed on.
	replayMargin = time.Second
	// replayStale is for a link that fell silent, which pings notice late.
	replayStale = (maxPingsOut+1)*pingInterval + replayMargin
)

// Headers of what is published again to a node that asks.
const (
	HeaderAgain   = "Pb-Again"   // <publisher>.<sequence>, of the emit, or of the last one before an acknowledgement
	HeaderSubject = "Pb-Subject" // where it went; missing in the last message, which ends what the publisher has
	HeaderShort   = "Pb-Short"   // in the last message: something was asked for that is not kept any more
)

// Again is a node's question to all who emit what it may have missed.
type Again struct {
	// Seen lists the last emit that the node has had from each publisher, as HeaderID has it.
	Seen []string `json:"seen,omitempty"`
	// Window is how far back the others are to begin.
	Window time.Duration `json:"window"`
	// Of lists who is asked, if it is not everybody.
	Of []string `json:"of,omitempty"`
}

// Gap is a time without NATS. What others published then has not come, but for what they publish again.
type Gap struct {
	// Window is how far back from now something may be missing. A link can have stood still before it was lost.
	Window time.Duration
	// Links is Conn.Links as of now.
	Links uint64
}

// gaps are a connection's.
type gaps struct {
	links atomic.Uint64
	at    atomic.Int64 // Unix nanoseconds of the last reconnection
	back  chan Gap     // capacity 1
	// Of NATS's callback goroutine alone.
	away   time.Time     // since when; zero while all is repaired
	margin time.Duration // what may be missing before it
}

// Links counts the attempts to make a link to NATS. It counts before anything can come on the new one: NATS's own word of a loss may be
// later than that.
func (c *Conn) Links() uint64 { return c.gaps.links.Load() }

// dialer makes links, and counts them.
type dialer struct {
	net.Dialer
	gaps      *gaps
	inProcess *Server // in its place, if there is one
}

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.gaps.links.Add(1)
	return d.Dialer.Dial(network, address)
}

// InProcessConn implements nats.InProcessConnProvider.
func (d *dialer) InProcessConn() (net.Conn, error) {
	d.gaps.links.Add(1)
	return d.inProcess.ns.InProcessConn()
}

// Back tells that there is a link again. It holds the last gap alone; one reader.
func (c *Conn) Back() <-chan Gap { return c.gaps.back }

func (c *Conn) disconnected(nc *nats.Conn, err error) {
	if nc.IsClosed() {
		return
	}
	margin := replayMargin
	if errors.Is(err, nats.ErrStaleConnection) {
		margin = replayStale
	}
	if c.gaps.away.IsZero() {
		c.gaps.away, c.gaps.margin = time.Now(), margin
	}
	c.metrics.disconnects.Inc()
	c.log.Warn("backplane lost", zap.Error(err))
}

func (c *Conn) reconnected(nc *nats.Conn) {
	<-c.opened // a link can be lost while Open returns
	c.gaps.at.Store(time.Now().UnixNano())
	gap := time.Since(c.gaps.away)
	c.metrics.gapSeconds.Add(gap.Seconds())
	again, repaired := c.publishAgain(c.gaps.away.Add(-c.gaps.margin))
	c.release()
	c.log.Warn("backplane back: what bare NATS clients published in the gap is lost to this process",
		zap.Duration("gap", gap), zap.String("server", nc.ConnectedServerName()), zap.Int("again", again))
	select {
	case <-c.gaps.back:
	default:
	}
	c.gaps.back <- Gap{Window: gap + replayStale, Links: c.Links()}
	if repaired {
		c.gaps.away = time.Time{}
	}
}

// publishAgain publishes what was emitted since a time, which includes what waits. From then on emits go out at once. It reports false if
// the link is lost again: then another reconnection follows.
func (c *Conn) publishAgain(since time.Time) (count int, ok bool) {
	p := &c.publisher
	p.mu.Lock()
	defer p.mu.Unlock()
	link, now := c.link(), time.Now()
	ok = true
	if !c.nc.IsConnected() {
		return 0, false
	}
	p.replay.each(func(one *past) {
		if one.at.Before(since) {
			return
		}
		count++
		one.sent(now)
		for _, subject := range one.subjects {
			one.msg.Subject = subject
			if err := c.nc.PublishMsg(&one.msg); err != nil {
				ok = false // the link is lost again, and brings us here again
			}
		}
	})
	if ok {
		p.link = link
	}
	c.metrics.again.Add(float64(count))
	return count, ok
}

// listenLocked subscribes to what others ask again, once there is something to tell.
func (c *Conn) listenLocked() {
	if c.publisher.asked != nil || c.role != RoleWorker && c.role != "" { // others may not hear it
		return
	}
	// NATS's goroutine; it ends with the connection.
	sub, err := c.nc.Subscribe(c.Subjects.Again(), c.answerAgain)
	if err == nil {
		c.publisher.asked = sub
	}
}

// answerAgain publishes to a node what it asks for, and then that this was all.
func (c *Conn) answerAgain(m *Msg) {
	var q Again
	if err := json.Unmarshal(m.Data, &q); err != nil || m.Reply == "" {
		c.log.Warn("bad message on the backplane", zap.String("subject", m.Subject), zap.Error(err))
		return
	}
	p := &c.publisher
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(q.Of) > 0 && !slices.Contains(q.Of, p.name) {
		return
	}
	seen, known := q.from(p.name)
	since := time.Now().Add(-q.Window)
	count := 0
	p.replay.each(func(one *past) {
		if one.at.Before(since) || known && (one.sequence < seen || one.numbered && one.sequence == seen) {
			return
		}
		count++
		one.msg.Subject = m.Reply
		set(&one.msg, HeaderAgain, p.name+"."+strconv.FormatUint(one.sequence, 36))
		set(&one.msg, HeaderSubject, one.subjects[0])
		_ = c.PublishMsg(&one.msg) // counted
	})
	end := &Msg{Subject: m.Reply}
	set(end, HeaderAgain, p.name+"."+strconv.FormatUint(p.sequence, 36))
	if known && seen < p.replay.dropped {
		set(end, HeaderShort, "1")
	}
	_ = c.PublishMsg(end) // counted
	c.metrics.again.Add(float64(count))
}

// from tells up to where the asker has had a publisher's emits.
func (q *Again) from(name string) (seen uint64, known bool) {
	for _, id := range q.Seen {
		if digits, ok := strings.CutPrefix(id, name+"."); ok {
			n, err := strconv.ParseUint(digits, 36, 64)
			return n, err == nil
		}
	}
	return 0, false
}
