package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A Kit is what it takes to run a guest, found on this host.
type Kit struct {
	qemu     string
	kernel   string // the file that boots
	release  string // of the kernel
	modules  []module
	programs map[string]string // by their name: the host's file
	tables   []string          // netem's, of delays
}

// String says what the guest will be.
func (k *Kit) String() string { return fmt.Sprintf("Linux %s in %s", k.release, k.qemu) }

// Missing is the error of Find.
type Missing struct {
	What []string // is missing
	Get  []string // are the commands that bring it, on Debian and its relatives
}

func (m *Missing) Error() string {
	return fmt.Sprintf("a guest needs %s; get what is missing with: %s", strings.Join(m.What, ", "), strings.Join(m.Get, " && "))
}

// packages are the programs that a Kit needs and the Debian packages that hold them.
var packages = []struct{ program, name string }{
	{"qemu-system-x86_64", "qemu-system-x86"},
	{"busybox", "busybox-static"},
	{"ip", "iproute2"},
	{"tc", "iproute2"},
	{"nft", "nftables"},
	{"sh", "dash"},
}

// Find looks for what a guest needs. If something is missing the error is a *Missing.
func Find() (*Kit, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return nil, errors.New("a guest is made of the programs of its host, which must be Linux on amd64")
	}
	k := &Kit{programs: make(map[string]string)}
	missing := &Missing{}
	var install []string
	for _, p := range packages {
		if k.programs[p.program] = which(p.program); k.programs[p.program] == "" {
			missing.What = append(missing.What, p.program)
			install = append(install, p.name)
		}
	}
	if len(install) > 0 {
		missing.Get = append(missing.Get, "apt-get install --no-install-recommends "+strings.Join(slices.Compact(install), " "))
	}
	k.qemu = k.programs["qemu-system-x86_64"]
	delete(k.programs, "qemu-system-x86_64")
	for _, directory := range libraries {
		tables, _ := filepath.Glob(filepath.Join(directory, "tc", "*.dist"))
		k.tables = append(k.tables, tables...)
	}
	cache, err := cache()
	if err != nil {
		return nil, err
	}
	if err := k.findKernel("/", filepath.Join(cache, "kernel")); err != nil {
		missing.What = append(missing.What, err.Error())
		missing.Get = append(missing.Get, "vrnode lab fetch")
	}
	if len(missing.What) > 0 {
		return nil, missing
	}
	return k, nil
}

// Inside tells whether this machine is a guest.
func Inside() bool { return exists("/guest/command") }

// which returns where a program is. Users who are not root may not have all places in PATH.
func which(program string) string {
	if found, err := exec.LookPath(program); err == nil {
		return found
	}
	for _, directory := range []string{"/usr/sbin", "/sbin"} {
		if found, err := exec.LookPath(filepath.Join(directory, program)); err == nil {
			return found
		}
	}
	return ""
}

// findKernel takes a kernel below one of the roots that has all modules: of several the last, by
// name, of the first root.
func (k *Kit) findKernel(roots ...string) error {
	problem := "a kernel with its modules"
	for _, root := range roots {
		kernels, _ := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*"))
		for _, kernel := range slices.Backward(kernels) {
			f, err := os.Open(kernel)
			if err != nil {
				continue // some systems show it to root only
			}
			f.Close()
			_, release, _ := strings.Cut(filepath.Base(kernel), "-")
			directory := filepath.Join(root, "lib", "modules", release)
			if !exists(directory) {
				directory = filepath.Join(root, "usr", directory[len(root):]) // of a package without the usual link
			}
			found, err := modules(directory)
			if err == nil {
				k.kernel, k.release, k.modules = kernel, release, found
				return nil
			}
			problem = fmt.Sprintf("a kernel with its modules (%s: %v)", kernel, err)
		}
	}
	return errors.New(problem)
}

// cache returns the directory that holds what Fetch brings.
func cache() (string, error) {
	directory, err := os.UserCacheDir()
	return filepath.Join(directory, "vrnode", "guest"), err
}

// Fetch brings a kernel, some 30 MB from a Debian mirror, into the user's cache. Nothing is
// installed. What the commands say goes to out.
func Fetch(ctx context.Context, out io.Writer) error {
	cache, err := cache()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", fetch(cache))
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("fetching a kernel: %w", err)
	}
	return nil
}

// fetch returns the shell's commands that bring a kernel: the package on which the name without a
// version depends, unpacked aside and moved in place when it is complete.
func fetch(cache string) string {
	return "mkdir -p " + quote(cache) + " && cd " + quote(cache) + " && rm -rf new && mkdir new && cd new" +
		" && apt-get download $(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p')" +
		" && dpkg -x linux-image-*.deb . && rm linux-image-*.deb" +
		" && cd .. && rm -rf kernel && mv new kernel"
}

// quote makes one word for a shell.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
