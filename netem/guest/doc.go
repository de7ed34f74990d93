// Package guest runs a command in a virtual machine whose kernel has netem, for hosts whose own
// kernel lacks it. The machine is emulated by qemu, needs no rights and no /dev/kvm, starts in a
// few seconds, and is made anew for every run.
//
// Find looks for what it takes: qemu, a Linux kernel with its modules, and the host's own ip, tc,
// nft, busybox and sh. A kernel that is not installed may lie in the user's cache; Fetch puts it
// there, out of Debian's package.
//
// Run does the rest:
//
//   - It writes a root file system into an archive (cpio.go): the programs with the libraries that
//     they need (elf.go), the modules with those that they need (modules.go), netem's tables of
//     delays, the caller's files, and the script init.sh.
//   - It starts qemu with that archive as initial RAM disk (boot.go). There is no disk and no
//     network card: the networks of the guest are those that it makes inside.
//   - The script loads the modules, runs the command and switches the machine off. What the command
//     writes, its exit code and what it left in the directory Results come back through virtio
//     ports. For qemu each of these is a file, so the guest never waits for a reader. The files
//     have no name: they are gone with the processes that hold them, however those end. Where the
//     system allows it qemu ends with us, even if we are killed.
//   - By one more port, which for qemu is its standard input, the script hears that the command is
//     to end.
//
// In the guest PATH has the real ip and tc before busybox's. Beware of "busybox sh", which prefers
// its own to those in PATH; /bin/sh is the host's shell and does not.
package guest
