package guest

import (
	"archive/tar"
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestArchive holds the bytes of a small archive to the format: a directory, a file of five bytes
// in it, and the end.
func TestArchive(t *testing.T) {
	var b bytes.Buffer
	a := newArchive(&b)
	a.text("/d/f", 0o750, "hello")
	a.text("d/../d/f", 0o644, "the first stays")
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	const zero = "00000000"
	header := func(inode, mode, size, name string) string {
		return "070701" + inode + mode + zero + zero + "00000001" + zero + size + zero + zero + zero + zero + name + zero
	}
	want := header("00000001", "000041ed", zero, "00000002") + "d\x00" +
		header("00000002", "000081e8", "00000005", "00000004") + "d/f\x00" + "\x00\x00" + "hello\x00\x00\x00" +
		header("00000003", zero, zero, "0000000b") + "TRAILER!!!\x00" + "\x00\x00\x00"
	if got := b.String(); got != want {
		t.Errorf("archive\n%swant\n%s", hex.Dump([]byte(got)), hex.Dump([]byte(want)))
	}
}

func TestArchiveRefuses(t *testing.T) {
	directory := t.TempDir()
	for name, add := range map[string]func(*archive){
		"a directory":      func(a *archive) { a.copy("d", directory) },
		"a missing file":   func(a *archive) { a.copy("f", filepath.Join(directory, "none")) },
		"no name":          func(a *archive) { a.text("/", 0o644, "") },
		"4 GB":             func(a *archive) { a.file("f", 0o644, 1<<32, strings.NewReader("")) },
		"a file that grew": func(a *archive) { a.file("f", 0o644, 1, strings.NewReader("ab")) },
		"no program":       func(a *archive) { a.program("p", filepath.Join(directory, "none")) },
	} {
		a := newArchive(&bytes.Buffer{})
		add(a)
		if a.close() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestExtractStaysInside: a guest cannot write beside the directory of its results.
func TestExtractStaysInside(t *testing.T) {
	for _, name := range []string{"../out", "/out", "x/../../out"} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := errors.Join(w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}), w.Close()); err != nil {
			t.Fatal(err)
		}
		outside := t.TempDir()
		if extract(&b, filepath.Join(outside, "results")) == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := os.Stat(filepath.Join(outside, "out")); err == nil {
			t.Errorf("%s: got out", name)
		}
	}
}

// TestExtractLinks: a link to what lies beside it replaces one that is there, and no other comes in.
func TestExtractLinks(t *testing.T) {
	results := t.TempDir()
	for _, link := range []struct {
		target string
		fine   bool
	}{{"first", true}, {"second", true}, {"..", false}, {"/etc", false}, {"a/b", false}, {"", false}} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := errors.Join(w.WriteHeader(&tar.Header{Name: "latest", Linkname: link.target, Typeflag: tar.TypeSymlink}), w.Close()); err != nil {
			t.Fatal(err)
		}
		if err := extract(&b, results); (err == nil) != link.fine {
			t.Errorf("%q: %v", link.target, err)
		}
	}
	if target, err := os.Readlink(filepath.Join(results, "latest")); target != "second" {
		t.Errorf("the link is to %q, %v", target, err)
	}
}
