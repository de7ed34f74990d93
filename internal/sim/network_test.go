package sim

import (
	"testing"
	"time"

	"vrnode/netem/link"
	"vrnode/vr"
	"vrnode/wire"
)

// quiet is a World of two sites where nothing runs.
func quiet() *World { return newWorld(&Tape{}, 0, 2, 1, newTrace(nil)) }

func TestCutsAreThoseOfLinks(t *testing.T) {
	w := quiet()
	n := &w.net
	n.usual = link.Settings{Delay: link.Delay{Mean: time.Millisecond}}
	n.send(0, 0, 1, []byte("under way"))
	n.cut(0, 0, 1, true)
	n.send(0, 0, 1, []byte("lost"))
	n.send(0, 1, 0, []byte("the other way"))
	n.mend(0)
	n.send(0, 0, 1, []byte("mended"))
	for _, want := range []string{"under way", "the other way", "mended"} {
		if p := n.take(); string(p.bytes) != want || p.at != time.Millisecond {
			t.Errorf("%q arrived at %v, want %q", p.bytes, p.at, want)
		}
	}
	if c := n.link(0, 1).Counters(); n.next() != never || c.Lost[link.LostDown] != 1 {
		t.Errorf("something is left, or not counted: %+v", c.Lost)
	}
}

func TestHeldPacketsComeWhenTheyAreReleased(t *testing.T) {
	w := quiet()
	n := &w.net
	n.hold = 1000
	for i := range heldMax + 1 {
		n.send(0, 0, 1, []byte{byte(i), byte(i >> 8)})
	}
	if n.next() != never || len(n.held) != heldMax || n.held[0].bytes[0] != 1 {
		t.Fatalf("%d packets are held, the first is %v", len(n.held), n.held[0].bytes)
	}
	n.release(time.Second)
	if p := n.take(); p.at != time.Second || p.bytes[0] != 1 {
		t.Errorf("%v arrived at %v", p.bytes, p.at)
	}
}

// A process that is paused gets what was sent to it afterwards, as much as there is room for.
func TestPacketsWaitForAPausedProcess(t *testing.T) {
	w := quiet()
	w.stepsMax = 2 * waitingMax
	self := wire.ClientPeer(1<<16, 0)
	w.run(0, self, newBareClient(vr.ClientConfig{Self: self, Replicas: []wire.Peer{1}}, w.siteOf))
	w.sites[0].paused = time.Second
	for range waitingMax + 1 {
		w.net.send(0, 1, 0, []byte("?"))
	}
	for w.step(time.Second) {
	}
	if w.stats.Packets != 0 || len(w.sites[0].waiting) != waitingMax {
		t.Fatalf("%d packets were taken and %d wait", w.stats.Packets, len(w.sites[0].waiting))
	}
	for w.step(2 * time.Second) {
	}
	if w.stats.Packets != waitingMax || w.now != time.Second {
		t.Errorf("%d packets were taken, the last at %v", w.stats.Packets, w.now)
	}
	w.sites[0].paused = never
	w.net.send(w.now, 1, 0, []byte("?"))
	for w.step(2 * time.Second) {
	}
	w.kill(0)
	if len(w.sites[0].waiting) != 0 {
		t.Error("what waited for a process outlives it")
	}
}
