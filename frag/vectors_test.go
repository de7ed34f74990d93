package frag

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"vrnode/wire"
)

// TestFragmentVectors receives the frames of the test vectors for other implementations.
func TestFragmentVectors(t *testing.T) {
	text, err := os.ReadFile("../wire/testdata/vectors/fragments.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name       string
		Frames     []string
		Message    string
		Refused    string
		Incomplete bool
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) == 0 {
		t.Fatal(err)
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			l := newLab(t, 1, 1, 2)
			a, b := l.ends[0], l.ends[1]
			l.connect(a, b)
			p := b.find(1)
			var last Reason
			for _, digits := range v.Frames {
				bytes, err := hex.DecodeString(digits)
				if err != nil {
					t.Fatal(err)
				}
				var f wire.Frame
				if _, err := wire.DecodeFrame(bytes, &f); err != nil {
					t.Fatal(err)
				}
				last = b.onData(p, &f.Data, &b.out)
			}
			got, refused := "", ""
			for _, m := range b.out.Messages {
				got = hex.EncodeToString(m.Bytes)
			}
			if last != 0 {
				refused = last.String()
			}
			if got != allDigits(v.Message) || refused != v.Refused || v.Incomplete != (got == "" && refused == "") {
				t.Errorf("%q is delivered, the last frame refused for %q", got, refused)
			}
		})
	}
}

// allDigits writes out the zeros that the vectors only count.
func allDigits(s string) string {
	body, zeros, _ := strings.Cut(s, "+")
	n, _ := strconv.Atoi(zeros)
	return body + strings.Repeat("00", n)
}
