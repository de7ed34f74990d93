package guest

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"strings"
)

// An archive is a cpio archive of the format "newc", the only one that the kernel unpacks. All in
// it belongs to root and dates from 1970, so equal contents make equal archives.
type archive struct {
	out   io.Writer
	err   error // the first
	size  int64 // bytes written
	inode int
	has   map[string]bool // the paths that are in it
}

func newArchive(out io.Writer) *archive { return &archive{out: out, has: make(map[string]bool)} }

const (
	modeDirectory = 0o040000
	modeFile      = 0o100000
)

// directory adds a directory and those above it, unless they are there already.
func (a *archive) directory(name string) {
	if name = clean(name); name == "" || a.has[name] {
		return
	}
	a.directory(path.Dir(name))
	a.entry(name, modeDirectory|0o755, 0, strings.NewReader(""))
}

// text adds a file.
func (a *archive) text(name string, mode fs.FileMode, content string) {
	a.file(name, mode, int64(len(content)), strings.NewReader(content))
}

// copy adds a file of the host. Links are followed.
func (a *archive) copy(name, from string) {
	f, err := os.Open(from)
	if err != nil {
		a.fail(err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		a.fail(err)
	case !info.Mode().IsRegular():
		a.fail(fmt.Errorf("%s: not a regular file", from))
	default:
		a.file(name, info.Mode(), info.Size(), f)
	}
}

// file adds a file. The first of several with one name stays.
func (a *archive) file(name string, mode fs.FileMode, size int64, content io.Reader) {
	if name = clean(name); a.has[name] {
		return
	}
	if name == "" || size > math.MaxUint32 {
		a.fail(fmt.Errorf("/%s, %d bytes: no file for an initial RAM disk", name, size))
		return
	}
	a.directory(path.Dir(name))
	a.entry(name, modeFile|int(mode.Perm()), size, content)
}

// close ends the archive and returns the first error.
func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, 0, strings.NewReader(""))
	return a.err
}

func (a *archive) entry(name string, mode int, size int64, content io.Reader) {
	a.has[name] = true
	a.inode++
	// Magic, inode, mode, owner, group, links, time, size, four halves of devices, length of the
	// name with its NUL, checksum.
	const owner, group, links, time, device, checksum = 0, 0, 1, 0, 0, 0
	a.write(strings.NewReader(fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.inode, mode, owner, group, links, time, size, device, device, device, device, len(name)+1, checksum, name)))
	a.pad()
	if n := a.write(content); n != size {
		a.fail(fmt.Errorf("/%s: %d bytes instead of %d", name, n, size))
	}
	a.pad()
}

// pad fills up to a multiple of four bytes.
func (a *archive) pad() { a.write(strings.NewReader("\x00\x00\x00"[:-a.size&3])) }

func (a *archive) write(from io.Reader) int64 {
	n, err := io.Copy(a.out, from)
	a.size += n
	a.fail(err)
	return n
}

func (a *archive) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

// clean returns a path without the slash in front; that of the root is empty.
func clean(name string) string { return path.Clean("/" + name)[1:] }
