package cost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"patchbay/loadtest/process"
)

// ErrSource reports a text that names nothing whose cost could be read.
var ErrSource = errors.New("cost: not name=pid or name=URL")

// ErrMetric reports a page without the process metrics.
var ErrMetric = errors.New("cost: no process metrics")

// ErrEnded reports a process that does not run, or not any more.
var ErrEnded = errors.New("cost: no such process")

// Bounds of a look at a metrics page.
const (
	readTimeout = 2 * time.Second
	maxPage     = 8 << 20
)

// Source is one server whose cost is read. Exactly one of PID and URL is set.
type Source struct {
	Name string
	PID  int
	URL  string
}

// ParseSource reads name=pid or name=URL, such as gateway=4711 or nats=http://127.0.0.1:9201/metrics.
func ParseSource(text string) (Source, error) {
	name, what, ok := strings.Cut(text, "=")
	if !ok || name == "" || what == "" {
		return Source{}, fmt.Errorf("%w: %q", ErrSource, text)
	}
	if strings.HasPrefix(what, "http://") || strings.HasPrefix(what, "https://") {
		return Source{Name: name, URL: what}, nil
	}
	pid, err := strconv.Atoi(what)
	if err != nil || pid <= 0 {
		return Source{}, fmt.Errorf("%w: %q", ErrSource, text)
	}
	return Source{Name: name, PID: pid}, nil
}

// Check tells whether a process of this machine is there. A page may come later.
func (s Source) Check() error {
	if s.PID == 0 {
		return nil
	}
	_, err := s.process()
	return err
}

// process reads what a process of this machine has used. One that has ended, but was not waited for, has no memory.
func (s Source) process() (process.Usage, error) {
	u, err := process.ReadUsage(s.PID)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ESRCH), err == nil && u.Resident == 0:
		return process.Usage{}, fmt.Errorf("%w: %s=%d", ErrEnded, s.Name, s.PID)
	case err != nil:
		return process.Usage{}, fmt.Errorf("read %s: %w", s.Name, err)
	}
	return u, nil
}

// Read reads what the server has used so far.
func (s Source) Read(ctx context.Context) (process.Usage, error) {
	if s.PID != 0 {
		return s.process()
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return process.Usage{}, fmt.Errorf("read %s: %w", s.Name, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return process.Usage{}, fmt.Errorf("read %s: %w", s.Name, err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(io.LimitReader(response.Body, maxPage))
	if err != nil {
		return process.Usage{}, fmt.Errorf("read %s: %w", s.Name, err)
	}
	u, err := parseMetrics(string(page))
	if err != nil {
		return process.Usage{}, fmt.Errorf("read %s: %w", s.Name, err)
	}
	return u, nil
}

// parseMetrics finds the two process metrics in a Prometheus page.
func parseMetrics(page string) (process.Usage, error) {
	var u process.Usage
	found := 0
	for line := range strings.SplitSeq(page, "\n") {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || name != "process_cpu_seconds_total" && name != "process_resident_memory_bytes" {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return process.Usage{}, fmt.Errorf("%w: %q", ErrMetric, line)
		}
		found++
		if name == "process_cpu_seconds_total" {
			u.CPU = time.Duration(n * float64(time.Second))
		} else {
			u.Resident = int64(n)
		}
	}
	if found != 2 {
		return process.Usage{}, ErrMetric
	}
	return u, nil
}
