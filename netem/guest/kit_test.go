package guest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMissing: where nothing is, Find names all of it and what brings it.
func TestMissing(t *testing.T) {
	t.Setenv("PATH", "")
	t.Setenv("XDG_CACHE_HOME", "/nowhere/of mine")
	_, err := Find()
	if _, is := errors.AsType[*Missing](err); !is {
		t.Fatalf("found without PATH: %v", err)
	}
	for _, want := range []string{"qemu-system-x86_64, busybox", "apt-get install --no-install-recommends qemu-system-x86 busybox-static"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestFindKernel(t *testing.T) {
	root := t.TempDir()
	err := new(Kit).findKernel(root)
	if err == nil || err.Error() != "a kernel with its modules" {
		t.Errorf("an empty root: %v", err)
	}
	for _, name := range []string{"boot/vmlinuz-6.1", "usr/lib/modules/6.1/modules.builtin", "usr/lib/modules/6.1/virtio-pci.ko"} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("kernel/drivers/char/virtio_console.ko\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := new(Kit).findKernel(root); err == nil || !strings.Contains(err.Error(), "virtio-pci.ko: bad magic number") {
		t.Errorf("a module that is none: %v", err)
	}
	if err := os.Remove(filepath.Join(root, "usr/lib/modules/6.1/virtio-pci.ko")); err != nil {
		t.Fatal(err)
	}
	if err := new(Kit).findKernel(root); err == nil || !strings.Contains(err.Error(), "no module virtio_pci") {
		t.Errorf("no modules: %v", err)
	}
}
