package status_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"patchbay/backplane"
	"patchbay/router"
	"patchbay/router/status"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const evil = `"><script>alert(1)</script>`

// desk is a router with its page, and a gateway that the test plays: node g1 with a number of sockets.
type desk struct {
	t      *testing.T
	url    string
	node   *backplane.Conn
	socket []string
	ended  chan backplane.Control
}

func newDesk(t *testing.T, o status.Options, sockets int) *desk {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	server, err := backplane.StartServer(backplane.ServerOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	r, err := router.Open(ctx, router.Options{Backplane: backplane.Options{URL: server.URL()}, Beat: 200 * time.Millisecond, Lease: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	site := httptest.NewServer(status.Handler(r, o))
	t.Cleanup(site.Close)
	node, err := backplane.Open(ctx, backplane.Options{URL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	d := &desk{t: t, url: site.URL + status.Path, node: node, ended: make(chan backplane.Control, 1)}
	d.play(ctx, sockets)
	d.until("the router has heard the node", func() bool {
		o := d.overview()
		return o.Ready && o.Sizes.Sockets == sockets && len(o.Workers) == 1
	})
	return d
}

// play has the node claim its sockets and answer what a router asks: of the first socket it knows, of the others not.
func (d *desk) play(ctx context.Context, sockets int) {
	d.t.Helper()
	batch := backplane.Batch{Node: "g1", Epoch: 7, Version: uint64(sockets)}
	for i := range sockets {
		id := backplane.NewSocketID("g1", 0)
		d.socket = append(d.socket, id)
		batch.Changes = append(batch.Changes, backplane.Change{
			Op: backplane.SocketAdded, Socket: id, Namespace: "/" + evil, Worker: "w1", Data: []byte(`{"key":"</script>"}`),
			Rooms: []string{evil, fmt.Sprint("room-", i%3), backplane.UserRoom(fmt.Sprint(evil, i%2))},
		})
	}
	inbox := backplane.NewInbox(d.node, 0)
	for _, subject := range []string{d.node.NodeAll("g1"), d.node.SocketsOf("g1")} {
		if _, err := inbox.Subscribe(subject); err != nil {
			d.t.Fatal(err)
		}
	}
	stop, done := make(chan struct{}), make(chan struct{})
	d.t.Cleanup(func() { close(stop); <-done })
	beat := backplane.AppendBatch(nil, &backplane.Batch{Node: "g1", Epoch: 7, Version: uint64(sockets)})
	work, _ := json.Marshal(backplane.WorkerBeat{Worker: "w1", Epoch: 1, Namespaces: []string{"/" + evil}})
	d.publish(d.node.Feed("g1"), backplane.AppendBatch(nil, &batch))
	d.publish(d.node.Beat(), work)
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case m := <-inbox.C:
				d.answer(m)
			case <-tick.C:
				d.publish(d.node.Feed("g1"), beat)
				d.publish(d.node.Beat(), work)
			case <-stop:
				return
			}
		}
	}()
	if err := d.node.Flush(ctx); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) publish(subject string, data []byte) {
	if err := d.node.Publish(subject, data); err != nil {
		d.t.Error(err)
	}
}

func (d *desk) answer(m *backplane.Msg) {
	var reply any = backplane.ControlReply{Error: backplane.NoSocket}
	switch m.Subject {
	case d.node.Node("g1", backplane.VerbStatus, ""):
		reply = backplane.NodeStatus{Node: "g1", Epoch: 7, Phase: backplane.PhaseOpen, Connections: 5}
	case d.node.SocketStatus(d.socket[0]):
		reply = backplane.ControlReply{Link: &backplane.Link{Transport: "websocket", Queued: 17, HeardMS: 40}}
	case d.node.SocketEnd(d.socket[0]):
		var c backplane.Control
		if err := json.Unmarshal(m.Data, &c); err != nil {
			d.t.Error(err)
		}
		d.ended <- c
		reply = backplane.ControlReply{}
	}
	data, err := json.Marshal(reply)
	if err != nil {
		d.t.Error(err)
	}
	if m.Reply != "" {
		d.publish(m.Reply, data)
	}
}

// until waits for a condition.
func (d *desk) until(what string, ok func() bool) {
	d.t.Helper()
	tick, end := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			d.t.Fatalf("still not: %s", what)
		}
	}
}

// do sends a request and decodes the answer, if it is wanted.
func (d *desk) do(request *http.Request, into any) *http.Response {
	d.t.Helper()
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		d.t.Fatal(err)
	}
	data, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		d.t.Fatal(err)
	}
	if into != nil && response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(data, into); err != nil {
			d.t.Fatalf("%v: %s", err, data)
		}
	}
	return response
}

func (d *desk) get(path string, into any) *http.Response {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.url+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.do(request, into)
}

func (d *desk) overview() (o router.Overview) {
	d.t.Helper()
	d.get("api/overview", &o)
	return o
}

// order asks for a disconnection as the page does, but for what is changed.
func (d *desk) order(body string, change func(*http.Request)) int {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.url+"api/disconnect", strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header.Set(status.Header, "1")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	if change != nil {
		change(request)
	}
	return d.do(request, nil).StatusCode
}

// escaped is how a name stands in a query.
func escaped(name string) string {
	return strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", "#", "%23", " ", "%20", `"`, "%22", "<", "%3C", ">", "%3E").Replace(name)
}

func TestOverview(t *testing.T) {
	d := newDesk(t, status.Options{}, 120)
	d.until("the largest rooms are known and the node has answered", func() bool {
		o := d.overview()
		return o.Top.Known && len(o.Top.Rooms) == 4 && o.Nodes[0].Status != nil
	})
	o := d.overview()
	if !o.Complete || o.Sizes.Rooms != 6 || o.Sizes.Namespaces != 1 || len(o.Gone) != 0 || o.Workers[0].Serves != 1 || o.LeaseMS != time.Hour.Milliseconds() {
		t.Errorf("%+v", o)
	}
	if n := o.Nodes[0]; n.ID != "g1" || n.Sockets != 120 || n.Silent || n.Status.Connections != 5 {
		t.Errorf("%+v", n)
	}
	if got, want := o.Top.Rooms[0], (router.Place{Namespace: "/" + evil, Name: evil, Sockets: 120}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if len(o.Top.Users) != 2 || o.Top.Users[0].Sockets != 60 || len(o.Top.Namespaces) != 1 {
		t.Errorf("%+v", o.Top)
	}
}

func TestLists(t *testing.T) {
	d := newDesk(t, status.Options{}, 120)
	seen := map[string]bool{}
	after := ""
	for pages := 1; ; pages++ {
		var a backplane.Answer
		d.get("api/sockets?nsp="+escaped("/"+evil)+"&room="+escaped(evil)+"&after="+after, &a)
		if len(a.Sockets) > 50 || a.Count != 120 {
			t.Fatalf("%d of %d sockets", len(a.Sockets), a.Count)
		}
		for _, one := range a.Sockets {
			seen[one.ID] = true
			if one.Data != nil {
				t.Error("a list has data")
			}
		}
		if after = a.Next; after == "" {
			if pages != 3 || len(seen) != 120 {
				t.Errorf("%d sockets on %d pages", len(seen), pages)
			}
			break
		}
	}
	var a backplane.Answer
	if d.get("api/rooms?nsp="+escaped("/"+evil), &a); len(a.Rooms) != 6 {
		t.Errorf("%+v", a)
	}
	if got := d.get("api/sockets?nsp="+escaped("/"+evil)+"&after=nonsense", nil).StatusCode; got != http.StatusBadRequest {
		t.Error(got)
	}
}

func TestFind(t *testing.T) {
	d := newDesk(t, status.Options{}, 4)
	var f router.Found
	if d.get("api/find?name="+d.socket[1], &f); f.Socket == nil || f.Socket.ID != d.socket[1] || f.Socket.Namespace != "/"+evil {
		t.Errorf("%+v", f)
	}
	f = router.Found{}
	d.get("api/find?name="+escaped(evil+"1"), &f)
	if len(f.Users) != 1 || f.Users[0] != (router.Place{Namespace: "/" + evil, Name: "user=" + evil + "1", Sockets: 2}) || f.Socket != nil {
		t.Errorf("%+v", f)
	}
	f = router.Found{}
	if d.get("api/find?name="+escaped(evil), &f); len(f.Rooms) != 1 || f.Rooms[0].Sockets != 4 || len(f.Users) != 0 {
		t.Errorf("%+v", f)
	}
	if got := d.get("api/find?name="+strings.Repeat("x", 5000), nil).StatusCode; got != http.StatusBadRequest {
		t.Error(got)
	}
	var one struct {
		Socket *router.Socket
		Link   *backplane.Link
		Why    string
	}
	d.get("api/socket?id="+d.socket[0], &one)
	if one.Socket.User != evil+"0" || len(one.Socket.Rooms) != 4 || string(one.Socket.Data) != `{"key":"\u003c/script\u003e"}` || one.Link == nil || one.Link.Queued != 17 {
		t.Errorf("%+v", one)
	}
	one.Link = nil
	if d.get("api/socket?id="+d.socket[1], &one); one.Link != nil || !strings.Contains(one.Why, "does not have it") {
		t.Errorf("%+v", one)
	}
	one.Socket = nil
	if d.get("api/socket?id=nobody", &one); one.Socket != nil {
		t.Errorf("%+v", one)
	}
}

func TestDisconnect(t *testing.T) {
	d := newDesk(t, status.Options{}, 2)
	body := fmt.Sprintf(`{"socket":%q,"session":true}`, d.socket[0])
	for what, change := range map[string]func(*http.Request){
		"another site":  func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"the same site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"another origin": func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "http://elsewhere.example")
		},
		"no header": func(r *http.Request) { r.Header.Del(status.Header) },
	} {
		if got := d.order(body, change); got != http.StatusForbidden {
			t.Errorf("%s: %d", what, got)
		}
	}
	for body, want := range map[string]int{
		"": http.StatusBadRequest, "{}": http.StatusBadRequest, `{"socket":"` + strings.Repeat("x", 5000) + `"}`: http.StatusBadRequest,
		fmt.Sprintf(`{"socket":%q}`, d.socket[1]): http.StatusNotFound, `{"socket":"nobody"}`: http.StatusNotFound,
	} {
		if got := d.order(body, nil); got != want {
			t.Errorf("%.40s: %d, want %d", body, got, want)
		}
	}
	if got := d.order(body, func(r *http.Request) { r.Method = http.MethodGet }); got != http.StatusNotFound {
		t.Error(got)
	}
	select {
	case c := <-d.ended:
		t.Fatalf("somebody was disconnected: %+v", c)
	default:
	}
	if got := d.order(body, nil); got != http.StatusOK {
		t.Fatal(got)
	}
	if c := <-d.ended; !c.Close {
		t.Errorf("%+v", c)
	}
}

func TestReadOnly(t *testing.T) {
	d := newDesk(t, status.Options{ReadOnly: true}, 1)
	if got := d.order(fmt.Sprintf(`{"socket":%q}`, d.socket[0]), nil); got != http.StatusForbidden {
		t.Error(got)
	}
	var o struct {
		ReadOnly bool `json:"read_only"`
	}
	if d.get("api/overview", &o); !o.ReadOnly {
		t.Error("the page is not told")
	}
}

// A name that somebody outside can make lead here must not be an origin.
func TestHosts(t *testing.T) {
	d := newDesk(t, status.Options{Hosts: []string{"ops.example.com"}}, 1)
	for host, want := range map[string]int{
		"127.0.0.1:9101": http.StatusOK, "localhost:9101": http.StatusOK, "[::1]:9101": http.StatusOK, "router": http.StatusOK,
		"router.patchbay.svc": http.StatusOK, "Ops.Example.com:9101": http.StatusOK,
		"evil.local": http.StatusMisdirectedRequest, "evil.example": http.StatusMisdirectedRequest, "127.0.0.1.evil.example:9101": http.StatusMisdirectedRequest,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"api/overview", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		if got := d.do(request, nil).StatusCode; got != want {
			t.Errorf("%s: %d, want %d", host, got, want)
		}
	}
}

func TestPage(t *testing.T) {
	d := newDesk(t, status.Options{}, 1)
	for path, kind := range map[string]string{"": "text/html", "page.css": "text/css", "page.js": "text/javascript", "detail.js": "text/javascript"} {
		response := d.get(path, nil)
		if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || !strings.HasPrefix(got, kind) {
			t.Errorf("%s: %d, %s", path, response.StatusCode, got)
		}
		if got := response.Header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "unsafe") {
			t.Error(got)
		}
	}
}
