package statexfer

import (
	"bytes"
	"testing"
	"time"

	"vrnode/wire"
)

// A program outside the group finds a place, another one when that is free again, and neither takes
// that of a replica.
func TestGuests(t *testing.T) {
	b := newBench(t, newTable(1, 10, 1000))
	guest, other := wire.ClientPeer(1<<20, 0), wire.ClientPeer(2<<20, 0)
	ask := &wire.GetManifest{Op: 10}
	if _, ok := b.say(guest, ask).(*wire.Manifest); !ok {
		t.Fatal("the guest is not served")
	}
	b.mustRefuse(b.say(other, ask), wire.TransferBusy)
	b.mustRefuse(b.say(other, &wire.GetPiece{Op: 10, Runs: []wire.Run{{Length: 1}}}), wire.TransferBusy)
	for p := wire.Peer(3); p < 2+transfersMax-1; p++ {
		if _, ok := b.say(p, ask).(*wire.Manifest); !ok {
			t.Errorf("replica %v is not served", p)
		}
	}
	b.now = idleTime
	if _, ok := b.say(other, ask).(*wire.Manifest); !ok {
		t.Error("the place of a guest that does not come back is not free")
	}
	if b.place(guest) != nil || b.Transfers() != transfersMax {
		t.Errorf("%d have a place, want all replicas and the second guest", b.Transfers())
	}
}

// What is prepared is there when the first asks, and its root is known before.
func TestPrepare(t *testing.T) {
	s := NewSource(SourceConfig{Self: 1, Header: headerOf(1), Open: func() (Spool, error) { return &Memory{}, nil }})
	b := &bench{t: t, Source: s}
	if _, written, _ := b.Root(); written {
		t.Fatal("nothing is written out")
	}
	b.Offer(checkpoint(10, newTable(1, 10, 1000)))
	b.Prepare(0, &b.out)
	b.Prepare(0, &b.out)
	if len(b.out.Jobs) != 1 {
		t.Fatalf("%d jobs", len(b.out.Jobs))
	}
	if _, written, _ := b.Root(); written || b.Size() != 0 {
		t.Fatal("written out before the job has run")
	}
	b.work(0)
	root, written, err := b.Root()
	m, ok := b.say(2, &wire.GetManifest{Op: 10}).(*wire.Manifest)
	if !written || err != nil || !ok || m.Root != root || b.Size() != m.Total {
		t.Errorf("root %v, %v, %v; %+v", root, written, err, m)
	}
}

// A state that can not be read is told as that.
func TestPrepareFails(t *testing.T) {
	b := &bench{t: t, Source: NewSource(SourceConfig{Self: 1, Header: headerOf(1), Open: func() (Spool, error) { return &Memory{}, nil }})}
	file, _ := makeFile(t, 300)
	f, err := OpenFile(bytes.NewReader(file[:len(file)-1]))
	if err != nil {
		t.Fatal(err)
	}
	b.Offer(Checkpoint{Op: f.Head.Op, State: f})
	b.Prepare(0, &b.out)
	b.work(0)
	if _, written, err := b.Root(); !written || err == nil {
		t.Errorf("%v, %v", written, err)
	}
}

// Who wants one state and no other takes no other, whoever has it.
func TestRootIsWanted(t *testing.T) {
	state, wrong := newTable(1, 500, 700), newTable(2, 500, 700)
	w := newWorld(t, 1, 4)
	w.offer(10, state, 1)
	w.offer(10, wrong, 2, 3)
	w.need(4, 10, nil, 1)
	n := w.node(4)
	w.mustRestore(n, 10, state)
	root := w.node(1).archives[0].manifest.Root

	w = newWorld(t, 1, 4)
	w.offer(10, wrong, 2, 3)
	n = w.node(4)
	n.Start(w.now, Need{MinOp: 10, Root: root, Donors: []wire.Peer{2, 3, 1}}, &n.out)
	w.collect(n)
	w.run(20 * time.Second)
	if n.Progress(w.now).Op != 0 {
		t.Fatal("took another state")
	}
	w.offer(10, state, 1)
	w.mustRestore(n, 10, state)
}
