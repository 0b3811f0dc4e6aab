package backplane

import (
	"encoding/binary"
	"errors"
)

// ErrFeed reports a membership batch that AppendBatch cannot have produced.
var ErrFeed = errors.New("backplane: malformed membership batch")

// ChangeOp is the kind of a Change.
type ChangeOp byte

// The membership changes.
const (
	SocketAdded   ChangeOp = 1 + iota // Socket, Namespace, Worker, Rooms, Data
	SocketRemoved                     // Socket
	RoomsJoined                       // Socket, Rooms
	RoomsLeft                         // Socket, Rooms
	DataChanged                       // Socket, Data
	WorkerChanged                     // Socket, Worker
)

// Change is one numbered change of a node's membership. Rooms never has the socket's own id.
type Change struct {
	Op        ChangeOp
	Socket    string
	Namespace string
	Worker    string
	Rooms     []string
	Data      []byte
}

// Batch is what a gateway publishes on its feed, and the parts of a snapshot.
//
// In a feed, Changes carry the versions up to and including Version, so the batch continues
// a table that stands at Version-len(Changes); an empty batch is a beat.
// In a snapshot, every change is a SocketAdded and all parts carry the Version
// at which the snapshot was taken; Part counts them from 0, and the part whose More is false is the last.
type Batch struct {
	Node     string
	Epoch    uint64
	Version  uint64
	Snapshot bool
	More     bool
	Part     uint64
	Leaving  bool // the node stops: it has no sockets any more and will not be heard again
	Changes  []Change
}

// batchFormat is the first byte of a batch, its format's number.
const batchFormat = 1

// MaxBatchChanges bounds what a decoder will allocate for one batch.
const MaxBatchChanges = 1 << 16

const (
	flagSnapshot = 1 << iota
	flagMore
	flagLeaving
)

// AppendBatch appends the encoding of a batch: varints and length-prefixed text.
func AppendBatch(dst []byte, b *Batch) []byte {
	var flags byte
	if b.Snapshot {
		flags |= flagSnapshot
	}
	if b.More {
		flags |= flagMore
	}
	if b.Leaving {
		flags |= flagLeaving
	}
	dst = append(dst, batchFormat, flags)
	dst = appendText(dst, b.Node)
	dst = binary.AppendUvarint(dst, b.Epoch)
	dst = binary.AppendUvarint(dst, b.Version)
	if b.Snapshot {
		dst = binary.AppendUvarint(dst, b.Part)
	}
	dst = binary.AppendUvarint(dst, uint64(len(b.Changes)))
	for i := range b.Changes {
		c := &b.Changes[i]
		dst = append(dst, byte(c.Op))
		dst = appendText(dst, c.Socket)
		switch c.Op {
		case SocketAdded:
			dst = appendText(dst, c.Namespace)
			dst = appendText(dst, c.Worker)
			dst = appendTexts(dst, c.Rooms)
			dst = appendText(dst, c.Data)
		case RoomsJoined, RoomsLeft:
			dst = appendTexts(dst, c.Rooms)
		case DataChanged:
			dst = appendText(dst, c.Data)
		case WorkerChanged:
			dst = appendText(dst, c.Worker)
		}
	}
	return dst
}

// DecodeBatch decodes a batch. The result shares nothing with data.
func DecodeBatch(data []byte) (Batch, error) {
	r := feedReader{data: data}
	if r.byte() != batchFormat {
		return Batch{}, ErrFeed
	}
	flags := r.byte()
	b := Batch{Snapshot: flags&flagSnapshot != 0, More: flags&flagMore != 0, Leaving: flags&flagLeaving != 0}
	b.Node, b.Epoch, b.Version = r.text(), r.uvarint(), r.uvarint()
	if b.Snapshot {
		b.Part = r.uvarint()
	}
	n := r.uvarint()
	if r.failed || n > MaxBatchChanges || n > uint64(len(r.data)) {
		return Batch{}, ErrFeed
	}
	b.Changes = make([]Change, n)
	for i := range b.Changes {
		c := &b.Changes[i]
		c.Op, c.Socket = ChangeOp(r.byte()), r.text()
		switch c.Op {
		case SocketAdded:
			c.Namespace, c.Worker, c.Rooms, c.Data = r.text(), r.text(), r.texts(), []byte(r.text())
		case SocketRemoved:
		case RoomsJoined, RoomsLeft:
			c.Rooms = r.texts()
		case DataChanged:
			c.Data = []byte(r.text())
		case WorkerChanged:
			c.Worker = r.text()
		default:
			r.failed = true
		}
		if r.failed {
			return Batch{}, ErrFeed
		}
	}
	if len(r.data) != 0 {
		return Batch{}, ErrFeed
	}
	return b, nil
}

func appendText[T string | []byte](dst []byte, s T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendTexts(dst []byte, list []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, s := range list {
		dst = appendText(dst, s)
	}
	return dst
}

// feedReader reads the pieces of a batch; after a failure it returns zeros.
type feedReader struct {
	data   []byte
	failed bool
}

func (r *feedReader) byte() byte {
	if r.failed || len(r.data) == 0 {
		r.failed = true
		return 0
	}
	c := r.data[0]
	r.data = r.data[1:]
	return c
}

func (r *feedReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if r.failed || n <= 0 {
		r.failed = true
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *feedReader) text() string {
	n := r.uvarint()
	if r.failed || n > uint64(len(r.data)) {
		r.failed = true
		return ""
	}
	s := string(r.data[:n])
	r.data = r.data[n:]
	return s
}

func (r *feedReader) texts() []string {
	n := r.uvarint()
	if r.failed || n > uint64(len(r.data)) { // each text takes a byte at least
		r.failed = true
		return nil
	}
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.text()
	}
	return list
}
