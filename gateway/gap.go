package gateway

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/gateway/handoff"
)

// When the link to NATS was lost, what others emitted meanwhile has not come. The node then asks them to publish it again, and holds
// what comes anew until it has that, so that each publisher's order is kept.

// Bounds of a repair. Past them what is held goes on as it is, and the repair is counted as incomplete.
const (
	// repairTimeout is how long those who emit may take to answer. One that has died does not.
	repairTimeout = time.Second
	// repairRepeat is after how long those are asked anew who have not answered: they may have lost NATS as well, and found it after the question.
	repairRepeat = 100 * time.Millisecond
	// maxRepairMessages and maxRepairBytes bound what is held, and what comes again, each.
	maxRepairMessages = 1 << 16
	maxRepairBytes    = 64 << 20
	// publisherMemory is for how long at least, and for twice as long at most, a silent publisher is remembered, and waited for.
	publisherMemory = 10 * time.Second
)

// verbAgain is the verb of the node's subject for what comes again.
const verbAgain = "again"

// repair is what intake does about gaps. Owned by intake.
type repair struct {
	in       *intake
	ids      windows
	links    uint64 // of the connection, that were seen
	holding  bool
	asked    bool
	held     []*backplane.Msg
	again    map[string][]repeated // by publisher
	awaited  map[string]struct{}   // publishers that have not answered
	count    int                   // held and repeated
	size     int
	short    bool
	question backplane.Again
	tries    int
	deadline *time.Timer
}

// repeated is something that came again.
type repeated struct {
	after uint64 // its sequence, or that of the emit before it
	msg   *backplane.Msg
}

// take handles a message, or keeps it for later. It is on the path of every message.
func (r *repair) take(m *backplane.Msg) {
	conn := r.in.gw.conn
	if links := conn.Links(); links != r.links {
		r.links = links
		r.begin()
	}
	// Without a link it came on the last one, before the gap.
	if !r.holding || !r.asked && !conn.Connected() || !r.orderly(m) {
		r.in.handle(m)
		return
	}
	r.held = append(r.held, m)
	r.weigh(m)
}

// begin holds what comes from now on.
func (r *repair) begin() {
	r.holding, r.asked = true, false
	r.deadline.Reset(repairTimeout) // should NATS's word that it is back not come
	if r.again == nil {
		r.again = map[string][]repeated{}
	}
}

// orderly reports whether a message has a place among the emits.
func (r *repair) orderly(m *backplane.Msg) bool {
	return r.emitted(m.Subject) || m.Subject == r.in.gw.own+verbPulse || strings.HasPrefix(m.Subject, r.in.gw.own+verbPulse+".")
}

// emitted reports whether a subject is one of what is said again.
func (r *repair) emitted(subject string) bool {
	conn := r.in.gw.conn
	if strings.HasPrefix(subject, r.in.gw.own) {
		return subject == r.in.gw.own+"emit"
	}
	if _, verb, _, ok := conn.ParseSocket(subject); ok {
		return verb == "emit" || verb == "ack"
	}
	return conn.ToMany(subject)
}

// ask asks for what is missing. The gap is over.
func (r *repair) ask(gap backplane.Gap) {
	gw := r.in.gw
	if gap.Links != gw.conn.Links() {
		return // lost again: another word follows
	}
	r.links = gap.Links
	r.begin()
	r.asked, r.awaited = true, map[string]struct{}{}
	q := backplane.Again{Window: gap.Window, Seen: r.ids.seen()}
	for _, id := range q.Seen {
		if m, ok := handoff.ParseMark(id); ok {
			r.awaited[m.Publisher] = struct{}{}
		}
	}
	r.question, r.tries = q, 0
	r.inquire()
	// What it said in that moment may be lost as well, and workers have to ask.
	gw.countPublish(gw.conn.Publish(gw.conn.Gap(gw.options.ID), nil))
}

// inquire asks everybody, and then those who have not answered.
func (r *repair) inquire() {
	gw := r.in.gw
	if r.tries > 0 {
		r.question.Of = slices.Collect(maps.Keys(r.awaited))
	}
	r.tries++
	data, err := json.Marshal(r.question)
	if err != nil {
		panic("gateway: a question that is not JSON: " + err.Error())
	}
	gw.countPublish(gw.conn.PublishRequest(gw.conn.Again(), gw.own+verbAgain, data))
	r.deadline.Reset(repairRepeat)
}

// late is called when the timer is up.
func (r *repair) late() {
	if r.asked && r.tries < int(repairTimeout/repairRepeat) {
		r.inquire()
		return
	}
	r.expire()
}

// repeat takes what a publisher says again, or its word that this was all.
func (r *repair) repeat(m *backplane.Msg) {
	mark, ok := handoff.ParseMark(first(m, backplane.HeaderAgain))
	if backplane.NoResponders(m) { // nobody emits
		clear(r.awaited)
	} else if !ok {
		r.in.bad(m, "again: no mark")
		return
	}
	if !r.asked {
		return // late
	}
	subject := first(m, backplane.HeaderSubject)
	if ok && subject != "" {
		if !r.emitted(subject) { // but for what was for the sockets of another node it is somebody's mischief
			if !strings.HasSuffix(subject, ".emit") {
				r.in.bad(m, "again: not an emit")
			}
			return
		}
		again := *m
		again.Subject = subject
		r.again[mark.Publisher] = append(r.again[mark.Publisher], repeated{after: mark.Sequence, msg: &again})
		r.weigh(m)
		return
	}
	r.short = r.short || first(m, backplane.HeaderShort) != ""
	if delete(r.awaited, mark.Publisher); len(r.awaited) == 0 {
		r.end()
	}
}

func (r *repair) weigh(m *backplane.Msg) {
	r.count++
	if r.size += len(m.Data) + entryCost; r.count > maxRepairMessages || r.size > maxRepairBytes {
		r.expire()
	}
}

// expire ends a repair that is not complete.
func (r *repair) expire() {
	if !r.holding || !r.asked && r.count == 0 {
		return
	}
	r.short = true
	r.end()
}

// end delivers all that was missed and all that was held, each publisher's in order.
func (r *repair) end() {
	r.deadline.Stop()
	held, again := r.held, r.again
	gw := r.in.gw
	before := gw.metrics.repeated
	if r.short {
		gw.metrics.gaps.WithLabelValues("incomplete").Inc()
		gw.log.Error("after a gap in the backplane some did not say again what they had emitted: clients may have missed events",
			zap.Int("publishers", len(r.awaited)))
	} else {
		gw.metrics.gaps.WithLabelValues("repaired").Inc()
	}
	*r = repair{in: r.in, ids: r.ids, links: r.links, deadline: r.deadline}
	missed := func(list []repeated) {
		for _, one := range list {
			if mark, ok := handoff.ParseMark(first(one.msg, backplane.HeaderID)); ok && r.ids.has(mark) {
				continue
			}
			before.Inc()
			r.in.handle(one.msg)
		}
	}
	for _, list := range again { // a second answer comes behind the first
		slices.SortStableFunc(list, func(a, b repeated) int { return cmp.Compare(a.after, b.after) })
	}
	for _, m := range held {
		mark, ok := handoff.ParseMark(first(m, backplane.HeaderID))
		if ok {
			list := again[mark.Publisher]
			n, _ := slices.BinarySearchFunc(list, mark.Sequence, func(one repeated, sequence uint64) int {
				return cmp.Compare(one.after, sequence)
			})
			missed(list[:n])
			again[mark.Publisher] = list[n:]
		}
		r.in.handle(m)
	}
	for _, list := range again {
		missed(list)
	}
}
