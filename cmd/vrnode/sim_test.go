package main

import (
	"bytes"
	"os/exec"
	"testing"
)

// TestSimRepeats: the same seed tells the same story, to the byte, apart from the time it took.
func TestSimRepeats(t *testing.T) {
	run := func() []byte {
		out, err := exec.Command("vrnode", "sim", "--seed", "7", "-v").Output()
		if err != nil {
			t.Fatal(err)
		}
		story, _, found := bytes.Cut(out, []byte("runs: 1"))
		if !found || len(story) == 0 {
			t.Fatalf("a story of %d bytes without an end", len(story))
		}
		return story
	}
	if !bytes.Equal(run(), run()) {
		t.Error("two runs of one seed differ")
	}
}
