// Package process runs the project's programs as separate processes, for benchmarks and tests
// that must not share a heap or a scheduler with what they measure.
package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrNotReady reports a program that ended, or did not become ready in time.
var ErrNotReady = errors.New("process: not ready")

// pollInterval is the time between looks at a program's /readyz.
const pollInterval = 20 * time.Millisecond

// Process is one running program. Its methods are for one goroutine.
type Process struct {
	cmd  *exec.Cmd
	done chan error // capacity 1: what Wait returned
}

// Start runs a program and waits until http://<internal>/readyz answers 200, or until ctx ends. An
// empty internal address waits for nothing. Its output goes to the given file.
func Start(ctx context.Context, output *os.File, internal, program string, args ...string) (*Process, error) {
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	p := &Process{cmd: cmd, done: make(chan error, 1)}
	//patchbay:goroutine waits for the child; Stop and Kill wait for it through done
	go func() { p.done <- cmd.Wait() }()
	if internal == "" {
		return p, nil
	}
	for !ready(ctx, internal) {
		select {
		case <-p.done:
			return nil, fmt.Errorf("%w: %s %s ended", ErrNotReady, program, strings.Join(args, " "))
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%w: %s %s", ErrNotReady, program, strings.Join(args, " ")), p.Kill())
		case <-time.After(pollInterval):
		}
	}
	return p, nil
}

func ready(ctx context.Context, internal string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+internal+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Ended tells whether the program has ended.
func (p *Process) Ended() bool {
	select {
	case err := <-p.done:
		p.done <- err
		return true
	default:
		return false
	}
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop sends SIGTERM and waits for the end, at most until ctx ends; then it kills.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop process %d: %w", p.PID(), err)
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.Kill())
	}
}

// Kill sends SIGKILL and waits for the end.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d: %w", p.PID(), err)
	}
	<-p.done
	return nil
}

// Usage is what a process has used.
type Usage struct {
	Resident int64         // bytes
	CPU      time.Duration // user and system
}

// Usage reads the process's resident memory and CPU time from /proc.
func (p *Process) Usage() (Usage, error) { return ReadUsage(p.PID()) }

// ReadUsage reads any process's resident memory and CPU time from /proc.
func ReadUsage(pid int) (Usage, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	statm, err := os.ReadFile(dir + "/statm")
	if err != nil {
		return Usage{}, fmt.Errorf("read memory: %w", err)
	}
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Usage{}, fmt.Errorf("read CPU time: %w", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	if err != nil {
		return Usage{}, fmt.Errorf("read memory: %w", err)
	}
	// The name, in brackets, may hold spaces; what follows has fixed fields.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return Usage{}, fmt.Errorf("read CPU time: %w", err)
		}
		ticks += n
	}
	const ticksPerSecond = 100 // USER_HZ, the same on every Linux that Go runs on
	return Usage{Resident: pages * int64(os.Getpagesize()), CPU: time.Duration(ticks) * time.Second / ticksPerSecond}, nil
}

// FreeAddresses returns n addresses on 127.0.0.1 that were free a moment ago.
func FreeAddresses(n int) ([]string, error) {
	addresses := make([]string, 0, n)
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer ln.Close() // all are held until all are found
		addresses = append(addresses, ln.Addr().String())
	}
	return addresses, nil
}
