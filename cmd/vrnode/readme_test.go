package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReadme: the page shows the code that is compiled, the commands and exit codes that there
// are, and documents that exist.
func TestReadme(t *testing.T) {
	readme := read(t, "README.md")

	_, example, _ := strings.Cut(read(t, "vr/node/example_test.go"), ")\n\n")
	example, _, found := strings.Cut(example, "\n// freePeers")
	if !found || !strings.Contains(readme, "```go\n"+example+"```\n") {
		t.Error("README.md does not show the example of vr/node as it is")
	}
	if lines := strings.Count(example, "\n"); lines > 50 {
		t.Errorf("the example has grown to %d lines", lines)
	}
	for _, cmd := range newRoot().Commands() {
		if row := "| `vrnode " + cmd.Name() + "` |"; !cmd.Hidden && !strings.Contains(readme, row) {
			t.Errorf("README.md has no row %q", row)
		}
	}
	for _, code := range []int{exitDone, exitFailed, exitUnknown, exitUnavailable, exitUsage} {
		if row := fmt.Sprintf("\n| %d | ", code); !strings.Contains(readme, row) {
			t.Errorf("README.md does not list the exit code %d", code)
		}
	}
	for _, link := range regexp.MustCompile(`\]\(([^:)]+)\)`).FindAllStringSubmatch(readme, -1) {
		read(t, link[1])
	}
}
