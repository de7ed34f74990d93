package sim

import (
	"bytes"
	"slices"
	"testing"
)

// What a machine keeps comes back as it was when the snapshot was taken, and is as long as it was put.
func TestMachineKeeps(t *testing.T) {
	var m, again machine
	for i, command := range []string{"add 5", "put one", "put ", "put two words"} {
		m.Apply(uint64(i+1), []byte(command))
	}
	s := m.Snapshot()
	m.Apply(5, []byte("put later"))
	var b bytes.Buffer
	if n, err := s.WriteTo(&b); err != nil || int(n) != b.Len() {
		t.Fatalf("%d of %d bytes, %v", n, b.Len(), err)
	}
	written := slices.Clone(b.Bytes())
	if err := again.Restore(&b); err != nil || again.sum != 5 || !slices.Equal(again.kept, []string{"one", "", "two words"}) {
		t.Errorf("%v, %+v", err, again)
	}
	if err := again.Restore(bytes.NewReader(written[:len(written)-1])); err == nil {
		t.Error("a snapshot that is cut off was read")
	}
}
