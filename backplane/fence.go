package backplane

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// Bounds of a Fence.
const (
	// fenceTimeout is how long servers may take to confirm. Past it those who wait go on, and are counted.
	fenceTimeout = 2 * time.Second
	// fenceRepeat is after how long a number is followed by another if it has not passed: it may be lost with its link.
	fenceRepeat = 250 * time.Millisecond
	// postTimeout bounds an attempt to connect to a server.
	postTimeout = time.Second
	// postRefresh is how often a fence looks for servers that are new.
	postRefresh = time.Second
	// maxPosts is how many servers it watches at most.
	maxPosts = 64
	// fenceInbox is how many of its own messages may wait. What is dropped is made up for by the next.
	fenceInbox = 1 << 12
)

// Fence tells when every server of the NATS cluster knows what a connection has subscribed to.
//
// NATS does not: the connection's own server passes the word on to each other server, and waits for none. So a message by way of a second server can
// reach a third one before that word does, and what is published there in answer finds nobody.
//
// A fence has a post, a small connection, at every server. It publishes numbers on the connection in question; a
// server gets them on the way on which it gets the subscriptions, and so after those made before, and hands them to its post.
//
// Safe for concurrent use. It has one goroutine, and the NATS client's for each server.
type Fence struct {
	conn    *Conn
	subject string
	numbers chan *nats.Msg // from all posts
	wakeup  chan struct{}  // capacity 1: somebody waits
	dialled chan *post
	ended   chan struct{} // closed by Close
	running sync.WaitGroup
	posts   posts  // of the goroutine alone, as is sent
	sent    []sent // numbers by link; never empty once there was one

	last   atomic.Uint64 // the number published last
	passed atomic.Uint64 // all servers have it
	link   atomic.Uint64 // of the connection, on which it went out
	alone  atomic.Bool   // there is one server

	mu      sync.Mutex
	waiting []waiter // in the order of their numbers
}

// waiter waits for a number; 0 until one is given to it.
type waiter struct {
	number uint64
	since  time.Time
	done   func()
}

// sent says on which link of the connection the numbers from one on went out.
type sent struct {
	from, link uint64
}

// NewFence opens a fence for the subscriptions of a connection. node makes its subject. It returns once all servers
// that are known have been tried, or ctx ends.
func NewFence(ctx context.Context, c *Conn, node string) (*Fence, error) {
	f := &Fence{
		conn: c, subject: c.Fence(node), numbers: make(chan *nats.Msg, fenceInbox), wakeup: make(chan struct{}, 1),
		dialled: make(chan *post), ended: make(chan struct{}), posts: posts{},
	}
	own, err := c.nc.ChanSubscribe(f.subject, f.numbers)
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", f.subject, err)
	}
	f.posts[""] = &post{nc: c.nc, sub: own}
	for range f.refresh() {
		select {
		case p := <-f.dialled:
			f.opened(p)
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("open a fence: %w", ctx.Err())
		}
	}
	f.running.Go(f.run)
	return f, nil
}

// Alone reports that there is one server: what is published in answer to a later message of the connection's is
// received, and no fence is needed for it.
func (f *Fence) Alone() bool { return f.alone.Load() }

// Await calls done once every server that can be reached knows what was subscribed before the call, or after 2 s, counted in
// patchbay_backplane_unconfirmed_total. done is called on the fence's goroutine and must not wait for anything.
func (f *Fence) Await(done func()) {
	f.mu.Lock()
	f.waiting = append(f.waiting, waiter{since: time.Now(), done: done})
	f.mu.Unlock()
	select {
	case f.wakeup <- struct{}{}:
	default:
	}
}

// Close ends the fence. Those who still wait are forgotten.
func (f *Fence) Close() {
	close(f.ended)
	f.running.Wait()
	for address, p := range f.posts {
		if address != "" {
			p.close()
		}
	}
}

// next is the number that confirms what is subscribed by now.
func (f *Fence) next() uint64 { return f.last.Load() + 1 }

// confirmed reports whether all servers have a number. What they know ends with the connection's link.
func (f *Fence) confirmed(number uint64) bool {
	return f.passed.Load() >= number && f.link.Load() == f.conn.Links()
}

func (f *Fence) run() {
	look := time.NewTicker(fenceRepeat)
	defer look.Stop()
	refreshed := time.Now()
	for {
		select {
		case m := <-f.numbers:
			f.take(m)
			for len(f.numbers) > 0 {
				f.take(<-f.numbers)
			}
			f.pass()
		case <-f.wakeup:
			f.publish()
		case p := <-f.dialled:
			f.opened(p)
			f.publish() // so that the new post has something to confirm
		case now := <-look.C:
			if now.Sub(refreshed) >= postRefresh {
				refreshed = now
				f.refresh()
			}
			f.hurry(now)
		case <-f.ended:
			return
		}
	}
}

// publish publishes the next number, for all who have none.
func (f *Fence) publish() {
	f.mu.Lock()
	number := f.last.Add(1)
	for i := len(f.waiting) - 1; i >= 0 && f.waiting[i].number == 0; i-- {
		f.waiting[i].number = number
	}
	f.mu.Unlock()
	if n := len(f.sent); n == 0 || f.sent[n-1].link != f.conn.Links() {
		f.sent = append(f.sent, sent{number, f.conn.Links()})
	}
	if err := f.conn.Publish(f.subject, strconv.AppendUint(nil, number, 36)); err != nil {
		f.conn.log.Debug("a fence is not published", zap.Error(err)) // the next one may be
	}
}

// take notes what a post has had.
func (f *Fence) take(m *nats.Msg) {
	number, err := strconv.ParseUint(string(m.Data), 36, 64)
	if err != nil || number > f.last.Load() {
		return // not ours
	}
	for _, p := range f.posts {
		if p.sub == m.Sub {
			p.had = max(p.had, number)
		}
	}
}

// pass lets those go on whose number all servers have.
func (f *Fence) pass() {
	number := f.posts.all()
	if number <= f.passed.Load() {
		return
	}
	for len(f.sent) > 1 && f.sent[1].from <= number {
		f.sent = f.sent[1:]
	}
	f.link.Store(f.sent[0].link)
	f.passed.Store(number)
	f.release(func(w *waiter) bool { return w.number != 0 && w.number <= number })
}

// hurry publishes anew what may be lost, lets go of servers that are gone, and of those who have waited too long.
func (f *Fence) hurry(now time.Time) {
	f.mu.Lock()
	waiting := len(f.waiting)
	f.mu.Unlock()
	if waiting == 0 || !f.conn.Connected() {
		return
	}
	f.pass()
	if late := f.release(func(w *waiter) bool { return now.Sub(w.since) > fenceTimeout }); late > 0 {
		f.conn.metrics.unconfirmed.Add(float64(late))
		f.conn.log.Warn("a NATS server does not confirm subscriptions; what is published there at once may be missed here",
			zap.Int("waiting", late), zap.Strings("servers", f.posts.behind(f.last.Load())))
	}
	f.publish()
}

// release lets those at the head of the queue go on who may, and tells how many.
func (f *Fence) release(may func(*waiter) bool) int {
	f.mu.Lock()
	n := slices.IndexFunc(f.waiting, func(w waiter) bool { return !may(&w) })
	if n < 0 {
		n = len(f.waiting)
	}
	free := f.waiting[:n:n]
	f.waiting = f.waiting[n:]
	f.mu.Unlock()
	for i := range free {
		free[i].done()
	}
	return n
}

// refresh connects to the servers that have no post, and returns how many those are.
func (f *Fence) refresh() int {
	var known []string
	if f.conn.nc.ConnectedClusterName() != "" {
		known = f.conn.nc.Servers()
	}
	started := 0
	for _, address := range known {
		if len(f.posts) > maxPosts {
			break
		}
		if p := f.posts[address]; p != nil && (p.nc != nil || p.pending || f.posts.at(p.server, p) != nil) {
			continue
		}
		f.posts[address] = &post{address: address, pending: true}
		f.running.Go(func() { f.dial(address) })
		started++
	}
	for address, p := range f.posts {
		if address != "" && !p.pending && !slices.Contains(known, address) && (p.nc == nil || !p.nc.IsConnected()) {
			p.close()
			delete(f.posts, address)
		}
	}
	f.alone.Store(len(f.posts) == 1)
	return started
}

// dial connects to one server, without a lock and apart from the fence's goroutine.
func (f *Fence) dial(address string) {
	p := &post{address: address}
	nc, err := f.options(address).Connect()
	if err == nil {
		p.nc, p.server = nc, nc.ConnectedServerId()
		p.sub, err = nc.ChanSubscribe(f.subject, f.numbers)
	}
	if err == nil {
		err = nc.FlushTimeout(postTimeout)
	}
	if err != nil {
		p.close()
		p.nc, p.sub = nil, nil
		f.conn.log.Debug("a NATS server cannot be reached", zap.String("server", address), zap.Error(err))
	}
	select {
	case f.dialled <- p:
	case <-f.ended:
		p.close()
	}
}

// options are those of the connection, for one server and none that it tells of.
func (f *Fence) options(address string) nats.Options {
	o := f.conn.nc.Opts
	if u, err := url.Parse(o.Url); err == nil && u.User != nil && o.User == "" && o.Token == "" {
		o.User = u.User.Username()
		o.Password, _ = u.User.Password()
		if o.Password == "" {
			o.User, o.Token = "", o.User
		}
	}
	o.Url, o.Servers, o.InProcessServer = address, nil, nil
	o.Name += " fence"
	o.IgnoreDiscoveredServers = true
	o.Timeout = postTimeout
	o.CustomDialer = nil
	o.DisconnectedErrCB, o.ReconnectedCB, o.AsyncErrorCB = nil, nil, nil
	return o
}

// opened takes a post, or the failure to make one: it is tried again.
func (f *Fence) opened(p *post) {
	if p.nc != nil && f.posts.at(p.server, nil) != nil { // by another address
		p.close()
		p.nc, p.sub = nil, nil
	}
	f.posts[p.address] = p
}
