package wire

import "testing"

func TestTrailer(t *testing.T) {
	b := AppendTrailer([]byte("a message"))
	if m, ok := CutTrailer(b); !ok || string(m) != "a message" {
		t.Errorf("%q, %v", m, ok)
	}
	for i := range b {
		b[i] ^= 1
		if _, ok := CutTrailer(b); ok {
			t.Errorf("byte %d is wrong and nobody sees it", i)
		}
		b[i] ^= 1
	}
}
