package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asProgram makes the test's own binary behave as patchbay.
const asProgram = "RUN_AS_PATCHBAY"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program puts a patchbay that is this test's binary first in the PATH, and returns its directory.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n%s=1 exec '%s' \"$@\"\n", asProgram, self)
	if err := os.WriteFile(filepath.Join(dir, "patchbay"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return dir
}

// terminal is a shell that a test types into.
type terminal struct {
	t   *testing.T
	tty *os.File
}

func openTerminal(t *testing.T, name string, args ...string) *terminal {
	t.Helper()
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tty.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	var failed error
	if err := raw.Control(func(fd uintptr) {
		unlocked := unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		failed = errors.Join(unlocked, err)
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	shell, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(name, args...)
	command.Stdin, command.Stdout, command.Stderr = shell, shell, shell
	command.Env = append(os.Environ(), "TERM=dumb", "INPUTRC=/dev/null")
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		_ = shell.Close()
		_ = tty.Close()
	})
	return &terminal{t, tty}
}

// enter types a text, and waits until the screen shows another.
func (s *terminal) enter(text, want string) {
	s.t.Helper()
	if err := s.tty.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.tty.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
	var screen bytes.Buffer
	for part := make([]byte, 4096); !bytes.Contains(screen.Bytes(), []byte(want)); {
		n, err := s.tty.Read(part)
		if err != nil {
			s.t.Fatalf("after %q: %v; the screen has %q, want %q", text, err, screen.String(), want)
		}
		screen.Write(part[:n])
	}
}

// The tab key completes commands, flags, values and names of files in bash, with what the program itself answers.
func TestTabKey(t *testing.T) {
	cleanEnvironment(t)
	dir := program(t)
	if err := os.WriteFile(filepath.Join(dir, "settings-of-this-test.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", dir)
	// Completion answers even where the settings are wrong.
	t.Setenv("PATCHBAY_CONFIG", "/no/such/file")
	bash := openTerminal(t, "bash", "--norc", "--noprofile")
	bash.enter("cd "+dir+"; source <(env -u PATCHBAY_CONFIG patchbay completion bash); PS1='rea''dy> '\n", "ready> ")
	for _, c := range []struct{ typed, want string }{
		{"patchbay gatew\t", "patchbay gateway "},
		{"patchbay gateway --allow-ei\t", "patchbay gateway --allow-eio3 "},
		{"patchbay --log-level deb\t", "patchbay --log-level debug "},
		{"patchbay load fanout --transport=po\t", "patchbay load fanout --transport=polling "},
		{"~/patchbay gatew\t", "~/patchbay gateway "},
		{"patchbay load avalan\t", "patchbay load avalanche "},
		{"patchbay gateway --config sett\t", "patchbay gateway --config settings-of-this-test.yaml "},
		{"patchbay gateway --config=sett\t", "patchbay gateway --config=settings-of-this-test.yaml "},
		{"patchbay config check sett\t", "patchbay config check settings-of-this-test.yaml "},
	} {
		bash.enter(c.typed, c.want)
		bash.enter("\x15", "") // forget the line
	}
}

// --version says what the program is built from, and the exit code tells good from bad.
func TestVersionAndExitCodes(t *testing.T) {
	cleanEnvironment(t)
	program(t)
	for _, args := range [][]string{{"--version"}, {"version"}} {
		text, err := exec.Command("patchbay", args...).Output()
		if got := string(text); err != nil || !strings.HasPrefix(got, "patchbay ") || !strings.Contains(got, "revision ") ||
			!strings.Contains(got, runtime.Version()) || !strings.Contains(got, runtime.GOOS+"/"+runtime.GOARCH) {
			t.Errorf("%q: %q, %v", args, got, err)
		}
	}
	for want, args := range map[int][]string{
		0: {"gateway", "--help"},
		1: {"gateway", "--no-such-flag"},
	} {
		err := exec.Command("patchbay", args...).Run()
		code := 0
		if failed := (&exec.ExitError{}); errors.As(err, &failed) {
			code = failed.ExitCode()
		}
		if code != want {
			t.Errorf("%q: exit code %d (%v), want %d", args, code, err, want)
		}
	}
}
