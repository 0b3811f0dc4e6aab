package gateway

import (
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newTestPoller returns a poller that watches one end of a pair of sockets, and both ends.
func newTestPoller(t *testing.T) (p *poller, near, far int) {
	t.Helper()
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.close()
		unix.Close(pair[0])
		unix.Close(pair[1])
	})
	if err := p.add(pair[0], pollRead); err != nil {
		t.Fatal(err)
	}
	return p, pair[0], pair[1]
}

func say(t *testing.T, fd int) {
	t.Helper()
	if n, err := writeNow(fd, []byte("x")); n != 1 || err != nil {
		t.Fatal(n, err)
	}
}

func hear(t *testing.T, fd int) {
	t.Helper()
	if n, err := readNow(fd, make([]byte, 1)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
}

// sees wants one ready descriptor, or none if it is negative.
func sees(t *testing.T, fd int, events []unix.EpollEvent, err error) {
	t.Helper()
	var got, want []int32
	for _, e := range events {
		got = append(got, e.Fd)
	}
	if fd >= 0 {
		want = []int32{int32(fd)}
	}
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("ready: %v, %v; want %v", got, err, want)
	}
}

func TestPollerNoticesWhatIsReady(t *testing.T) {
	p, near, far := newTestPoller(t)
	check := func(fd int, events []unix.EpollEvent, err error) { t.Helper(); sees(t, fd, events, err) }
	look := func(fd int) { t.Helper(); events, err := p.look(); check(fd, events, err) }
	await := func(fd int, timeout time.Duration) {
		t.Helper()
		events, err := p.await(timeout)
		check(fd, events, err)
	}

	p.sleeps()
	look(-1)
	await(-1, 0)
	await(-1, time.Millisecond)
	say(t, far)
	look(near)
	await(near, -1)
	await(near, 0)
	await(near, time.Hour) // what is left unread is reported again
	hear(t, near)
	look(-1)
	await(-1, time.Millisecond)
	var talking sync.WaitGroup
	for range 1000 {
		talking.Go(func() { say(t, far) }) // before or while it waits
		await(near, -1)
		talking.Wait()
		hear(t, near)
	}
}

// What is ready does not end a pause, and is noticed after it.
func TestPollerPauses(t *testing.T) {
	p, near, far := newTestPoller(t)
	var waking sync.WaitGroup
	for range 100 {
		p.sleeps()
		say(t, far)
		begin := time.Now()
		if err := p.pause(time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if time.Since(begin) < time.Millisecond {
			t.Fatal("something ready ended a pause")
		}
		waking.Go(p.wake)
		if err := p.pause(time.Hour); err != nil {
			t.Fatal(err)
		}
		waking.Wait()
		p.sleeps()
		events, err := p.await(-1)
		sees(t, near, events, err)
		hear(t, near)
	}
}

// A wake is never lost, whatever the loop is about at that time.
func TestPollerWakes(t *testing.T) {
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	var box mailbox
	const posters, each = 4, 5000
	var posting sync.WaitGroup
	for range posters {
		posting.Go(func() {
			for n := range each {
				if wake, _ := box.post(numbered{0, n}); wake {
					p.wake()
				}
			}
		})
	}
	var tasks []task
	for got := 0; got < posters*each; got += len(tasks) {
		p.sleeps()
		if box.sleep() {
			var err error
			if got%2 == 0 {
				_, err = p.await(-1)
			} else {
				err = p.pause(time.Hour)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		tasks = box.take(tasks)
	}
	posting.Wait()
	p.close()
	p.wake() // late, and harmless
}

// A wait costs the heap nothing.
func TestPollerAllocates(t *testing.T) {
	p, near, far := newTestPoller(t)
	wait := func() {
		p.sleeps()
		if err := p.pause(0); err != nil {
			t.Fatal(err)
		}
		say(t, far)
		if _, err := p.await(time.Hour); err != nil {
			t.Fatal(err)
		}
		hear(t, near)
		p.wake()
	}
	if n := testing.AllocsPerRun(100, wait); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
