package backplane_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"patchbay/backplane"
)

// The users of deploy/nats/users.conf, and the word by which docs/subjects.md calls each.
func roles() map[string]string {
	return map[string]string{
		"gateway": "gateway", "router": "router", "worker": "worker", "emitter": "any NATS client", "operator": "operator", "admin": "patchbay revoke",
	}
}

// rule is one line of the table of docs/subjects.md, with names for what stands in angle brackets.
type rule struct{ subject, publishers, subscribers string }

var (
	tableLine   = regexp.MustCompile("(?m)^\\| `(pb\\.[^`]*)` \\| ([^|]*) \\| ([^|]*) \\|")
	placeholder = regexp.MustCompile(`<[a-z]+>`)
)

func rules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile("../docs/subjects.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, m := range tableLine.FindAllStringSubmatch(string(text), -1) {
		all = append(all, rule{placeholder.ReplaceAllString(m[1], "x"), m[2], m[3]})
	}
	if len(all) < 30 {
		t.Fatalf("%d lines of the table were found; it has more", len(all))
	}
	return all
}

// secured starts a server with the users of deploy/nats; each one's password is its name with "-password".
func secured(t *testing.T) *backplane.Server {
	t.Helper()
	for role := range roles() {
		t.Setenv("PATCHBAY_NATS_"+strings.ToUpper(role)+"_PASSWORD", role+"-password")
	}
	s, err := backplane.StartServer(backplane.ServerOptions{Config: "../deploy/nats/server.conf", Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// user is a connection whose violations of its permissions can be asked for.
type user struct {
	*nats.Conn
	faults chan error
}

func connectAs(t *testing.T, s *backplane.Server, role string) *user {
	t.Helper()
	u := &user{faults: make(chan error, 16)}
	nc, err := nats.Connect(s.URL(), nats.UserInfo(role, role+"-password"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { u.faults <- err }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	u.Conn = nc
	return u
}

// refused does something, and reports whether the server refused it. The server's refusal comes before its answer
// to the flush, and the client reports what it reads in that order: a marker that is refused for
// certain tells when all before it has been reported.
func (u *user) refused(t *testing.T, subject string, do func() error) bool {
	t.Helper()
	const marker = "marker.of.the.test"
	if err := do(); err != nil {
		t.Fatal(err)
	}
	if err := u.Publish(marker, nil); err != nil {
		t.Fatal(err)
	}
	if err := u.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	found := false
	for {
		select {
		case err := <-u.faults:
			if strings.Contains(err.Error(), marker) {
				return found
			}
			if !strings.Contains(err.Error(), `"`+subject+`"`) {
				t.Fatalf("%s: an unexpected fault: %v", subject, err)
			}
			found = true
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: NATS let the marker through", subject)
		}
	}
}

// Every role may do what the table says, and nothing that the table says of others alone.
func TestPermissionsAreTheTable(t *testing.T) {
	s := secured(t)
	for role, word := range roles() {
		u := connectAs(t, s, role)
		for _, r := range rules(t) {
			publish := strings.Contains(r.publishers, word)
			if got := !u.refused(t, r.subject, func() error { return u.Publish(r.subject, nil) }); got != publish {
				t.Errorf("%s publishes to %s: allowed %v, the table says %v", role, r.subject, got, publish)
			}
			if role == "operator" {
				continue // hears nearly everything: see below
			}
			subscribe := strings.Contains(r.subscribers, word)
			got := !u.refused(t, r.subject, func() error {
				sub, err := u.subscribe(r)
				if err != nil {
					return err
				}
				return sub.Unsubscribe()
			})
			if got != subscribe {
				t.Errorf("%s subscribes to %s: allowed %v, the table says %v", role, r.subject, got, subscribe)
			}
		}
		for _, all := range []string{">", "pb.>", "_INBOX.>", "$SYS.>"} {
			if role == "operator" && all == "pb.>" {
				continue
			}
			if !u.refused(t, all, func() error { _, err := u.SubscribeSync(all); return err }) {
				t.Errorf("%s may subscribe to %s", role, all)
			}
		}
	}
}

// subscribe does so as the table says: in the subscribers' queue group where there is one.
func (u *user) subscribe(r rule) (*nats.Subscription, error) {
	if strings.Contains(r.subscribers, "queue group") {
		queue := backplane.RouterQueue
		if strings.Contains(r.subscribers, "gateway") {
			queue = backplane.GatewayQueue
		}
		return u.QueueSubscribeSync(r.subject, queue)
	}
	return u.SubscribeSync(r.subject)
}

func TestOperatorHearsNoSecrets(t *testing.T) {
	s := secured(t)
	operator := connectAs(t, s, "operator")
	tap, err := operator.SubscribeSync("pb.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := operator.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	gateway, worker := connectAs(t, s, "gateway"), connectAs(t, s, "worker")
	for _, subject := range []string{"pb.gateway.x.poll", "pb.gateway.x.polled.1", "pb.gateway.x.handoff", "pb.worker.x.event.y"} {
		if err := gateway.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := gateway.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := worker.Publish("pb.room.-.lobby", []byte(`["news"]`)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"pb.worker.x.event.y", "pb.room.-.lobby"} {
		m, err := tap.NextMsg(10 * time.Second)
		if err != nil || m.Subject != want {
			t.Fatalf("got %v, %v; want a message on %s", m, err, want)
		}
	}
}

func TestNobodyIsRefused(t *testing.T) {
	s := secured(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, login := range []backplane.Login{{}, {User: "gateway", Password: "wrong"}, {User: "nobody", Password: "x"}} {
		c, err := backplane.Open(ctx, backplane.Options{URL: s.URL(), Login: login})
		if err == nil {
			c.Close()
			t.Errorf("%+v was let in", login)
		} else if strings.Contains(err.Error(), "wrong") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

// A server of a cluster takes its routes and their password from the environment.
func TestClusterFile(t *testing.T) {
	secured(t) // for the environment
	t.Setenv("PATCHBAY_NATS_ROUTE_PASSWORD", "route-password")
	t.Setenv("PATCHBAY_NATS_ROUTES", "[]")
	start := func(name string) *backplane.Server {
		s, err := backplane.StartServer(backplane.ServerOptions{
			Config: "../deploy/nats/cluster.conf", Listen: "127.0.0.1:0", Cluster: "127.0.0.1:0", Name: name,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		return s
	}
	first := start("n1")
	address := first.ClusterAddress()
	t.Setenv("PATCHBAY_NATS_ROUTES", fmt.Sprintf(`["nats://route:wrong@%s"]`, address))
	stranger := start("stranger")
	t.Setenv("PATCHBAY_NATS_ROUTES", fmt.Sprintf(`["nats://route:route-password@%s"]`, address))
	second := start("n2")

	hears := func(s *backplane.Server) *nats.Subscription {
		sub, err := connectAs(t, s, "worker").SubscribeSync("pb.hello")
		if err != nil {
			t.Fatal(err)
		}
		return sub
	}
	near, far := hears(second), hears(stranger)
	router := connectAs(t, first, "router")
	for end := time.Now().Add(20 * time.Second); ; {
		if err := router.Publish("pb.hello", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := near.NextMsg(50 * time.Millisecond); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nothing passes between two servers that know the password")
		}
	}
	if n, _, err := far.Pending(); err != nil || n > 0 || stranger.Routes() > 0 {
		t.Errorf("a server with a wrong password is part of the cluster: %d messages, %d routes, %v", n, stranger.Routes(), err)
	}
}
