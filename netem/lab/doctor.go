package lab

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"time"

	"vrnode/netem/guest"
)

// A Finding is one thing that a backend may need, and whether this machine has it.
type Finding struct {
	What  string `json:"what"`
	OK    bool   `json:"ok"`
	Found string `json:"found"`
	// Remedy is how to get what is missing.
	Remedy string `json:"remedy,omitempty"`
}

// A probe runs a command. If isolated, it does so in a network namespace of its own, which is gone
// afterwards with all that the command did.
type probe struct {
	what     string
	command  []string
	isolated bool
	remedy   string
}

var probes = []probe{
	{"ip", []string{"ip", "-V"}, false, "install the package iproute2"},
	{"tc", []string{"tc", "-V"}, false, "install the package iproute2"},
	{"nft", []string{"nft", "--version"}, false, "install the package nftables"},
	{"namespaces", []string{"true"}, true, "be root, or allow user namespaces: sysctl kernel.unprivileged_userns_clone=1"},
	{"veth", []string{"ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"}, true, "modprobe veth"},
	{"netem", []string{"tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"}, true,
		"modprobe sch_netem, or install the modules of the kernel (linux-modules-extra, kernel-modules-extra); or use the guest"},
	{"tbf", []string{"tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "1mbit", "burst", "10kb", "latency", "50ms"}, true, "modprobe sch_tbf"},
	{"htb", []string{"tc", "qdisc", "add", "dev", "lo", "root", "htb"}, true, "modprobe sch_htb"},
	{"nftables", []string{"nft", "add", "table", "ip", "probe"}, true, "modprobe nf_tables"},
}

// Examine finds out what this machine has. It changes nothing.
func Examine(ctx context.Context) []Finding {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	out := []Finding{{What: "kernel", OK: err == nil, Found: strings.TrimSpace(string(release)), Remedy: "namespaces and netem are of Linux"}}
	for _, p := range probes {
		out = append(out, p.run(ctx))
	}
	out = append(out, examineGuest())
	for i := range out {
		if out[i].OK {
			out[i].Remedy = ""
		}
	}
	return out
}

// examineGuest finds out whether a guest could be booted.
func examineGuest() Finding {
	if guest.Inside() {
		return Finding{What: "guest", OK: true, Found: "this is one"}
	}
	kit, err := guest.Find()
	if missing, some := errors.AsType[*guest.Missing](err); some {
		return Finding{What: "guest", Found: "needs " + strings.Join(missing.What, ", "), Remedy: strings.Join(missing.Get, " && ")}
	}
	if err != nil {
		return Finding{What: "guest", Found: err.Error(), Remedy: "Linux on amd64"}
	}
	return Finding{What: "guest", OK: true, Found: kit.String()}
}

func (p *probe) run(ctx context.Context) Finding {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.command[0], p.command[1:]...)
	if p.isolated {
		isolate(cmd)
	}
	text, err := cmd.CombinedOutput()
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	f := Finding{What: p.what, OK: err == nil, Found: first, Remedy: p.remedy}
	switch {
	case err == nil && first == "":
		f.Found = "works"
	case err != nil && first == "":
		f.Found = err.Error()
	}
	return f
}
