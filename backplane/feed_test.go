package backplane

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// randomBatch is a batch as AppendBatch may get it.
func randomBatch(random *rand.Rand) Batch {
	text := func() string { return strings.Repeat("é\x00", random.IntN(3)) + fmt.Sprint(random.IntN(100)) }
	texts := func() []string {
		var list []string
		for range random.IntN(4) {
			list = append(list, text())
		}
		return list
	}
	b := Batch{
		Node: text(), Epoch: random.Uint64(), Version: random.Uint64N(1 << 40),
		Snapshot: random.IntN(2) == 0, More: random.IntN(2) == 0, Leaving: random.IntN(2) == 0, Changes: []Change{},
	}
	if b.Snapshot {
		b.Part = random.Uint64N(1000)
	}
	for range random.IntN(10) {
		c := Change{Op: ChangeOp(1 + random.IntN(6)), Socket: text()}
		switch c.Op {
		case SocketAdded:
			c.Namespace, c.Worker, c.Rooms, c.Data = text(), text(), texts(), []byte(text())
		case RoomsJoined, RoomsLeft:
			c.Rooms = texts()
		case DataChanged:
			c.Data = []byte(text())
		case WorkerChanged:
			c.Worker = text()
		case SocketRemoved:
		}
		b.Changes = append(b.Changes, c)
	}
	return b
}

func TestBatchRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		b := randomBatch(random)
		data := AppendBatch([]byte("kept"), &b)
		got, err := DecodeBatch(data[4:])
		if err != nil || !reflect.DeepEqual(got, b) || string(data[:4]) != "kept" {
			t.Fatalf("%+v\nbecame %+v, %v", b, got, err)
		}
		for cut := range len(data) - 4 {
			if _, err := DecodeBatch(data[4 : 4+cut]); err == nil {
				t.Fatalf("%+v: accepted when cut at %d of %d", b, cut, len(data)-4)
			}
		}
		if _, err := DecodeBatch(append(data[4:], 0)); err == nil {
			t.Fatal("accepted with a byte behind it")
		}
	}
}

// What is decoded costs memory in proportion to the message, whatever lengths it announces.
func TestDecodeBatchAllocates(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	head := []byte{batchFormat, 0, 1, 'n', 1, 1}
	for name, data := range map[string][]byte{
		"changes":   append(append([]byte{}, head...), huge...),
		"texts":     append(append(append([]byte{}, head...), 1, byte(RoomsJoined), 0), huge...),
		"text":      append(append(append([]byte{}, head...), 1, byte(SocketRemoved)), huge...),
		"overflow":  append(append([]byte{}, head...), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"no format": {2, 0},
		"empty":     nil,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if b, err := DecodeBatch(data); err == nil {
			t.Errorf("%s: %+v", name, b)
		}
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<10 {
			t.Errorf("%s: %d bytes allocated for %d", name, grown, len(data))
		}
	}
}

func FuzzDecodeBatch(f *testing.F) {
	random := rand.New(rand.NewPCG(2, 2))
	for range 8 {
		b := randomBatch(random)
		f.Add(AppendBatch(nil, &b))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := DecodeBatch(data)
		if err != nil {
			return
		}
		again, err := DecodeBatch(AppendBatch(nil, &b))
		if err != nil || !reflect.DeepEqual(again, b) {
			t.Fatalf("%+v became %+v, %v", b, again, err)
		}
	})
}
