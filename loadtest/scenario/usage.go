package scenario

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"patchbay/loadtest/cost"
	"patchbay/loadtest/process"
)

// errRestarted reports a process whose CPU time has begun anew.
var errRestarted = errors.New("it was restarted, so that its CPU time began anew")

// meter reads what one source has used, as long as that only grows.
type meter struct {
	source cost.Source
	spent  time.Duration // CPU time, when it was read last
	broken error         // why it cannot be compared with earlier readings any more
}

func metersOf(sources []cost.Source) []*meter {
	var list []*meter
	for _, s := range sources {
		list = append(list, &meter{source: s})
	}
	return list
}

func (m *meter) read(ctx context.Context) (process.Usage, error) {
	if m.broken != nil {
		return process.Usage{}, m.broken
	}
	u, err := m.source.Read(ctx)
	if err == nil && u.CPU < m.spent {
		m.broken = fmt.Errorf("%s: %w", m.source.Name, errRestarted)
		return process.Usage{}, m.broken
	}
	m.spent = max(m.spent, u.CPU)
	return u, err
}

// usage reads what all servers and the generator have used. A name of which anything could not be read is not in it.
func (r *run) usage(ctx context.Context) Usage {
	list := Usage{}
	unread := map[string]bool{}
	take := func(name string, u process.Usage, err error) {
		list[name] = add(list[name], u)
		if err != nil {
			unread[name] = true
			r.note(err)
			r.out.unread(name, err)
		}
	}
	// All at once, so that servers that do not answer cost no more time than one.
	usages, errs := make([]process.Usage, len(r.meters)), make([]error, len(r.meters))
	var wg sync.WaitGroup
	for i, m := range r.meters {
		wg.Go(func() { usages[i], errs[i] = m.read(ctx) })
	}
	wg.Wait()
	for i, m := range r.meters {
		take(m.source.Name, usages[i], errs[i])
	}
	for _, pid := range r.fleet.pids() {
		u, err := process.ReadUsage(pid)
		take(Generator, u, err)
	}
	for name := range unread {
		delete(list, name)
	}
	return list
}

func add(a, b process.Usage) process.Usage {
	return process.Usage{Resident: a.Resident + b.Resident, CPU: a.CPU + b.CPU}
}
