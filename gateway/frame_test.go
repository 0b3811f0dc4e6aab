package gateway

import (
	"testing"

	"github.com/gobwas/ws"
)

func TestFrameReaderHeader(t *testing.T) {
	for _, length := range []int{0, 1, 5, 125, 126, 65535, 65536} {
		frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(make([]byte, length))))
		var r frameReader
		h, n, err := r.header(frame)
		if err != nil || !h.Masked || h.OpCode != ws.OpText || !h.Fin || int(h.Length) != length || n != len(frame)-length {
			t.Errorf("length %d: header %+v, %d bytes, error %v", length, h, n, err)
		}
		for cut := range n {
			if _, n, err := r.header(frame[:cut]); n != 0 || err != nil {
				t.Errorf("length %d cut at %d: %d bytes, error %v", length, cut, n, err)
			}
		}
	}
}
