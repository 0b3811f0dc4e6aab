package router

import (
	"regexp"
	"slices"
	"strings"

	"patchbay/backplane"
)

// Bounds of what a worker may announce.
const (
	// maxWorkerNamespaces is how many namespaces and patterns one worker may serve; it bounds
	// what one CONNECT to an unknown namespace costs.
	maxWorkerNamespaces = 1024
	// maxPattern is the longest pattern in bytes. Go's patterns match in linear time.
	maxPattern = 512
)

// anyNamespace in a worker's beat stands for every namespace: the worker decides itself.
const anyNamespace = "*"

// workerEntry is one registered worker.
type workerEntry struct {
	id       string
	epoch    uint64
	said     []string // namespaces as announced, to see changes
	exact    map[string]struct{}
	patterns []*regexp.Regexp
	any      bool
	absent   bool // nobody answers on its subjects; until the next beat it is not chosen
}

// serves reports whether the worker has a namespace.
func (w *workerEntry) serves(nsp string) bool {
	if _, ok := w.exact[nsp]; ok || w.any {
		return true
	}
	for _, p := range w.patterns {
		if p.MatchString(nsp) {
			return true
		}
	}
	return false
}

// choice is why workers.choose did or did not find one.
type choice int

const (
	chosen      choice = iota
	noneServes         // workers are known; none has the namespace
	noneAnswers        // those that have it were not there a moment ago
	noneKnown          // no worker at all
)

// workers is the registry of workers and the choice among them. Owned by the router's loop.
type workers struct {
	list []*workerEntry // by id
	turn string         // the worker chosen last: ties go to the next after it
	load func(worker string) int
}

// newWorkers returns an empty registry; load tells how many sockets a worker has or is
// about to get.
func newWorkers(load func(worker string) int) *workers { return &workers{load: load} }

// find returns where a worker is in the list, or belongs.
func (w *workers) find(id string) (int, bool) {
	return slices.BinarySearchFunc(w.list, id, func(e *workerEntry, id string) int {
		return strings.Compare(e.id, id)
	})
}

// beatResult is what a beat changed.
type beatResult struct {
	Ignored bool            // malformed, or of an epoch that is over
	Changed bool            // more namespaces may be served than before
	Lost    *backplane.Lost // the worker left, or an epoch of it ended
	Bad     []string        // patterns that cannot be used
}

// beat takes a worker's sign of life.
func (w *workers) beat(b *backplane.WorkerBeat) (out beatResult) {
	if !backplane.ValidID(b.Worker) || len(b.Namespaces) > maxWorkerNamespaces {
		out.Ignored = true
		return out
	}
	i, ok := w.find(b.Worker)
	if ok && b.Epoch < w.list[i].epoch {
		out.Ignored = true
		return out
	}
	if ok && (b.Leaving || b.Epoch > w.list[i].epoch) {
		out.Lost = &backplane.Lost{Worker: b.Worker, Epoch: w.list[i].epoch, Leaving: b.Leaving && b.Epoch == w.list[i].epoch}
		w.list = slices.Delete(w.list, i, i+1)
		ok = false
	}
	if b.Leaving {
		if out.Lost == nil { // unknown to this router, but others must hear of it all the same
			out.Lost = &backplane.Lost{Worker: b.Worker, Epoch: b.Epoch, Leaving: true}
		}
		return out
	}
	if !ok {
		w.list = slices.Insert(w.list, i, &workerEntry{id: b.Worker, epoch: b.Epoch})
		out.Changed = true
	}
	e := w.list[i]
	if e.absent {
		e.absent, out.Changed = false, true
	}
	if !slices.Equal(e.said, b.Namespaces) {
		out.Changed = true
		out.Bad = e.announce(b.Namespaces)
	}
	return out
}

// announce sets what the worker serves and returns the patterns that are none.
func (w *workerEntry) announce(namespaces []string) (bad []string) {
	w.said = namespaces
	w.exact, w.patterns, w.any = make(map[string]struct{}, len(namespaces)), nil, false
	for _, name := range namespaces {
		switch {
		case name == anyNamespace:
			w.any = true
		case strings.HasPrefix(name, "/"):
			w.exact[name] = struct{}{}
		default:
			p, err := regexp.Compile(name)
			if err != nil || len(name) > maxPattern || name == "" {
				bad = append(bad, name)
				continue
			}
			w.patterns = append(w.patterns, p)
		}
	}
	return bad
}

// drop forgets a worker whose lease has run out.
func (w *workers) drop(id string, epoch uint64) {
	if i, ok := w.find(id); ok && w.list[i].epoch == epoch {
		w.list = slices.Delete(w.list, i, i+1)
	}
}

// missed notes that nobody listened when a worker was addressed. It returns false if
// the worker is not known.
func (w *workers) missed(id string) bool {
	i, ok := w.find(id)
	if ok {
		w.list[i].absent = true
	}
	return ok
}

// choose picks the worker with the least sockets among those that serve a namespace. Ties go round.
func (w *workers) choose(nsp string) (string, choice) {
	if len(w.list) == 0 {
		return "", noneKnown
	}
	why := noneServes
	start, found := w.find(w.turn)
	if found {
		start++
	}
	best, least := "", 0
	for i := range w.list {
		e := w.list[(start+i)%len(w.list)]
		if !e.serves(nsp) {
			continue
		}
		if e.absent {
			if why == noneServes {
				why = noneAnswers
			}
			continue
		}
		if n := w.load(e.id); why != chosen || n < least {
			best, least, why = e.id, n, chosen
		}
	}
	if why == chosen {
		w.turn = best
	}
	return best, why
}
