package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRoundTrip(t *testing.T) {
	for k := KindRegister; k <= KindMax; k++ {
		t.Run(k.String(), func(t *testing.T) {
			var e Encoder
			var d Decoder // one for all rounds: what is left of a message may not show in the next
			rapid.Check(t, func(t *rapid.T) {
				var h Header
				fill(t, reflect.ValueOf(&h).Elem())
				m := new(Decoder).message(k)
				fill(t, reflect.ValueOf(m).Elem())

				b := e.Append([]byte("before"), &h, m)
				if !bytes.HasPrefix(b, []byte("before")) {
					t.Fatalf("Append changed what was in the buffer: %q", b)
				}
				b = b[len("before"):]
				gotHeader, got, err := d.Decode(b)
				if err != nil {
					t.Fatalf("%v does not decode: %v", m, err)
				}
				if *gotHeader != h {
					t.Fatalf("header %+v became %+v", h, *gotHeader)
				}
				if again := e.Append(nil, gotHeader, got); !bytes.Equal(again, b) {
					t.Fatalf("%x became %x", b, again)
				}
				if !reflect.DeepEqual(canonical(m), canonical(got)) {
					t.Fatalf("%+v became %+v", m, got)
				}
			})
		})
	}
}

// fill draws every field of a struct.
func fill(t *rapid.T, v reflect.Value) {
	number := rapid.Uint64()
	switch p := v.Addr().Interface().(type) {
	case *Refusal:
		*p = rapid.SampledFrom([]Refusal{RefusalNotPrimary, RefusalBusy, RefusalWrongCluster}).Draw(t, "refusal")
		return
	case *Status:
		*p = rapid.SampledFrom([]Status{StatusRecovering, StatusNormal, StatusViewChange, StatusHalted}).Draw(t, "status")
		return
	case *Entries:
		for range rapid.IntRange(0, 3).Draw(t, "entries") {
			e := Entry{
				View: ViewNumber(number.Draw(t, "view")), Kind: EntryKind(rapid.IntRange(1, 2).Draw(t, "kind")),
				Client: Peer(number.Draw(t, "client")), Session: SessionNumber(number.Draw(t, "session")),
				Request: RequestNumber(number.Draw(t, "request")), Acked: RequestNumber(number.Draw(t, "acked")), Body: body(t),
			}
			*p = p.Append(&e)
		}
		return
	case *Commands:
		for range rapid.IntRange(0, 3).Draw(t, "commands") {
			*p = p.Append(body(t))
		}
		return
	case *TransferRefusal:
		*p = TransferRefusal(rapid.IntRange(int(TransferBusy), int(TransferFailed)).Draw(t, "refusal"))
		return
	case *TransferPhase:
		*p = TransferPhase(rapid.IntRange(int(TransferIdle), int(TransferResting)).Draw(t, "phase"))
		return
	case *Parts:
		for range rapid.IntRange(0, 3).Draw(t, "parts") {
			*p = p.Append(rapid.Uint32().Draw(t, "offset"), body(t))
		}
		return
	case *Results:
		for range rapid.IntRange(0, 3).Draw(t, "results") {
			*p = p.Append(Outcome(rapid.IntRange(int(OutcomeDone), int(OutcomeGap)).Draw(t, "outcome")), body(t))
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, MembersMax).Draw(t, "length"), MembersMax))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "flag"))
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Byte().Draw(t, "byte")))
	case reflect.Uint32:
		v.SetUint(uint64(rapid.Uint32().Draw(t, "number")))
	case reflect.Uint64:
		v.SetUint(number.Draw(t, "number"))
	default:
		t.Fatalf("fill does not know %v", v.Type())
	}
}

func body(t *rapid.T) []byte {
	return bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.SampledFrom([]int{0, 1, 2, 100, CommandMax}).Draw(t, "length"))
}

// canonical returns a copy of a message in which whatever is empty is nil.
func canonical(m Message) any {
	v := reflect.New(reflect.TypeOf(m).Elem()).Elem()
	v.Set(reflect.ValueOf(m).Elem())
	for _, field := range v.Fields() {
		empty := false
		switch x := field.Addr().Interface().(type) {
		case *[]Member:
			empty = len(*x) == 0
		case *[]PeerReport:
			empty = len(*x) == 0
		case *Entries:
			empty = x.Len() == 0 && x.Size() == 0
		case *Commands:
			empty = x.Len() == 0 && x.Size() == 0
		case *Results:
			empty = x.Len() == 0 && x.Size() == 0
		case *Parts:
			empty = x.Len() == 0 && x.Size() == 0
		case *[]Chunk:
			empty = len(*x) == 0
		case *[]Block:
			empty = len(*x) == 0
		case *[]Run:
			empty = len(*x) == 0
		}
		if empty {
			field.SetZero()
		}
	}
	return v.Interface()
}

func TestSamplesHaveEveryKind(t *testing.T) {
	for i, m := range sampleMessages {
		if int(m.Kind()) != i+1 {
			t.Errorf("sample %d is a %v", i, m.Kind())
		}
	}
	if len(sampleMessages) != int(KindMax) {
		t.Errorf("%d samples for %d kinds", len(sampleMessages), KindMax)
	}
}

// TestCut cuts every message short at every place, and lengthens it by one byte.
func TestCut(t *testing.T) {
	var d Decoder
	for _, m := range sampleMessages {
		b := encode(m)
		for n := range b {
			want := ErrFields
			if n < headerSize {
				want = ErrShort
			}
			if _, _, err := d.Decode(b[:n:n]); !errors.Is(err, want) {
				t.Errorf("%v cut to %d bytes of %d: %v, want %v", m.Kind(), n, len(b), err, want)
			}
		}
		if _, _, err := d.Decode(append(b, 0)); !errors.Is(err, ErrFields) {
			t.Errorf("%v with a byte behind it: %v, want %v", m.Kind(), err, ErrFields)
		}
		if _, _, err := d.Decode(b); err != nil {
			t.Errorf("%v after bad messages: %v", m.Kind(), err)
		}
	}
}

// A badMessage is refused with this error.
type badMessage struct {
	name string
	b    []byte
	want error
}

func badMessages() []badMessage {
	full := Entries{}
	for full.Size() < MessageMax {
		full = full.Append(&Entry{Kind: EntryCommand, Body: make([]byte, CommandMax)})
	}
	return []badMessage{
		{"nothing", nil, ErrShort},
		{"kind 0", with(encode(&Register{}), 0, 0), ErrKind},
		{"kind above the highest", with(encode(&Register{}), 0, byte(KindMax)+1), ErrKind},
		{"longer than MessageMax", make([]byte, MessageMax+1), ErrLong},
		{"a StartView longer than MessageMax", encode(&StartView{Entries: full}), ErrLong},
		{"too many members", encode(&Form{Members: make([]Member, MembersMax+1)}), ErrFields},
		{"too many in a crash vector", encode(&DoViewChange{CrashVector: make([]Member, MembersMax+1)}), ErrFields},
		{"too many reports", encode(&ProbeReply{Status: StatusNormal, Peers: make([]PeerReport, MembersMax+1)}), ErrFields},
		{"command too long", encode(&Request{Commands: Commands{}.Append(make([]byte, CommandMax+1))}), ErrFields},
		{"result too long", encode(&Reply{Results: Results{}.Append(OutcomeDone, make([]byte, CommandMax+1))}), ErrFields},
		{"entry too long", encode(&Prepare{Entries: Entries{}.Append(&Entry{Kind: EntryCommand, Body: make([]byte, CommandMax+1)})}), ErrFields},
		{"entry of no kind", encode(&Prepare{Entries: Entries{}.Append(&Entry{})}), ErrFields},
		{"entry of an unknown kind", encode(&Prepare{Entries: Entries{}.Append(&Entry{Kind: EntryCheckpoint + 1})}), ErrFields},
		{"result of no outcome", encode(&Reply{Results: Results{}.Append(0, nil)}), ErrFields},
		{"result of an unknown outcome", encode(&Reply{Results: Results{}.Append(OutcomeDone, nil).Append(OutcomeGap+1, nil)}), ErrFields},
		{"refusal without a reason", encode(&Refused{}), ErrFields},
		{"refusal for an unknown reason", encode(&Refused{Why: RefusalWrongCluster + 1}), ErrFields},
		{"status 0", encode(&ProbeReply{}), ErrFields},
		{"status above the highest", encode(&ProbeReply{Status: StatusHalted + 1}), ErrFields},
		{"phase above the highest", encode(&ProbeReply{Status: StatusHalted, Transfer: TransferReport{Phase: TransferResting + 1}}), ErrFields},
		{"flag 2", with(encode(&RecoveryResponse{}), headerSize+8, 2), ErrFields},
		{"more commands than there are", counted(encode(&Request{}), 1), ErrFields},
		{"fewer commands than there are", counted(encode(&Request{Commands: Commands{}.Append(nil)}), 0, 4), ErrFields},
		{"commands without number", counted(encode(&Request{}), 1<<32-1), ErrFields},
		{"entries without number", counted(encode(&Prepare{}), 1<<32-1), ErrFields},
		{"too many chunks", encode(&Manifest{Chunks: make([]Chunk, ManifestMax+1)}), ErrFields},
		{"too many blocks", encode(&Blocks{Blocks: make([]Block, BlocksMax+1)}), ErrFields},
		{"too many runs", encode(&GetPiece{Runs: make([]Run, BlocksMax+1)}), ErrFields},
		{"too many parts", encode(&Piece{Parts: emptyParts(BlocksMax + 1)}), ErrFields},
		{"part too long", encode(&Piece{Parts: Parts{}.Append(0, make([]byte, ChunkMax+1))}), ErrFields},
		{"more parts than there are", counted(encode(&Piece{}), 1), ErrFields},
		{"blocks without number", counted(encode(&Blocks{}), 1<<32-1), ErrFields},
		{"transfer refused without a reason", encode(&TransferRefused{}), ErrFields},
		{"transfer refused for an unknown reason", encode(&TransferRefused{Why: TransferFailed + 1}), ErrFields},
		{"results without number", counted(encode(&Reply{}), 1<<32-1), ErrFields},
	}
}

func TestErrors(t *testing.T) {
	for _, c := range badMessages() {
		h, m, err := new(Decoder).Decode(c.b)
		if !errors.Is(err, c.want) || h != nil || m != nil {
			t.Errorf("%s: %v, %v, %v, want %v", c.name, h, m, err, c.want)
		}
	}
}

// with returns b with one byte changed.
func with(b []byte, at int, value byte) []byte {
	b[at] = value
	return b
}

// counted overwrites the count of the run at the end of b; behind it are so many bytes.
func counted(b []byte, count uint32, behind ...int) []byte {
	at := len(b) - 4
	for _, n := range behind {
		at -= n
	}
	binary.LittleEndian.PutUint32(b[at:], count)
	return b
}

// boundMessages are just within a bound.
func boundMessages() map[string]Message {
	long := make([]byte, CommandMax)
	return map[string]Message{
		"members":  &RecoveryResponse{Members: make([]Member, MembersMax), CrashVector: make([]Member, MembersMax)},
		"reports":  &ProbeReply{Status: StatusHalted, Peers: make([]PeerReport, MembersMax), Transfer: TransferReport{Phase: TransferIdle}},
		"command":  &Request{Commands: Commands{}.Append(long)},
		"result":   &Reply{Results: Results{}.Append(OutcomeGap, long)},
		"entry":    &Log{Entries: Entries{}.Append(&Entry{Kind: EntryRegister, Body: long})},
		"no entry": &Log{},
		"chunks":   &Manifest{Chunks: make([]Chunk, ManifestMax)},
		"blocks":   &Blocks{Blocks: make([]Block, BlocksMax)},
		"runs":     &GetPiece{Runs: make([]Run, BlocksMax)},
		"parts":    &Piece{Parts: emptyParts(BlocksMax)},
		"part":     &Piece{Parts: Parts{}.Append(0, make([]byte, ChunkMax))},
	}
}

func emptyParts(n int) (parts Parts) {
	for range n {
		parts = parts.Append(0, nil)
	}
	return parts
}

func TestBounds(t *testing.T) {
	for name, m := range boundMessages() {
		if _, _, err := new(Decoder).Decode(encode(m)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAliases shows the rules of memory: what a Decoder returns shares memory with its input, can
// not reach what is behind it, and lasts until the next call.
func TestAliases(t *testing.T) {
	var d Decoder
	b := encode(&Request{Commands: Commands{}.Append([]byte("one")).Append([]byte("two"))})
	_, m, err := d.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	first := m.(*Request)
	commands := first.Commands
	one, _ := commands.Next()
	copy(b[bytes.Index(b, []byte("one")):], "ONE")
	if string(one) != "ONE" {
		t.Errorf("a command is %q, which is a copy", one)
	}
	_ = append(one, "over"...)
	if two, _ := commands.Next(); string(two) != "two" {
		t.Errorf("appending to a command changed the next one into %q", two)
	}
	if _, m, _ = d.Decode(encode(&Request{First: 9})); m.(*Request) != first || first.First != 9 {
		t.Error("a Decoder made a second Request")
	}
}

func TestDecodeAllocates(t *testing.T) {
	for _, m := range sampleMessages {
		var d Decoder
		b := encode(m)
		if _, _, err := d.Decode(b); err != nil { // lists of members grow once
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { d.Decode(b) }); n != 0 {
			t.Errorf("decoding a %v allocates %v times", m.Kind(), n)
		}
	}
}

func TestEncodeAllocates(t *testing.T) {
	for _, m := range sampleMessages {
		var e Encoder
		h := sampleHeader
		b := e.Append(nil, &h, m)
		if n := testing.AllocsPerRun(100, func() { b = e.Append(b[:0], &h, m) }); n != 0 {
			t.Errorf("encoding a %v allocates %v times", m.Kind(), n)
		}
	}
}

func TestEnvelopeString(t *testing.T) {
	h := Header{View: 7, From: 2}
	for _, c := range []struct {
		m    Message
		want string
	}{
		{&JoinView{}, "2->3 JoinView v=7"},
		{&PrepareOK{Op: 17}, "2->3 PrepareOK v=7 n=17"},
		{sample(KindRequest), `2->3 Request v=7 session=12 s=4 acked=2 commands=["+5" ""]`},
		{sample(KindReply), `2->3 Reply v=7 c=c1e47abcd session=12 s=4 results=["17" gap]`},
		{sample(KindRefused), "2->3 Refused v=7 c=c1e47abcd why=not-primary primary=1"},
		{&Log{LastNormal: 6, First: 42, Entries: sampleLog}, `2->3 Log v=7 v'=6 n=42 prev=00000000 k=0 last=0 entries=[6:register(c1e47abcd) 7:"+5"]`},
		{&Form{Members: []Member{{1, 10}, {2, 20}}}, "2->3 Form v=7 members=[1:10 2:20] base=0 chain=00000000 root=00000000000000000000000000000000"},
		{&RecoveryResponse{IsPrimary: true}, "2->3 RecoveryResponse v=7 for=0 primary=1 n=0 k=0 members=[] cv=[]"},
	} {
		if got := (Envelope{h, 3, c.m}).String(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	for k := Kind(0); k <= KindMax; k++ {
		for _, f := range Describe(k) {
			if f.Name == "" || f.Type == "" || f.Doc == "" || strings.ContainsAny(f.Doc, "|\n") {
				t.Errorf("%v has a field that a table can not show: %+v", k, f)
			}
		}
	}
	if fields := Describe(KindMax + 1); fields != nil {
		t.Errorf("an unknown kind has fields: %v", fields)
	}
}
