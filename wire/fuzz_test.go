package wire

import (
	"bytes"
	"testing"
)

// FuzzDecode: whatever the bytes, Decode does not panic; what it accepts is encoded the same way
// again, and can be walked and printed.
func FuzzDecode(f *testing.F) {
	for k := KindRegister; k <= KindMax; k++ {
		f.Add(goldenPacket(f, goldenPath(k)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Decoder
		h, m, err := d.Decode(b)
		if err != nil {
			return
		}
		var e Encoder
		if again := e.Append(nil, h, m); !bytes.Equal(again, b) {
			t.Errorf("%v\nwas %x\nnow %x", m.Kind(), b, again)
		}
		_ = Envelope{Header: *h, Message: m}.String()
	})
}
