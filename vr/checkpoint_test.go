package vr

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
	"vrnode/wire"
)

// records is what was written, and by which calls of Write.
type records []string

func (r *records) Write(b []byte) (int, error) {
	*r = append(*r, string(b))
	return len(b), nil
}

func write(t testing.TB, c *Checkpoint) (r records) {
	t.Helper()
	n, err := c.WriteTo(&r)
	if all := len(strings.Join(r, "")); err != nil || int(n) != all {
		t.Fatalf("wrote %d bytes of %d: %v", n, all, err)
	}
	return r
}

// smallLogs makes a group whose logs forget.
func smallLogs(t testing.TB, n, bytes int) *group {
	g := newGroup(t, n)
	g.logBytes = bytes
	for _, id := range g.ids {
		g.start(id)
	}
	g.form()
	return g
}

// Replicas that have executed the same ops have the same checkpoints, written by the same calls.
func TestCheckpointsAreTheSameEverywhere(t *testing.T) {
	g := smallLogs(t, 3, 8<<10)
	seen := map[wire.OpNumber]records{}
	compared := 0
	for range 50 {
		g.submit(7)
		g.run(3 * time.Millisecond)
		for _, id := range g.ids {
			c := g.replicas[id].Checkpoint()
			if c == nil {
				continue
			}
			now := write(t, c)
			if before, ok := seen[c.Op]; !ok {
				seen[c.Op] = now
			} else if compared++; !slices.Equal(before, now) {
				t.Fatalf("replica %v has another checkpoint at op %d", id, c.Op)
			}
		}
	}
	if len(seen) < 10 || compared < 2*len(seen) {
		t.Errorf("%d checkpoints, compared %d times", len(seen), compared)
	}
}

// A checkpoint stays as it is while the replica goes on, whatever the table of sessions keeps.
func TestCheckpointNeverChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := newSessions()
		op := wire.OpNumber(0)
		last := map[wire.Peer]wire.RequestNumber{}
		step := func() {
			op++
			client := wire.ClientPeer(uint64(rapid.IntRange(1, 4).Draw(t, "client"))<<16, 0)
			if last[client] == 0 {
				table.register(client, op)
				last[client] = 1
				return
			}
			request := last[client]
			last[client]++
			acked := request - min(request, wire.RequestNumber(rapid.IntRange(1, 20).Draw(t, "lag")))
			s := table.of(client)
			table.finish(s, op, acked, bytes.Repeat([]byte{byte(op)}, rapid.SampledFrom([]int{0, 1, 40, 3000}).Draw(t, "size")))
		}
		frozen := func() *Checkpoint {
			return &Checkpoint{Op: op, Chain: 7, sessions: table.freeze(), state: new(constant)}
		}
		var kept []*Checkpoint
		var want []records
		var orders [][]wire.Peer
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			step()
			if rapid.IntRange(0, 5).Draw(t, "checkpoint") == 0 {
				c := frozen()
				var r records
				if _, err := c.WriteTo(&r); err != nil {
					t.Fatal(err)
				}
				kept, want, orders = append(kept, c), append(want, r), append(orders, table.order())
			}
		}
		for i, c := range kept {
			var r records
			if _, err := c.WriteTo(&r); err != nil || !slices.Equal(r, want[i]) {
				t.Fatalf("checkpoint %d of %d has changed: %v", i, len(kept), err)
			}
			state, err := ReadCheckpoint(strings.NewReader(strings.Join(r, "")), new(constant))
			if err != nil {
				t.Fatal(err)
			}
			again := &Checkpoint{Op: state.op, Chain: state.chain, sessions: state.sessions.freeze(), state: new(constant)}
			r = nil
			if _, err := again.WriteTo(&r); err != nil || !slices.Equal(r, want[i]) {
				t.Fatalf("checkpoint %d was read as another one: %v", i, err)
			}
			if !slices.Equal(state.sessions.order(), orders[i]) {
				t.Fatal("another session would be evicted next")
			}
		}
	})
}

// Whatever the bytes are, reading them ends with an error or a state, and is bounded by what a replica
// keeps.
func FuzzReadCheckpoint(f *testing.F) {
	g := smallLogs(f, 3, 1<<10)
	g.submit(40)
	g.run(10 * time.Millisecond)
	whole := strings.Join(write(f, g.replicas[1].Checkpoint()), "")
	for n := range len(whole) {
		f.Add([]byte(whole[:n]))
	}
	f.Add([]byte(whole))
	f.Add([]byte{checkpointVersion, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f})
	f.Add([]byte{checkpointVersion, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		state, err := ReadCheckpoint(bytes.NewReader(b), new(tape))
		if (state == nil) != (err != nil) {
			t.Errorf("%v, %v", state, err)
		}
		if err == nil && (len(state.sessions.seats) > sessionsMax || state.op == 0) {
			t.Errorf("%d sessions at op %d", len(state.sessions.seats), state.op)
		}
	})
}

func TestReadCheckpointNamesWhatIsWrong(t *testing.T) {
	g := smallLogs(t, 3, 1<<10)
	g.submit(40)
	g.run(10 * time.Millisecond)
	whole := write(t, g.replicas[1].Checkpoint())
	head := len(whole[0]) + len(whole[1])
	all := strings.Join(whole, "")
	for n := range head {
		if _, err := ReadCheckpoint(strings.NewReader(all[:n]), new(tape)); err == nil {
			t.Errorf("the first %d bytes were taken for all %d", n, head)
		}
	}
	if _, err := ReadCheckpoint(strings.NewReader("\x09"+all[1:]), new(tape)); !errors.Is(err, errState) || !strings.Contains(err.Error(), "version 9, want 2") {
		t.Error(err)
	}
	if _, err := ReadCheckpoint(strings.NewReader(all), broken{new(constant)}); !errors.Is(err, errBroken) || !strings.HasPrefix(err.Error(), "restoring the state machine: ") {
		t.Error(err)
	}
	failing := &failAfter{left: 20}
	if n, err := g.replicas[1].Checkpoint().WriteTo(failing); !errors.Is(err, errBroken) || n != 20 {
		t.Errorf("wrote %d bytes into 20: %v", n, err)
	}
}

var errBroken = errors.New("broken")

type broken struct{ *constant }

func (broken) Restore(io.Reader) error { return errBroken }

// failAfter takes so many bytes.
type failAfter struct{ left int }

func (w *failAfter) Write(b []byte) (int, error) {
	n := min(len(b), w.left)
	if w.left -= n; n < len(b) {
		return n, errBroken
	}
	return n, nil
}

// The log takes no more memory than it may, whoever is down or slow, and the group goes on.
func TestLogIsBounded(t *testing.T) {
	const bound = 16 << 10
	g := smallLogs(t, 3, bound)
	g.submit(1) // the client knows the primary
	g.run(20 * time.Millisecond)
	g.replicas[3] = nil
	for i := range 200 {
		g.submit(20)
		g.run(2 * time.Millisecond)
		for _, id := range g.ids[:2] {
			if r := g.replicas[id]; r.log.bytes > bound+loggedBytes+wire.CommandMax {
				t.Fatalf("after %d submits replica %v has a log of %d bytes, bound %d: %+v", i, id, r.log.bytes, bound, r.Status())
			}
		}
	}
	g.run(50 * time.Millisecond)
	g.start(3)
	g.run(100 * time.Millisecond)
	if need, lacks := g.replicas[3].NeedState(); !lacks || need.MinOp != g.replicas[1].log.base || !slices.Equal(need.Donors, []wire.Peer{2, 1}) {
		t.Errorf("needs %+v, %v", need, lacks)
	}
	if !g.carry(2, 3) {
		t.Fatal("the state is of no use")
	}
	g.run(100 * time.Millisecond)
	g.wantApplied(4001)
}

// A backup that executes nothing, because its machine is being restored, takes ops until its log is
// full, and the others do not wait for it.
func TestFullBackupHoldsUpNobody(t *testing.T) {
	g := smallLogs(t, 3, 8<<10)
	slow := g.replicas[3]
	slow.restoring = true
	for range 40 {
		g.submit(20)
		g.run(3 * time.Millisecond)
	}
	if len(g.results) != 800 {
		t.Errorf("%d results of 800", len(g.results))
	}
	if s := slow.Status(); s.LogBytes > 8<<10+20*(loggedBytes+2) || s.Applied > 0 || s.Op < 50 {
		t.Errorf("the slow one: %+v", s)
	}
	slow.restoring = false
	g.run(3 * time.Second)
	if _, lacks := slow.NeedState(); lacks {
		g.carry(1, 3)
	}
	g.run(3 * time.Second)
	g.wantApplied(800)
}

// A state of ops that the log does not have is not taken over while the primary of the view has not
// committed them, as far as is known: they may be those of another view.
func TestStateWaitsForTheViewThatItIsOf(t *testing.T) {
	g := smallLogs(t, 3, 640)
	g.submit(1)
	g.run(20 * time.Millisecond)
	lagging := g.replicas[3]
	g.replicas[3] = nil
	for range 10 {
		g.submit(4)
		g.run(3 * time.Millisecond)
	}
	g.replicas[3] = lagging
	commit := lagging.commit
	lagging.lacks = 1 // as if a heartbeat of long ago had told that there is something
	if !g.carry(1, 3) || lagging.commit != commit || !lagging.Status().Restoring {
		t.Fatalf("has taken over what nobody has told it of: %+v", lagging.Status())
	}
	g.run(30 * time.Millisecond) // heartbeats tell
	if s := lagging.Status(); s.Restoring || s.Applied != 42 {
		t.Errorf("%+v", s)
	}
	g.wantApplied(41)
}

// A state is of no use to who does not lack it, or has more.
func TestStateOfNoUse(t *testing.T) {
	g := smallLogs(t, 3, 640)
	g.submit(40)
	g.run(30 * time.Millisecond)
	if g.carry(1, 2) {
		t.Error("replica 2 lacked nothing")
	}
	g.replicas[2].lacks = 1
	if g.carry(1, 2) {
		t.Error("replica 2 had as much")
	}
}

// order returns the clients, the idlest first.
func (t *sessions) order() (clients []wire.Peer) {
	for seat := t.oldest; len(clients) < len(t.seats); seat = t.ring[seat].next {
		clients = append(clients, t.at(seat).client)
	}
	return clients
}

// fullTable has as many sessions as there may be. clients is by seat.
func fullTable() (table sessions, clients []wire.Peer) {
	table = newSessions()
	for i := range sessionsMax {
		client := wire.ClientPeer(uint64(i+1)<<16, 0)
		s := table.register(client, wire.OpNumber(i+1))
		table.finish(s, wire.OpNumber(i+1), 0, []byte("result"))
		clients = append(clients, client)
	}
	return table, clients
}

// To freeze the table copies no session, and an op after that copies the one page that it changes.
func TestFreezeCopiesNothing(t *testing.T) {
	table, clients := fullTable()
	changed := func(before frozen) (n int) {
		for i, p := range table.pages {
			if before.pages[i] != p {
				n++
			}
		}
		return n
	}
	op := wire.OpNumber(sessionsMax)
	finish := func(client wire.Peer) {
		op++
		table.finish(table.of(client), op, 1, []byte("another"))
	}
	before := table.freeze()
	if n := changed(before); n != 0 {
		t.Errorf("%d pages were copied", n)
	}
	for range 3 {
		finish(clients[0])
	}
	if n := changed(before); n != 1 {
		t.Errorf("a client has changed %d pages", n)
	}
	for _, client := range clients {
		finish(client)
	}
	if n := changed(before); n != len(table.pages) {
		t.Errorf("all clients have changed %d of %d pages", n, len(table.pages))
	}
	if s := before.byClient()[0]; s.last != 1 || table.of(s.client).last != 5 {
		t.Errorf("a frozen session went on to request %d", s.last)
	}
}

// What a checkpoint of a full table costs the protocol.
func BenchmarkFreeze(b *testing.B) {
	table, _ := fullTable()
	b.ReportAllocs()
	for b.Loop() {
		table.freeze()
	}
}

// What an op costs more that is the first of its page after a checkpoint.
func BenchmarkFirstOpAfterFreeze(b *testing.B) {
	table, clients := fullTable()
	op := wire.OpNumber(sessionsMax)
	b.ReportAllocs()
	for b.Loop() {
		table.freeze()
		op++
		table.finish(table.of(clients[0]), op, wire.RequestNumber(op), []byte("another"))
	}
}

func ExampleCheckpoint_WriteTo() {
	c := &Checkpoint{Op: 5, Chain: 0x0102030405060708, state: written{"op"}}
	var r records
	n, err := c.WriteTo(&r)
	fmt.Printf("%d %v %q", n, err, []string(r))
	// Output: 15 <nil> ["\x02\x05\b\a\x06\x05\x04\x03\x02\x01\x00\x00" "op\n"]
}
