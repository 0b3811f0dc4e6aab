package scenario

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// worker carries out orders: the squad of this process, or one of another.
type worker interface {
	Do(ctx context.Context, o Order) (Reply, error)
}

// fleet is the squads of all processes of a run. Its methods are for one goroutine.
type fleet struct {
	own     *Squad
	workers []worker // own first
}

// openFleet opens the squad of this process, and starts the others.
func openFleet(ctx context.Context, plan *Plan) (*fleet, error) {
	f := &fleet{}
	var err error
	// The rooms' homes are all reachable: publishers of a single room sit in this process, other rooms in one part.
	f.own, err = OpenSquad(ctx, plan, 0, func(Completion) {})
	if err != nil {
		return nil, err
	}
	f.workers = []worker{f.own}
	for process := 1; process < plan.Processes; process++ {
		r, err := startRemote(plan, process, f.own.Completed)
		if err != nil {
			return nil, errors.Join(err, f.close(ctx))
		}
		f.workers = append(f.workers, r)
	}
	return f, nil
}

// orderTimeout bounds an order.
const orderTimeout = time.Minute

// do gives an order to all squads at once, and waits for all of them. The end of ctx does not end that, or later orders would get the answers
// to earlier ones.
func (f *fleet) do(ctx context.Context, o Order) ([]Reply, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), orderTimeout)
	defer cancel()
	replies, errs := make([]Reply, len(f.workers)), make([]error, len(f.workers))
	var wg sync.WaitGroup
	for i, w := range f.workers {
		wg.Go(func() { replies[i], errs[i] = w.Do(ctx, o) })
	}
	wg.Wait()
	return replies, errors.Join(errs...)
}

func (f *fleet) sample(ctx context.Context) (Sample, error) {
	replies, err := f.do(ctx, Order{Do: OrderSample})
	var sum Sample
	for _, r := range replies {
		if r.Sample != nil {
			sum.Add(*r.Sample)
		}
	}
	return sum, err
}

func (f *fleet) audit(ctx context.Context) (Audit, error) {
	sent := Sent{}
	replies, err := f.do(ctx, Order{Do: OrderSent})
	if err != nil {
		return Audit{}, err
	}
	for _, r := range replies {
		for k, n := range r.Sent {
			sent[k] = n
		}
	}
	replies, err = f.do(ctx, Order{Do: OrderAudit, Sent: sent})
	var sum Audit
	for _, r := range replies {
		if r.Audit != nil {
			sum.Add(*r.Audit)
		}
	}
	return sum, err
}

// pids are the generator's processes.
func (f *fleet) pids() []int {
	list := []int{os.Getpid()}
	for _, w := range f.workers {
		if r, ok := w.(*remote); ok {
			list = append(list, r.command.Process.Pid)
		}
	}
	return list
}

// close ends all squads.
func (f *fleet) close(ctx context.Context) error {
	_, err := f.do(ctx, Order{Do: OrderClose})
	for _, w := range f.workers {
		if r, ok := w.(*remote); ok {
			err = errors.Join(err, r.stop())
		}
	}
	return err
}
