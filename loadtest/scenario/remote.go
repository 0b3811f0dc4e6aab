package scenario

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
)

// ErrRemote reports a generator process that ended early.
var ErrRemote = errors.New("load: a process of the generator ended")

// errSilent reports an order without an answer.
var errSilent = errors.New("load: a process of the generator does not answer")

// remote is a squad in a process of its own: this program, started anew, which reads orders from its standard input
// and writes replies to its standard output, a line of JSON each. Do is for one goroutine at a time.
type remote struct {
	command *exec.Cmd
	orders  io.WriteCloser
	replies chan Reply // closed when the process's output ends
	done    chan struct{}
}

// startRemote starts the process of squad number process. completed hears what its members have all received.
func startRemote(plan *Plan, process int, completed func(Completion)) (*remote, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	text, err := json.Marshal(plan)
	if err != nil {
		return nil, fmt.Errorf("write down the plan: %w", err)
	}
	r := &remote{command: exec.Command(program, RemoteCommand()...), replies: make(chan Reply, 1), done: make(chan struct{})}
	r.command.Env = append(os.Environ(), EnvironmentPlan+"="+string(text), EnvironmentProcess+"="+strconv.Itoa(process))
	r.command.Stderr = os.Stderr
	r.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if r.orders, err = r.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start a process: %w", err)
	}
	output, err := r.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start a process: %w", err)
	}
	if err := r.command.Start(); err != nil {
		return nil, fmt.Errorf("start a process: %w", err)
	}
	//patchbay:goroutine reads until the process ends; stop waits for it on done
	go r.read(output, completed)
	return r, nil
}

func (r *remote) read(output io.Reader, completed func(Completion)) {
	defer close(r.done)
	defer close(r.replies)
	decoder := json.NewDecoder(bufio.NewReader(output))
	for {
		var reply Reply
		if err := decoder.Decode(&reply); err != nil {
			return // the process has ended, which Do or stop reports
		}
		if reply.Completion != nil {
			completed(*reply.Completion)
			continue
		}
		r.replies <- reply
	}
}

// Do implements worker.
func (r *remote) Do(ctx context.Context, o Order) (Reply, error) {
	if err := json.NewEncoder(r.orders).Encode(o); err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrRemote, err)
	}
	select {
	case reply, ok := <-r.replies:
		switch {
		case !ok:
			return Reply{}, ErrRemote
		case reply.Error != "":
			return reply, errors.New(reply.Error)
		}
		return reply, nil
	case <-ctx.Done():
		return Reply{}, fmt.Errorf("%w: %s: %w", errSilent, o.Do, ctx.Err())
	}
}

// stop ends the process: its input ends.
func (r *remote) stop() error {
	r.orders.Close()
	for range r.replies { // an answer that nobody waited for
	}
	<-r.done
	if err := r.command.Wait(); err != nil {
		return fmt.Errorf("%w: %w", ErrRemote, err)
	}
	return nil
}

// What a process of the generator finds in its environment, and on its command line.
const (
	EnvironmentPlan    = "PATCHBAY_LOAD_PLAN"
	EnvironmentProcess = "PATCHBAY_LOAD_PROCESS"
)

// RemoteCommand is the command line of a process that serves a squad.
func RemoteCommand() []string { return []string{"load", "squad"} }

// ServeSquad runs the squad of a process that startRemote has started, until its input ends.
func ServeSquad(ctx context.Context, input io.Reader, output io.Writer) error {
	var plan Plan
	if err := json.Unmarshal([]byte(os.Getenv(EnvironmentPlan)), &plan); err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	process, err := strconv.Atoi(os.Getenv(EnvironmentProcess))
	if err != nil {
		return fmt.Errorf("read the process's number: %w", err)
	}
	var mu sync.Mutex // leaf; completions come from loops
	encoder := json.NewEncoder(output)
	write := func(r Reply) error {
		mu.Lock()
		defer mu.Unlock()
		return encoder.Encode(r)
	}
	squad, err := OpenSquad(ctx, &plan, process, func(c Completion) {
		_ = write(Reply{Completion: &c}) // if the parent is gone, the next read ends this process
	})
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(input)
	for {
		var order Order
		if err := decoder.Decode(&order); err != nil {
			return nil // the parent has ended, or is done
		}
		reply, err := squad.Do(ctx, order)
		if err != nil {
			reply.Error = err.Error()
		}
		if err := write(reply); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}
