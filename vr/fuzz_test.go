package vr

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"vrnode/wire"
)

// FuzzStep puts forged messages among the honest ones of a group that lives, restarts members and
// lets time pass. What comes of it may be anything but a panic: no peer and no client can break an
// invariant of ours, whatever it says and in whatever status it finds us.
//
// The input is a program. Each statement is a byte that says what happens, and then what it takes.
func FuzzStep(f *testing.F) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 0))
		program := make([]byte, 300)
		for i := range program {
			program[i] = byte(random.Uint32())
			if random.IntN(3) == 0 {
				program[i] %= byte(wire.KindMax) + 1
			}
		}
		f.Add(program)
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		g := newGroup(t, 3)
		if len(program)%2 == 1 { // logs forget
			g.logBytes = 640
			for _, id := range g.ids {
				g.start(id)
			}
		}
		g.form()
		g.submit(3)
		g.run(5 * time.Millisecond)
		x := forger{group: g, program: program}
		for statements := 0; len(x.program) > 0 && statements < 200; statements++ {
			x.do()
		}
	})
}

// A forger runs a program against a group.
type forger struct {
	*group
	program []byte
	victim  *Replica
}

// next returns the next byte of the program, 0 after its end.
func (x *forger) next() byte {
	if len(x.program) == 0 {
		return 0
	}
	b := x.program[0]
	x.program = x.program[1:]
	return b
}

func (x *forger) member() wire.Peer { return x.ids[int(x.next())%len(x.ids)] }

func (x *forger) do() {
	switch what := x.next(); {
	case what <= byte(wire.KindMax):
		x.forge(wire.Kind(what))
	case what < 0x60:
		x.pass(time.Duration(what&0x1f) * time.Millisecond)
	case what < 0x80:
		x.pass(time.Duration(what&0x1f) * 20 * time.Millisecond)
	case what < 0xa0:
		x.start(x.member())
	case what < 0xc0:
		x.client.Submit(x.now, []byte("op"))
	case what < 0xe0:
		x.replicas[x.member()] = nil
	case what < 0xf0:
		if from, to := x.member(), x.member(); x.replicas[from] != nil && x.replicas[to] != nil {
			x.carry(from, to)
		}
	default:
		x.queue = x.queue[:len(x.queue)/2]
	}
}

// pass lets time pass as group.run does, but does not insist that a deceived group comes to rest.
func (x *forger) pass(d time.Duration) {
	for end := x.now + d; x.now < end; x.now += time.Millisecond {
		var out Effects
		for _, id := range x.ids {
			if r := x.replicas[id]; r != nil {
				r.Tick(x.now, &out)
			}
		}
		x.client.Tick(x.now, &out)
		x.take(&out)
		for n := min(len(x.queue), 100); n > 0; n-- {
			p := x.queue[0]
			x.queue = x.queue[1:]
			x.deliver(p)
		}
	}
}

// forge makes up a message and hands it to a member, or to the client if it is for one.
func (x *forger) forge(kind wire.Kind) {
	x.victim = x.replicas[x.member()]
	if x.victim == nil {
		return
	}
	m := emptyMessage(kind)
	if m == nil {
		return
	}
	x.fill(reflect.ValueOf(m).Elem())
	h := x.victim.header()
	h.From, h.Incarnation = x.member(), 1
	if r := x.replicas[h.From]; r != nil {
		h.Incarnation = r.incarnation
	}
	if x.victim.status == wire.StatusRecovering {
		h.Cluster = wire.ClusterID{1}
	}
	switch odd := x.next(); {
	case odd < 0x80:
	case odd < 0xc0:
		h.View = wire.ViewNumber(x.number(wire.OpNumber(h.View)))
	case odd < 0xd0:
		h.Incarnation = wire.Incarnation(x.number(wire.OpNumber(h.Incarnation)))
	case odd < 0xd8:
		h.Cluster = wire.ClusterID{odd & 3}
	case odd < 0xe0:
		h.Epoch = wire.EpochNumber(odd & 3)
	default:
		h.From = operatorID
	}
	switch kind {
	case wire.KindRegister, wire.KindRequest, wire.KindProbe, wire.KindForm:
		h.From = [...]wire.Peer{clientID, operatorID, 2}[x.next()%3]
	}
	b := x.encoder.Append(nil, &h, m)
	for range 1 + x.next()&1 {
		x.deliver(packet{x.victim.cfg.Self, b})
		x.deliver(packet{clientID, b})
		x.deliver(packet{operatorID, b})
	}
}

func emptyMessage(kind wire.Kind) wire.Message {
	for _, m := range [...]wire.Message{
		&wire.Register{}, &wire.Registered{}, &wire.Request{}, &wire.Reply{}, &wire.Refused{Why: wire.RefusalBusy},
		&wire.Prepare{}, &wire.PrepareOK{}, &wire.Commit{}, &wire.CommitAck{}, &wire.StartViewChange{},
		&wire.JoinView{}, &wire.DoViewChange{}, &wire.StartView{}, &wire.GetView{}, &wire.ViewChangeProgress{},
		&wire.GetLog{}, &wire.Log{}, &wire.Form{}, &wire.Recovery{}, &wire.RecoveryResponse{},
		&wire.RecoveringToo{}, &wire.StaleIncarnation{}, &wire.Probe{}, &wire.ProbeReply{Status: wire.StatusRecovering, Transfer: wire.TransferReport{Phase: wire.TransferIdle}},
	} {
		if m.Kind() == kind {
			return m
		}
	}
	return nil
}

// fill gives every field of a message a value that is likely to matter.
func (x *forger) fill(message reflect.Value) {
	for _, field := range message.Fields() {
		switch p := field.Addr().Interface().(type) {
		case *wire.Chain:
			*p = x.chain()
		case *wire.Peer:
			*p = [...]wire.Peer{1, 2, 3, clientID, operatorID, 77}[x.next()%6]
		case *bool:
			*p = x.next()&1 == 1
		case *[]wire.Member:
			*p = x.members()
		case *wire.Entries:
			*p = x.entries()
		case *wire.Commands:
			for range x.next() % 4 {
				*p = p.Append(make([]byte, x.next()))
			}
		case *wire.Results:
			for range x.next() % 4 {
				*p = p.Append(wire.OutcomeDone+wire.Outcome(x.next()%4), nil)
			}
		default:
			if field.Kind() == reflect.Uint64 {
				field.SetUint(uint64(x.number(x.victim.log.head)))
			}
		}
	}
}

// number returns one near a number that the victim knows, or near an end of the range.
func (x *forger) number(known wire.OpNumber) wire.OpNumber {
	b := x.next()
	r := x.victim
	base := [...]wire.OpNumber{
		known, r.commit, wire.OpNumber(r.view), wire.OpNumber(r.incarnation), 0, r.fetch.to, 1 << 63, math.MaxUint64 - 2,
	}[b>>5]
	return base + wire.OpNumber(b&7) - wire.OpNumber(b>>3&3)
}

func (x *forger) chain() wire.Chain {
	b := x.next()
	if chain, ok := x.victim.Chain(x.victim.log.base + wire.OpNumber(b)); ok {
		return chain
	}
	return wire.Chain(b)
}

func (x *forger) members() []wire.Member {
	var members []wire.Member
	for _, id := range x.ids {
		m := wire.Member{ID: id, Incarnation: 1}
		if r := x.replicas[id]; r != nil {
			m.Incarnation = r.incarnation
		}
		members = append(members, m)
	}
	switch b := x.next(); {
	case b < 0x80:
	case b < 0xa0:
		members = members[:b%4%3]
	case b < 0xc0:
		members[b%3].ID = wire.Peer(x.next())
	case b < 0xe0:
		members[b%3].Incarnation = wire.Incarnation(x.number(0))
	default:
		members[0], members[b%3] = members[b%3], members[0]
	}
	return members
}

func (x *forger) entries() (s wire.Entries) {
	for range x.next() % 8 {
		e := wire.Entry{Kind: wire.EntryCommand + wire.EntryKind(x.next()&1), Client: clientID, View: x.victim.view}
		if b := x.next(); b >= 0x80 {
			e.Client = wire.Peer(b & 3)
			e.View = wire.ViewNumber(x.number(0))
		}
		e.Session, e.Request = wire.SessionNumber(x.next()), wire.RequestNumber(x.number(0))
		e.Acked = wire.RequestNumber(x.number(0))
		s = s.Append(&e)
	}
	return s
}
