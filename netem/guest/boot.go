package guest

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Results is the directory in the guest that Run brings back.
const Results = "/results"

// Options say what the guest runs.
type Options struct {
	// Files are put into the guest: from their path there to that on the host. They keep their
	// permissions, and a program brings the libraries that it needs.
	Files map[string]string
	// Texts are more files: from their path in the guest to what is in them.
	Texts map[string][]byte
	// Command is the program and its arguments. It runs as root in /tmp, with PATH set to where
	// ip, tc, nft, sh and busybox's programs are.
	Command []string
	// Memory is the guest's, in megabytes; 0 is MemoryUsual. All of its files are in it.
	Memory int
	// Stdout and Stderr receive what the command writes while it runs. They may be nil.
	Stdout, Stderr io.Writer
	// Grace is how long the command has to end when it is told to.
	Grace time.Duration
	// Results, if not empty, is the directory on the host that receives what the command left in
	// the guest's directory Results. It is made if need be.
	Results string
}

// Bounds on the guest's memory in megabytes.
const (
	MemoryMin   = 192
	MemoryUsual = 512
	MemoryMax   = 64 << 10
)

//go:embed init.sh
var initScript string

// Run boots a guest, runs the command in it and returns the command's exit code. When it returns
// the guest is gone. If ctx ends first, the command is sent SIGTERM, and what it leaves comes back.
// If it has not ended after the time of grace, the guest is switched off hard, and nothing does.
func (k *Kit) Run(ctx context.Context, o Options) (exitCode int, err error) {
	if o.Memory == 0 {
		o.Memory = MemoryUsual
	}
	if len(o.Command) == 0 || o.Memory < MemoryMin || o.Memory > MemoryMax {
		return 0, fmt.Errorf("a guest needs a command and from %d to %d MB of memory", MemoryMin, MemoryMax)
	}
	m, err := k.newMachine(&o)
	if err != nil {
		return 0, err
	}
	defer m.close()
	if err := m.run(ctx, o); err != nil {
		return 0, err
	}
	code, err := m.exitCode()
	if err == nil && o.Results != "" {
		err = extract(m.results, o.Results)
	}
	return code, err
}

// A machine is one run of qemu, and the files through which it talks.
type machine struct {
	kit                             *Kit
	memory                          int
	initrd, console                 *os.File
	stdout, stderr, results, exited *os.File
}

func (k *Kit) newMachine(o *Options) (*machine, error) {
	m := &machine{kit: k, memory: o.Memory}
	for _, f := range m.files() {
		var err error
		if *f, err = nameless(); err != nil {
			m.close()
			return nil, err
		}
	}
	if err := k.pack(m.initrd, o); err != nil {
		m.close()
		return nil, fmt.Errorf("the guest's files: %w", err)
	}
	return m, nil
}

func (m *machine) files() []**os.File {
	return []**os.File{&m.initrd, &m.console, &m.stdout, &m.stderr, &m.results, &m.exited}
}

func (m *machine) close() {
	for _, f := range m.files() {
		if *f != nil {
			(*f).Close()
		}
	}
}

// nameless returns a file that nobody else can open and that leaves nothing behind.
func nameless() (*os.File, error) {
	f, err := os.CreateTemp("", "vrnode-guest-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// errLarge is what becomes of files that the guest's memory cannot hold.
var errLarge = errors.New("too much for the guest's memory")

// pack writes the root file system.
func (k *Kit) pack(to io.Writer, o *Options) error {
	buffered := bufio.NewWriterSize(to, 1<<20)
	a := newArchive(buffered)
	a.text("init", 0o755, initScript)
	a.text("guest/command", 0o644, "exec "+shellWords(o.Command)+"\n")
	a.directory("dev")
	for i, m := range k.modules {
		a.text(fmt.Sprintf("guest/modules/%02d-%s.ko", i, m.name), 0o644, string(m.code))
	}
	for _, name := range slices.Sorted(maps.Keys(k.programs)) {
		directory := "usr/sbin"
		if name == "sh" || name == "busybox" {
			directory = "bin"
		}
		a.program(path.Join(directory, name), k.programs[name])
	}
	for _, table := range k.tables {
		a.copy(table, table)
		a.copy(path.Join("usr/lib/tc", path.Base(table)), table) // where the tc of others looks
	}
	for _, name := range slices.Sorted(maps.Keys(o.Files)) {
		a.program(name, o.Files[name])
	}
	for _, name := range slices.Sorted(maps.Keys(o.Texts)) {
		a.text(name, 0o644, string(o.Texts[name]))
	}
	err := errors.Join(a.close(), buffered.Flush())
	// While the kernel unpacks them the files are there twice, and the command needs memory too.
	if err == nil && a.size > int64(o.Memory)<<20/3 {
		err = fmt.Errorf("%w: %d MB of files need %d MB of memory", errLarge, a.size>>20, 3*(a.size>>20+1))
	}
	return err
}

func shellWords(argv []string) string {
	words := make([]string, len(argv))
	for i, w := range argv {
		words[i] = quote(w)
	}
	return strings.Join(words, " ")
}

// run starts qemu and waits until it ends, copying what the command writes meanwhile.
func (m *machine) run(ctx context.Context, o Options) error {
	running, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(nil)
	cmd := m.command(running)
	tell, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	var words bytes.Buffer
	cmd.Stderr = &words
	// The system takes the end of the thread that starts qemu for ours.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	endWithUs(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() {
		if _, err := io.WriteString(tell, "end\n"); err != nil {
			return // it has ended
		}
		select {
		case <-time.After(o.Grace):
			kill(context.Cause(ctx))
		case <-running.Done():
		}
	})()
	ended, copied := make(chan struct{}), make(chan struct{})
	streams := map[*os.File]io.Writer{m.stdout: o.Stdout, m.stderr: o.Stderr}
	for from, to := range streams {
		go func() {
			if err := follow(from, to, ended); err != nil {
				kill(fmt.Errorf("what the guest writes: %w", err)) // nobody listens any more
			}
			copied <- struct{}{}
		}()
	}
	err = cmd.Wait()
	close(ended)
	for range streams {
		<-copied
	}
	if running.Err() != nil {
		return context.Cause(running)
	}
	if err != nil {
		return fmt.Errorf("qemu: %w\n%s%s", err, &words, m.lastWords())
	}
	return nil
}

// kernelWords is the kernel's command line. On a busy host an emulated timer may be too slow for the
// kernel's check of it, which would panic; and a panic ends the machine at once. The time stamp
// counters are the host's and agree, which the kernel would not believe of two processors of this
// kind; any other clock is a device, and takes ten to fifty times as long to read.
const kernelWords = "console=ttyS0 quiet no_timer_check tsc=reliable panic=-1"

func (m *machine) command(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, m.kit.qemu, "-no-user-config", "-nodefaults", "-no-reboot",
		"-display", "none", "-nic", "none",
		"-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", strconv.Itoa(m.memory),
		"-kernel", m.kit.kernel, "-append", kernelWords,
		"-device", "virtio-serial-pci")
	// pass hands a file to qemu and returns the name under which it may open it.
	pass := func(f *os.File) string {
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		const standard = 3 // descriptors come before
		return fmt.Sprintf("/proc/self/fd/%d", standard+len(cmd.ExtraFiles)-1)
	}
	cmd.Args = append(cmd.Args, "-initrd", pass(m.initrd), "-serial", "file:"+pass(m.console))
	port := 0
	connect := func(kind string) {
		port++
		cmd.Args = append(cmd.Args,
			"-chardev", fmt.Sprintf("%s,id=port%d", kind, port),
			"-device", fmt.Sprintf("virtserialport,chardev=port%d,nr=%d", port, port))
	}
	for _, f := range []*os.File{m.stdout, m.stderr, m.results, m.exited} {
		connect("file,path=" + pass(f))
	}
	connect("stdio,signal=off") // by which the guest hears
	return cmd
}

// exitCode reads what the guest said last.
func (m *machine) exitCode() (int, error) {
	text, err := io.ReadAll(m.exited)
	if err != nil {
		return 0, err
	}
	code, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("the guest ended without an exit code%s", m.lastWords())
	}
	return code, nil
}

// lastWords returns the end of what the console says.
func (m *machine) lastWords() string {
	const enough = 4 << 10
	size, err := m.console.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	text := make([]byte, min(size, enough))
	n, _ := m.console.ReadAt(text, size-int64(len(text)))
	if text = bytes.TrimSpace(text[:n]); len(text) == 0 {
		return ""
	}
	return "; its console says:\n" + string(text)
}

// follow copies what is written to a file, until it has ended.
func follow(from io.Reader, to io.Writer, ended <-chan struct{}) error {
	if to == nil {
		to = io.Discard
	}
	const pause = 50 * time.Millisecond
	for {
		last := false
		select {
		case <-ended:
			last = true
		case <-time.After(pause):
		}
		if _, err := io.Copy(to, from); err != nil || last {
			return err
		}
	}
}

// extract unpacks directories, regular files, and links to what lies beside them. None gets out of
// the directory, whatever the archive says.
func extract(from io.Reader, directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(directory)
	if err != nil {
		return err
	}
	defer root.Close()
	for archive := tar.NewReader(from); ; {
		h, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the guest's results: %w", err)
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(path.Clean(h.Name), 0o755)
		case tar.TypeReg:
			err = extractFile(root, path.Clean(h.Name), h.FileInfo().Mode().Perm(), archive)
		case tar.TypeSymlink:
			err = extractLink(root, path.Clean(h.Name), h.Linkname)
		}
		if err != nil {
			return err
		}
	}
}

func extractFile(root *os.Root, name string, mode fs.FileMode, content io.Reader) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

// extractLink makes a link, or turns one that is there.
func extractLink(root *os.Root, name, target string) error {
	if target != path.Base(target) || target == ".." {
		return fmt.Errorf("the guest's results: a link from %s to %s", name, target)
	}
	if old, err := root.Lstat(name); err == nil && old.Mode().Type() == fs.ModeSymlink {
		if err := root.Remove(name); err != nil {
			return err
		}
	}
	return root.Symlink(target, name)
}
