package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"patchbay/protocol/engineio"
)

// polling is a session's HTTP transport: one connection for the open GET, one for POSTs. Owned by its loop.
type polling struct {
	client  *Client
	get     exchange
	post    exchange
	waiting []byte // packets for the next POSTs, with separators
	deaf    bool   // no GET begins
	paused  func() // set while an upgrade waits for both exchanges to rest
}

func newPolling(c *Client) *polling {
	p := &polling{client: c}
	p.get = exchange{client: c, done: p.polled}
	p.post = exchange{client: c, done: p.posted}
	return p
}

func (p *polling) close() {
	p.get.close()
	p.post.close()
}

// poll begins a GET; without a session it is the handshake.
func (p *polling) poll() {
	c := p.client
	sid := c.engineSID
	if c.stage == opening {
		sid = ""
	}
	accept := ""
	if c.settings.Deflate {
		accept = gzipOffer
	}
	p.get.request("GET "+c.target.query("polling", sid)+" HTTP/1.1\r\nHost: "+c.target.host+"\r\n"+accept+"\r\n", nil)
}

// send queues a packet for the next POST.
func (p *polling) send(packet []byte) {
	if len(p.waiting) > 0 {
		p.waiting = append(p.waiting, engineio.Separator)
	}
	p.waiting = append(p.waiting, packet...)
	p.submit()
}

func (p *polling) submit() {
	if p.post.busy || p.paused != nil || len(p.waiting) == 0 {
		return
	}
	c := p.client
	body, rest := p.writable()
	p.waiting = rest
	p.post.request("POST "+c.target.query("polling", c.engineSID)+" HTTP/1.1\r\nHost: "+c.target.host+
		"\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n", body)
}

// writable splits what waits into what the next POST takes and the rest, as the stock client does: as many packets as the server's bound allows, and always one,
// which is the server's to refuse.
func (p *polling) writable() (body, rest []byte) {
	bound := p.client.maxPayload
	if bound == 0 || len(p.waiting) <= bound {
		return p.waiting, nil
	}
	end := bytes.LastIndexByte(p.waiting[:bound+1], engineio.Separator)
	if end < 0 {
		end = bytes.IndexByte(p.waiting, engineio.Separator)
	}
	if end < 0 {
		return p.waiting, nil
	}
	return p.waiting[:end], p.waiting[end+1:]
}

// posted takes the answer to a POST.
func (p *polling) posted(body []byte) {
	if string(body) != "ok" {
		p.client.fail(fmt.Errorf("%w: %.40q in answer to a POST", ErrProtocol, body))
		return
	}
	p.submit()
	p.rest()
}

// polled takes the payload of a GET, and begins the next.
func (p *polling) polled(body []byte) {
	c, attempt := p.client, p.client.attempt
	for packet := range bytes.SplitSeq(body, []byte{engineio.Separator}) {
		c.packet(packet)
		if c.attempt != attempt { // the packet has ended the connection
			return
		}
	}
	if p.paused == nil && !p.deaf {
		p.poll()
	}
	p.rest()
}

// setDeaf ends polling with the GET that is open, or begins it again.
func (p *polling) setDeaf(deaf bool) {
	p.deaf = deaf
	if !deaf && !p.get.busy && p.paused == nil {
		p.poll()
	}
}

// pause has a function called once no request is open, and begins none until then. The server ends the open GET when it sees
// a probe.
func (p *polling) pause(then func()) {
	p.paused = then
	p.rest()
}

func (p *polling) rest() {
	if p.paused != nil && !p.get.busy && !p.post.busy {
		then := p.paused
		p.paused = nil
		then()
	}
}

// exchange is a connection of HTTP requests, one after the other. Owned by its loop.
type exchange struct {
	client *Client
	link   *link
	busy   bool
	head   []byte // what is sent once the connection stands
	done   func(body []byte)
}

// request sends a request, over the connection of the last one if the server has kept it.
func (x *exchange) request(head string, body []byte) {
	x.busy = true
	message := append([]byte(head), body...)
	if x.link != nil && x.link.fd >= 0 {
		x.link.write(message)
		return
	}
	x.head = message
	link, err := dial(x.client.loop, x.client.settings.Source, x.client.target.address, x)
	if err != nil {
		x.client.fail(err)
		return
	}
	x.link = link
}

func (x *exchange) close() {
	if x.link != nil {
		x.link.close()
	}
}

func (x *exchange) reset() {
	if x.link != nil {
		x.link.reset()
	}
}

// dialled implements receiver.
func (x *exchange) dialled() {
	message := x.head
	x.head = nil
	x.link.write(message)
}

// broken implements receiver. A server may close a connection that rests.
func (x *exchange) broken(err error) {
	if x.busy {
		x.client.fail(err)
	}
}

// received implements receiver: it takes one response, whole.
func (x *exchange) received(data []byte) (used int) {
	body, status, err := readResponse(data)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return 0
	case err != nil:
		x.client.fail(fmt.Errorf("%w: %w", ErrProtocol, err))
	case !x.busy:
		x.client.fail(fmt.Errorf("%w: a response without a request", ErrProtocol))
	case status != http.StatusOK:
		x.client.fail(fmt.Errorf("%w: status %d, %.100s", ErrRefused, status, body))
	default:
		x.busy = false
		x.done(body)
	}
	return len(data)
}

// readResponse reads a response if it is there to its end; io.EOF and io.ErrUnexpectedEOF say that it is not.
func readResponse(data []byte) (body []byte, status int, err error) {
	response, err := http.ReadResponse(bufio.NewReaderSize(bytes.NewReader(data), 1<<10), nil)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	body, err = unzipped(response)
	return body, response.StatusCode, err
}
