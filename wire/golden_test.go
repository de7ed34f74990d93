package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"vrnode/internal/golden"
)

// TestGoldenMessages pins the bytes of a message of each kind, with a name on each of them: whoever
// changes them changes the protocol. The names come from the tables of PROTOCOL.md, so the files
// also show that the tables are true.
func TestGoldenMessages(t *testing.T) {
	for _, m := range sampleMessages {
		t.Run(m.Kind().String(), func(t *testing.T) {
			path := goldenPath(m.Kind())
			golden.File(t, path, annotate(t, m))
			h, got, err := new(Decoder).Decode(goldenPacket(t, path))
			if err != nil {
				t.Fatal(err)
			}
			if *h != sampleHeader || !bytes.Equal(encode(got), encode(m)) {
				t.Errorf("%v became %v", m, got)
			}
		})
	}
}

func goldenPath(k Kind) string { return "testdata/messages/" + k.String() + ".txt" }

// goldenPacket reads the bytes of a golden message: the first word of every line that is not a
// comment.
func goldenPacket(t testing.TB, path string) []byte {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var packet []byte
	for line := range strings.Lines(string(text)) {
		if line[0] == '#' || line[0] == ' ' {
			continue
		}
		b, err := hex.DecodeString(strings.Fields(line)[0])
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		packet = append(packet, b...)
	}
	return packet
}

// items are the types that are lists: what is in front of an item's own bytes, and of the list.
var items = map[string]struct{ count, item string }{
	"members":  {"u8", "u64 id, u64 incarnation"},
	"reports":  {"u8", "u64 id, u64 op, u64 heard, u64 rtt, u64 sent, u64 lost, u64 again"},
	"entries":  {"u32", "u64 view, u8 kind, u64 client, u64 session, u64 request, u64 acked, u32 length, bytes body"},
	"commands": {"u32", "u32 length, bytes body"},
	"results":  {"u32", "u8 outcome, u32 length, bytes body"},
	"chunks":   {"u32", "digest digest, u64 sum, u32 length"},
	"blocks":   {"u32", "u64 hash, u32 length"},
	"runs":     {"u32", "u32 offset, u32 length"},
	"parts":    {"u32", "u32 offset, u32 length, bytes body"},
}

// annotate writes a message in hexadecimal, a field a line. It finds the fields by their types
// alone.
func annotate(t *testing.T, m Message) []byte {
	a := annotator{t: t, left: encode(m)}
	fmt.Fprintf(&a.out, "# %v\n", Envelope{sampleHeader, 1, m})
	a.field("u8", "kind", m.Kind().String())
	for _, f := range append(Describe(0), Describe(m.Kind())...) {
		list, ok := items[f.Type]
		if !ok {
			a.field(f.Type, f.Name, f.Doc)
			continue
		}
		for i := range a.field(list.count, f.Name, "count: "+f.Doc) {
			for part := range strings.SplitSeq(list.item, ", ") {
				kind, name, _ := strings.Cut(part, " ")
				a.field(kind, fmt.Sprintf("%s[%d].%s", f.Name, i, name), "")
			}
		}
	}
	if len(a.left) > 0 {
		t.Errorf("%v has %d bytes that no field explains", m.Kind(), len(a.left))
	}
	return a.out.Bytes()
}

type annotator struct {
	t    *testing.T
	out  bytes.Buffer
	left []byte
	last uint64 // value of the last field, which is the length of the next one if that is "bytes"
}

// field writes the next field and returns its value if it is a number.
func (a *annotator) field(kind, name, doc string) uint64 {
	size, ok := map[string]int{"u8": 1, "flag": 1, "u32": 4, "u64": 8, "cluster": 16, "digest": 16, "bytes": int(a.last)}[kind]
	if !ok || size > len(a.left) {
		a.t.Fatalf("field %s of type %s: %d bytes of %d", name, kind, size, len(a.left))
	}
	line := fmt.Sprintf("%-33x %-24s %s", a.left[:size], name, doc)
	a.out.WriteString(strings.TrimRight(line, " ") + "\n")
	if size <= 8 {
		var b [8]byte
		copy(b[:], a.left[:size])
		a.last = binary.LittleEndian.Uint64(b[:])
	}
	a.left = a.left[size:]
	return a.last
}
