package worker

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"patchbay/backplane"
	"patchbay/protocol/socketio"
)

// maxKept is the largest buffer, in bytes, that an encoder keeps for its next use.
const maxKept = 64 << 10

// maxShared is among how many attachments a buffer that appears again is looked for.
const maxShared = 16

// encoder makes payloads from arguments. It is used by one goroutine at a time; its
// result is valid until the encoder is released.
type encoder struct {
	buf         []byte
	attachments [][]byte
	patches     []patch // of the Arg at hand
	limit       int     // of attachments; 0: none
	options     json.Options
}

// patch is a number in an Arg's text that becomes another.
type patch struct{ start, end, num int }

// encoders keeps encoders for reuse.
type encoders struct {
	pool  sync.Pool
	limit int // of attachments; 0: none
}

func (p *encoders) get() *encoder {
	if e, ok := p.pool.Get().(*encoder); ok {
		return e
	}
	e := &encoder{limit: p.limit}
	e.options = json.JoinOptions(jsonOptions, json.WithMarshalers(json.JoinMarshalers(
		json.MarshalToFunc(e.bytesTo),
		json.MarshalToFunc(e.argTo),
	)))
	return e
}

func (p *encoders) put(e *encoder) {
	if cap(e.buf) > maxKept {
		return
	}
	clear(e.attachments)
	e.buf, e.attachments = e.buf[:0], e.attachments[:0]
	p.pool.Put(e)
}

// event encodes an event. Its errors name the argument.
func (e *encoder) event(name string, args []any) (backplane.Payload, error) {
	if socketio.Reserved(name) {
		return backplane.Payload{}, fmt.Errorf("emit %q: %w", name, socketio.ErrReservedEvent)
	}
	e.buf = socketio.AppendString(append(e.buf, '['), name)
	p, err := e.finish(args)
	if err != nil {
		return p, fmt.Errorf("emit %q: %w", name, err)
	}
	return p, nil
}

// ack encodes the arguments of an acknowledgement.
func (e *encoder) ack(args []any) (backplane.Payload, error) {
	e.buf = append(e.buf, '[')
	p, err := e.finish(args)
	if err != nil {
		return p, fmt.Errorf("acknowledge: %w", err)
	}
	return p, nil
}

func (e *encoder) finish(args []any) (backplane.Payload, error) {
	for i, arg := range args {
		if err := e.argument(arg); err != nil {
			return backplane.Payload{}, &ArgumentError{Index: i, Err: err}
		}
	}
	e.buf = append(e.buf, ']')
	if len(e.attachments) > 0 {
		if e.limit > 0 && len(e.attachments) > e.limit {
			return backplane.Payload{}, fmt.Errorf("%w: %d, and %d may be", ErrAttachments, len(e.attachments), e.limit)
		}
		// A client's text may contain what looks like a placeholder. Beside real attachments the
		// recipients would take it for one, and close their connections over it.
		if err := socketio.CheckPlaceholders(e.buf, len(e.attachments)); err != nil {
			return backplane.Payload{}, ErrPlaceholder
		}
	}
	return backplane.Payload{JSON: e.buf, Attachments: e.attachments}, nil
}

// argument appends one argument with the comma before it, or those that it stands for.
func (e *encoder) argument(arg any) error {
	switch v := arg.(type) {
	case Args:
		for i := range v {
			if err := e.argument(v[i]); err != nil {
				return err
			}
		}
		return nil
	case Values:
		for i := range v {
			if err := e.argument(v[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if e.buf[len(e.buf)-1] != '[' {
		e.buf = append(e.buf, ',')
	}
	switch v := arg.(type) {
	case nil:
		e.buf = append(e.buf, "null"...)
	case string:
		e.buf = socketio.AppendString(e.buf, v)
	case bool:
		e.buf = strconv.AppendBool(e.buf, v)
	case int:
		e.buf = strconv.AppendInt(e.buf, int64(v), 10)
	case []byte:
		e.attach(v)
	case Arg:
		return e.appendArg(v)
	default:
		return json.MarshalWrite(e, arg, e.options)
	}
	return nil
}

// Write appends what MarshalWrite has encoded.
func (e *encoder) Write(p []byte) (int, error) {
	e.buf = append(e.buf, p...)
	return len(p), nil
}

// attach adds an attachment and appends its placeholder; nil is null.
func (e *encoder) attach(b []byte) {
	if b == nil {
		e.buf = append(e.buf, "null"...)
		return
	}
	e.buf = append(e.buf, `{"_placeholder":true,"num":`...)
	e.buf = strconv.AppendInt(e.buf, int64(e.number(b)), 10)
	e.buf = append(e.buf, '}')
}

// number adds an attachment, and returns its number. A buffer that is there already is not sent again.
func (e *encoder) number(b []byte) int {
	for i, other := range e.attachments[:min(len(e.attachments), maxShared)] {
		if len(b) > 0 && len(b) == len(other) && &b[0] == &other[0] {
			return i
		}
	}
	e.attachments = append(e.attachments, b)
	return len(e.attachments) - 1
}

// appendArg appends an argument that came in; its attachments get new numbers.
func (e *encoder) appendArg(a Arg) error {
	if err := e.renumber(a); err != nil {
		return err
	}
	at := 0
	for _, p := range e.patches {
		e.buf = append(e.buf, a.raw[at:p.start]...)
		e.buf = strconv.AppendInt(e.buf, int64(p.num), 10)
		at = p.end
	}
	e.buf = append(e.buf, a.JSON()[at:]...)
	return nil
}

// renumber adds the attachments that an argument uses, and notes in e.patches their new numbers.
func (e *encoder) renumber(a Arg) error {
	e.patches = e.patches[:0]
	if len(a.attachments) == 0 {
		return nil
	}
	added := make(map[int]int, 1)
	return placeholders(a.raw, func(start, end, old int) error {
		if old >= len(a.attachments) {
			return ErrPlaceholder
		}
		num, ok := added[old]
		if !ok {
			num = e.number(a.attachments[old])
			added[old] = num
		}
		e.patches = append(e.patches, patch{start, end, num})
		return nil
	})
}

// bytesTo encodes a []byte somewhere in an argument. Here e.buf has what came before the argument.
func (e *encoder) bytesTo(enc *jsontext.Encoder, b []byte) error {
	if b == nil {
		return enc.WriteToken(jsontext.Null)
	}
	text := append(make([]byte, 0, 40), `{"_placeholder":true,"num":`...)
	text = append(strconv.AppendInt(text, int64(e.number(b)), 10), '}')
	return enc.WriteValue(text)
}

// argTo encodes an Arg somewhere in an argument.
func (e *encoder) argTo(enc *jsontext.Encoder, a Arg) error {
	var one encoder
	one.attachments = e.attachments
	if err := one.appendArg(a); err != nil {
		return err
	}
	e.attachments = one.attachments
	return enc.WriteValue(one.buf)
}
