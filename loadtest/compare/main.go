// Command compare measures Patchbay and its peers in turn, several times over, and writes what it finds into
// docs/benchmarks.md, with plots, and as JSON into loadtest/results. make compare builds what it needs.
//
// Every run starts its server anew. Rounds go through all benchmarks, and each benchmark through all of its servers, so that whatever else the machine does
// befalls all of them; ratios are those of one round.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"patchbay/internal/ops"
)

// settings are the command line's.
type settings struct {
	root     string
	bin      string
	results  string
	page     string
	only     string
	rounds   int
	duration time.Duration
	render   string
	serve    string
	load     string
	add      string
}

// inRoot is a path of the command line: in the repository, unless it is absolute.
func (s settings) inRoot(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(s.root, path)
}

func main() {
	var s settings
	flag.StringVar(&s.root, "root", ".", "the repository's root")
	flag.StringVar(&s.bin, "bin", "bin", "directory of the programs")
	flag.StringVar(&s.results, "results", "loadtest/results", "directory of raw results")
	flag.StringVar(&s.page, "page", "docs/benchmarks.md", "page whose marked section is written; empty for none")
	flag.StringVar(&s.only, "only", "", "benchmarks to run, by comma; all if empty")
	flag.IntVar(&s.rounds, "rounds", 3, "how often all of it is measured")
	flag.DurationVar(&s.duration, "duration", 4*time.Second, "how long a run measures")
	flag.StringVar(&s.render, "render", "", "measure nothing: write the page from this file of raw results")
	flag.StringVar(&s.serve, "serve", "", "measure nothing: run this server until interrupted, and print where it is")
	flag.StringVar(&s.load, "load", "", "with -serve: run patchbay load with these words against the server, and end")
	flag.StringVar(&s.add, "add", "", "raw results of earlier rounds, to which these are added")
	flag.Parse()
	ctx, stop := ops.Interruptible(context.Background())
	err := run(ctx, s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	if s.serve != "" {
		return serve(ctx, s)
	}
	all, err := obtain(ctx, s)
	if err != nil {
		return err
	}
	section := all.markdown()
	if s.page == "" {
		fmt.Print(section)
		return nil
	}
	page := s.inRoot(s.page)
	return errors.Join(writeSection(page, section), all.drawInto(filepath.Join(filepath.Dir(page), pictures)))
}

// errNothing reports a comparison without a single run, from which no page can be written.
var errNothing = errors.New("nothing was measured")

// obtain reads raw results, or measures and saves them. What was measured before an error is saved as well.
func obtain(ctx context.Context, s settings) (results, error) {
	if s.render != "" {
		return read(s.render)
	}
	var all results
	path := filepath.Join(s.inRoot(s.results), time.Now().UTC().Format("2006-01-02T1504")+".json")
	if s.add != "" {
		var err error
		if all, err = read(s.add); err != nil {
			return all, err
		}
		path = s.add
	}
	err := all.measure(ctx, s)
	if len(all.Runs) == 0 {
		err = errors.Join(err, errNothing)
	} else {
		err = errors.Join(err, all.save(path))
		fmt.Fprintln(os.Stderr, "raw results:", path)
	}
	return all, err
}

// serve runs one server, for a load test or until it is interrupted.
func serve(ctx context.Context, s settings) error {
	one, ok := find(s.serve)
	if !ok {
		return fmt.Errorf("no server is called %q; there are %s", s.serve, strings.Join(systemNames(), ", "))
	}
	if why := one.missing(s); why != "" {
		return fmt.Errorf("%s: %s", one.title, why)
	}
	up, err := one.start(ctx, s)
	if err != nil {
		return err
	}
	defer up.stop()
	var pids []string
	for _, source := range up.sources {
		pids = append(pids, fmt.Sprintf("%s=%d", source.Name, source.PID))
	}
	where := []string{"--url", strings.Join(up.urls, ","), "--pid", strings.Join(pids, ",")}
	if s.load == "" {
		fmt.Println(strings.Join(where, " "))
		<-ctx.Done()
		return nil
	}
	words := append(append([]string{"load"}, strings.Fields(s.load)...), where...)
	command := exec.CommandContext(ctx, filepath.Join(s.bin, "patchbay"), words...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}
