package wire

import (
	"slices"
	"testing"
)

func TestFirstEntries(t *testing.T) {
	var all Entries
	for i := range 3 {
		all = all.Append(&Entry{Kind: EntryCommand, Body: make([]byte, 10*i)})
	}
	for _, c := range []struct{ n, want int }{{0, 0}, {1, 1}, {2, 2}, {3, 3}, {4, 3}} {
		some := all.First(c.n)
		if some.Len() != c.want || c.want == 3 && some.Size() != all.Size() {
			t.Errorf("%d entries of the first %d", some.Len(), c.n)
		}
		var e Entry
		for i := range c.want {
			if !some.Next(&e) || len(e.Body) != 10*i {
				t.Errorf("entry %d has %d bytes", i, len(e.Body))
			}
		}
		if some.Next(&e) || some.Size() != 0 {
			t.Errorf("%d bytes are left of the first %d", some.Size(), c.n)
		}
	}
}

func TestRuns(t *testing.T) {
	entries := Entries{}.Append(&sampleEntry).Append(&Entry{Kind: EntryRegister})
	if entries.Len() != 2 || entries.Size() != sampleEntry.Size()+(&Entry{}).Size() {
		t.Errorf("%d entries of %d bytes", entries.Len(), entries.Size())
	}
	var e Entry
	if rest := entries; !rest.Next(&e) || string(e.Body) != "+5" || !rest.Next(&e) || e.Kind != EntryRegister || rest.Next(&e) || rest.Size() != 0 {
		t.Errorf("the last entry is %v, and %d bytes are left", &e, rest.Size())
	}

	commands := Commands{}.Append([]byte("a")).Append(nil)
	var got []string
	for rest := commands; rest.Len() > 0; {
		c, _ := rest.Next()
		got = append(got, string(c))
	}
	if !slices.Equal(got, []string{"a", ""}) || commands.Size() != 9 {
		t.Errorf("%q are %d bytes", got, commands.Size())
	}
	if _, ok := new(Commands).Next(); ok {
		t.Error("no commands, but a next one")
	}

	results := Results{}.Append(OutcomeTooOld, nil).Append(OutcomeDone, []byte("b"))
	o1, _, _ := results.Next()
	o2, b, _ := results.Next()
	if o1 != OutcomeTooOld || o2 != OutcomeDone || string(b) != "b" || results.Len() != 0 || results.Size() != 0 {
		t.Errorf("%v, %v %q, and %d are left", o1, o2, b, results.Len())
	}
	if _, _, ok := results.Next(); ok {
		t.Error("no results, but a next one")
	}
}

func TestResetKeepsMemory(t *testing.T) {
	e, command := sampleEntry, []byte("command")
	entries, commands, results := Entries{}.Append(&e), Commands{}.Append(command), Results{}.Append(OutcomeDone, command)
	n := testing.AllocsPerRun(100, func() {
		entries, commands, results = entries.Reset(), commands.Reset(), results.Reset()
		entries, commands, results = entries.Append(&e), commands.Append(command), results.Append(OutcomeDone, command)
	})
	if n != 0 || entries.Len() != 1 || commands.Len() != 1 || results.Len() != 1 {
		t.Errorf("%v allocations; %d, %d and %d items", n, entries.Len(), commands.Len(), results.Len())
	}
}

// TestChain shows that a chain depends on every field of an entry and on the chain before it.
func TestChain(t *testing.T) {
	var scratch []byte
	seen := map[Chain]int{}
	for i, change := range []func(c *Chain, e *Entry){
		func(*Chain, *Entry) {},
		func(c *Chain, _ *Entry) { *c++ },
		func(_ *Chain, e *Entry) { e.View++ },
		func(_ *Chain, e *Entry) { e.Kind = EntryRegister },
		func(_ *Chain, e *Entry) { e.Client++ },
		func(_ *Chain, e *Entry) { e.Session++ },
		func(_ *Chain, e *Entry) { e.Request++ },
		func(_ *Chain, e *Entry) { e.Acked++ },
		func(_ *Chain, e *Entry) { e.Body = []byte("+6") },
	} {
		c, e := Chain(1), sampleEntry
		change(&c, &e)
		var next Chain
		next, scratch = c.Next(&e, scratch)
		if j, ok := seen[next]; ok {
			t.Errorf("changes %d and %d give the same chain", i, j)
		}
		seen[next] = i
	}
	// The chain is part of the protocol: replicas of different versions must agree on it.
	if c, _ := Chain(0).Next(&sampleEntry, nil); c != 0xfa3c_8b08_4ed6_b3a2 {
		t.Errorf("the chain of the sample is %#x", uint64(c))
	}
}

func TestPeers(t *testing.T) {
	c := ClientPeer(0x0123_4567_89ab_cdef, 7)
	if !c.IsClient() || c.IsReplica() || c.Home() != 7 || c.String() != "c456789ab" {
		t.Errorf("%#x %v at home in %d", uint64(c), c, c.Home())
	}
	if c == ClientPeer(0x0123_4567_89ac_cdef, 7) {
		t.Error("two clients have the same id")
	}
	for p, want := range map[Peer]bool{0: false, 1: true, ReplicaMax: true, ReplicaMax + 1: false, c: false} {
		if p.IsReplica() != want {
			t.Errorf("%v is a replica: %v", p, !want)
		}
	}
}

func TestNames(t *testing.T) {
	for k := KindRegister; k <= KindMax; k++ {
		if got, ok := KindNamed(k.String()); !ok || got != k {
			t.Errorf("%v is not the name of kind %d", k, k)
		}
	}
	if _, ok := KindNamed("Vote"); ok {
		t.Error("there is a kind Vote")
	}
	for got, want := range map[string]string{
		Kind(0).String():               "kind(0)",
		(KindMax + 1).String():         "kind(34)",
		StatusViewChange.String():      "view-change",
		OutcomeSessionExpired.String(): "session-expired",
		RefusalWrongCluster.String():   "wrong-cluster",
		Status(9).String():             "status(9)",
		EntryRegister.String():         "register",
		ClusterID{0xab}.String():       "ab000000000000000000000000000000",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if !(ClusterID{}).IsZero() || (ClusterID{15: 1}).IsZero() {
		t.Error("IsZero is wrong")
	}
}
