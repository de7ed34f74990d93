package wire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vrnode/internal/golden"
)

var (
	initiator = End{ID: 1, Incarnation: 7, Nonce: 0x1111}
	responder = End{ID: 2, Incarnation: 9, Nonce: 0x2222}
)

// stamped returns a datagram with this payload and so many bytes of padding.
func stamped(h DatagramHeader, payload []byte, padding int, bind Binding) []byte {
	b := append(make([]byte, DatagramHeaderSize), payload...)
	h.Length = uint16(len(payload))
	b = append(b, make([]byte, padding)...)
	Stamp(b, &h, bind)
	return b
}

func TestDatagramRoundTrip(t *testing.T) {
	bind, _ := SessionBindings(initiator, responder)
	want := DatagramHeader{Type: DatagramData, Flags: FlagImmediateAck, To: 0xabcdef01, Number: 1 << 40}
	b := stamped(want, []byte("frames"), 10, bind)
	want.Length = 6
	var h DatagramHeader
	payload, err := DecodeDatagram(b, &h)
	if err != nil || h != want || string(payload) != "frames" {
		t.Fatalf("%+v %q %v", h, payload, err)
	}
	before := bytes.Clone(b)
	if err := Verify(b, bind); err != nil || !bytes.Equal(b, before) {
		t.Errorf("%v, or Verify changed the datagram", err)
	}
}

// A framing is a datagram that is cut, padded or changed, and the error that it is refused with.
type framing struct {
	name string
	b    []byte
	want error
}

// framings are made of a datagram from the initiator.
func framings() []framing {
	bind, _ := SessionBindings(initiator, responder)
	good := stamped(DatagramHeader{To: 1}, AppendLatest(nil, &Latest{Key: 1, Seq: 1, Bytes: []byte("news")}), 0, bind)
	change := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	return []framing{
		{"good", good, nil},
		{"empty", nil, ErrDatagramLength},
		{"cut off", good[:DatagramHeaderSize-1], ErrDatagramLength},
		{"payload cut off", good[:len(good)-1], ErrDatagramLength},
		{"longest", append(bytes.Clone(good), make([]byte, DatagramMax-len(good))...), nil},
		{"too long", append(bytes.Clone(good), make([]byte, DatagramMax-len(good)+1)...), ErrDatagramLength},
		{"version 0", change(func(b []byte) { b[0] = 0 }), ErrDatagramVersion},
		{"version 2", change(func(b []byte) { b[0] = 2 << 4 }), ErrDatagramVersion},
		{"type 5", change(func(b []byte) { b[0] |= 5 }), ErrDatagramType},
		{"reserved flag", change(func(b []byte) { b[1] = 1 << 6 }), ErrDatagramFlags},
		{"phase of nothing", change(func(b []byte) { b[1] = 1 << 3 }), ErrDatagramFlags},
		{"sealed, no room for a tag", change(func(b []byte) { b[1], b[2] = 1<<7, byte(len(b)-Overhead+1) }), ErrDatagramLength},
		{"phase of a HELLO", change(func(b []byte) { b[0] |= 1; b[1] = 1<<7 | 1<<3 }), ErrDatagramFlags},
	}
}

func TestDatagramErrors(t *testing.T) {
	for _, c := range framings() {
		var h DatagramHeader
		if _, err := DecodeDatagram(c.b, &h); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestBindings: a datagram passes with its own binding only.
func TestBindings(t *testing.T) {
	toResponder, toInitiator := SessionBindings(initiator, responder)
	b := stamped(DatagramHeader{To: 1, Number: 5}, []byte("x"), 0, toResponder)
	if Verify(b, toResponder) != nil {
		t.Fatal("refused with its own binding")
	}
	others := map[string]Binding{
		"reflected": toInitiator, "HELLO": HelloBinding(), "RESET": ResetBinding(),
		"DENIAL": DenialBinding(), "HELLO_ACK": HelloAckBinding(initiator.Nonce), "another HELLO_ACK": HelloAckBinding(1), "none": 0,
	}
	for name, change := range map[string]func(i, r *End){
		"another initiator":             func(i, r *End) { i.ID = 3 },
		"another responder":             func(i, r *End) { r.ID = 3 },
		"another run of the initiator":  func(i, r *End) { i.Incarnation++ },
		"another run of the responder":  func(i, r *End) { r.Incarnation-- },
		"another session, by initiator": func(i, r *End) { i.Nonce++ },
		"another session, by responder": func(i, r *End) { r.Nonce++ },
		"the ends exchanged":            func(i, r *End) { *i, *r = *r, *i },
	} {
		i, r := initiator, responder
		change(&i, &r)
		others[name], others[name+", reflected"] = SessionBindings(i, r)
	}
	seen := map[Binding]string{toResponder: "its own"}
	for name, bind := range others {
		if Verify(b, bind) == nil {
			t.Errorf("accepted with the binding of %s", name)
		}
		if other, ok := seen[bind]; ok {
			t.Errorf("%s and %s have one binding", name, other)
		}
		seen[bind] = name
	}
}

// TestChecksumSeesWhatUDPDoesNot: changes that keep the ones' complement sum of 16-bit words.
func TestChecksumSeesWhatUDPDoesNot(t *testing.T) {
	payload := make([]byte, 400)
	for i := range payload {
		payload[i] = byte(i * i * 31)
	}
	b := stamped(DatagramHeader{To: 9, Number: 77}, payload, 4, 42)
	for i := 0; i < len(b); i += 2 {
		for j := 0; j < i; j += 2 {
			if b[i] == b[j] && b[i+1] == b[j+1] {
				continue
			}
			b[i], b[j], b[i+1], b[j+1] = b[j], b[i], b[j+1], b[i+1]
			if Verify(b, 42) == nil {
				t.Fatalf("the words at %d and %d may be exchanged", i, j)
			}
			b[i], b[j], b[i+1], b[j+1] = b[j], b[i], b[j+1], b[i+1]
		}
	}
	for bit := range 8 * len(b) {
		b[bit/8] ^= 1 << (bit % 8)
		if Verify(b, 42) == nil {
			t.Fatalf("bit %d may be flipped", bit)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
	for n := DatagramHeaderSize; n < len(b); n++ {
		if Verify(b[:n], 42) == nil {
			t.Fatalf("it may be cut to %d bytes", n)
		}
	}
}

func TestHandshakeRoundTrip(t *testing.T) {
	hello := Hello{Session: 77, Sender: initiator, Target: 2, Echo: 5}
	b := AppendHello(nil, &hello)
	var h Hello
	if err := DecodeHello(b, &h); err != nil || h != hello || len(b) != helloLength {
		t.Errorf("%+v %v, %d bytes", h, err, len(b))
	}
	reset := Reset{Sender: 3, To: 7, Number: 1 << 50}
	c := AppendReset(nil, &reset)
	var r Reset
	if err := DecodeReset(c, &r); err != nil || r != reset || len(c) != resetLength {
		t.Errorf("%+v %v, %d bytes", r, err, len(c))
	}
	greeting := Greeting{Cookie: Cookie{1, 2, 15: 3}, Key: 77}
	d := AppendGreeting(nil, &greeting)
	var g Greeting
	if rest, err := DecodeGreeting(append(d, "rest"...), &g); err != nil || g != greeting || string(rest) != "rest" || len(d) != greetingLength {
		t.Errorf("%+v %q %v, %d bytes", g, rest, err, len(d))
	}
	denial := Denial{Quote: 5, Why: DeniedKey, Cookie: Cookie{9}}
	e := AppendDenial(make([]byte, DatagramHeaderSize), &denial)
	var n Denial
	if err := DecodeDenial(e, &n); err != nil || n != denial || len(e) != DenialSize {
		t.Errorf("%+v %v, %d bytes", n, err, len(e))
	}
	for _, why := range []byte{0, byte(deniedMax) + 1} {
		e[DenialSize-1] = why
		if DecodeDenial(e, &n) != ErrHandshake {
			t.Errorf("a DENIAL for reason %d is taken", why)
		}
	}
	if _, err := DecodeGreeting(d[1:greetingLength], &g); err != ErrHandshake || DecodeDenial(e[1:], &n) != ErrHandshake {
		t.Error("a greeting or a DENIAL of the wrong length is taken")
	}
	for n := range len(b) {
		if DecodeHello(b[:n], &h) != ErrHandshake {
			t.Errorf("a HELLO of %d bytes is taken", n)
		}
	}
	if DecodeHello(append(b, 0), &h) != ErrHandshake || DecodeReset(append(c, 0), &r) != ErrHandshake || DecodeReset(c[1:], &r) != ErrHandshake {
		t.Error("a handshake of the wrong length is taken")
	}
}

// datagramSamples are one datagram of each kind, and one of each frame.
func datagramSamples() []struct {
	name string
	b    []byte
	bind Binding
} {
	toResponder, toInitiator := SessionBindings(initiator, responder)
	hello := AppendHello(AppendGreeting(nil, &Greeting{}), &Hello{Session: 0xa0001, Sender: initiator, Target: 2})
	ack := AppendHello(nil, &Hello{Session: 0xb0002, Sender: responder, Target: 1, Echo: initiator.Nonce})
	frames := AppendAck(nil, 100_000, []Range{{100, 120}, {90, 97}, {5, 5}})
	frames = AppendLatest(frames, &Latest{Key: 8, Seq: 3, Bytes: []byte("commit")})
	frames = AppendData(frames, &Data{Lane: 1, Bare: true, ID: 4, Total: 7, Bytes: []byte("prepare")})
	fragment := AppendData(nil, &Data{Lane: 3, ID: 1, Cell: 2, Total: 1165, Bytes: bytes.Repeat([]byte{0xee}, 2*CellSize)})
	return []struct {
		name string
		b    []byte
		bind Binding
	}{
		{"HELLO", stamped(DatagramHeader{Type: DatagramHello, Number: 1}, hello, HelloSize-DatagramHeaderSize-len(hello), HelloBinding()), HelloBinding()},
		{"HELLO_ACK", stamped(DatagramHeader{Type: DatagramHelloAck, To: 0xa0001, Number: 1}, ack, HelloSize-DatagramHeaderSize-len(ack), HelloAckBinding(initiator.Nonce)), HelloAckBinding(initiator.Nonce)},
		{"DENIAL", stamped(DatagramHeader{Type: DatagramDenial}, AppendDenial(nil, &Denial{0x3333, DeniedCookie, Cookie{1, 2, 3}}), 0, DenialBinding()), DenialBinding()},
		{"RESET", stamped(DatagramHeader{Type: DatagramReset}, AppendReset(nil, &Reset{2, 0xb0002, 77}), 0, ResetBinding()), ResetBinding()},
		{"DATA: PING, padded", stamped(DatagramHeader{Flags: FlagImmediateAck, To: 0xb0002, Number: 76}, AppendPing(nil), 19, toResponder), toResponder},
		{"DATA: ACK, LATEST and a whole message", stamped(DatagramHeader{To: 0xb0002, Number: 77}, frames, 0, toResponder), toResponder},
		{"DATA: a fragment", stamped(DatagramHeader{To: 0xa0001, Number: 1000}, fragment, 0, toInitiator), toInitiator},
	}
}

// TestGoldenDatagrams pins the bytes: whoever changes them changes the protocol, and its version.
func TestGoldenDatagrams(t *testing.T) {
	var out strings.Builder
	out.WriteString("One datagram of each kind, in hexadecimal; a line for the header, then 32 bytes a line. Padding is not shown.\n" +
		"Initiator: replica 1, incarnation 7, nonce 1111. Responder: replica 2, incarnation 9, nonce 2222.\n")
	for _, s := range datagramSamples() {
		if err := Verify(s.b, s.bind); err != nil {
			t.Fatal(s.name, err)
		}
		fmt.Fprintf(&out, "\n%s, %d bytes\n%x\n", s.name, len(s.b), s.b[:DatagramHeaderSize])
		var h DatagramHeader
		payload, err := DecodeDatagram(s.b, &h)
		if err != nil {
			t.Fatal(s.name, err)
		}
		for line := range slices.Chunk(payload, 32) {
			fmt.Fprintf(&out, "%x\n", line)
		}
	}
	golden.File(t, "testdata/datagrams/samples.txt", []byte(out.String()))
}

// TestDatagramLayout compares the tables of layout.go with the encoders.
func TestDatagramLayout(t *testing.T) {
	sizes := map[string]int{"u8": 1, "u16": 2, "u32": 4, "u64": 8, "cookie": 16}
	want := []int{
		DatagramHeaderSize, greetingLength, helloLength, denialLength, resetLength, len(AppendPing(nil)),
		ackHeaderSize, DataHeaderSize, LatestHeaderSize, PathFrameSize, PathFrameSize,
	}
	sections := DescribeDatagram()
	if len(sections) != len(want) {
		t.Fatalf("%d sections", len(sections))
	}
	for i, s := range sections {
		sum := 0
		for _, f := range s.Fields {
			sum += sizes[f.Type]
			if f.Doc == "" || sizes[f.Type] == 0 && f.Type != "bytes" && f.Type != "pairs" {
				t.Errorf("%s: field %+v", s.Title, f)
			}
		}
		if sum != want[i] {
			t.Errorf("%s: the fields make %d bytes, not %d", s.Title, sum, want[i])
		}
	}
}

func FuzzDatagram(f *testing.F) {
	for _, s := range datagramSamples() {
		f.Add(s.b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h DatagramHeader
		payload, err := DecodeDatagram(b, &h)
		if err != nil {
			if payload != nil {
				t.Error("a payload in spite of the error")
			}
			return
		}
		if payload == nil { // sealed, so it has no checksum
			again := bytes.Clone(b)
			PutHeader(again, &h)
			if len(b) < Overhead+int(h.Length) || !h.Flags.IsSealed() || !bytes.Equal(again, b) {
				t.Error("encoding what was decoded gives other bytes")
			}
			return
		}
		before := bytes.Clone(b)
		if Verify(b, 7) == nil && Verify(b, 8) == nil {
			t.Error("two bindings are right")
		}
		if !bytes.Equal(b, before) {
			t.Error("Verify changed the datagram")
		}
		Stamp(b, &h, 7)
		if Verify(b, 7) != nil {
			t.Error("stamped and refused")
		}
		clear(b[sumAt:DatagramHeaderSize])
		clear(before[sumAt:DatagramHeaderSize])
		if !bytes.Equal(b, before) {
			t.Error("encoding what was decoded gives other bytes")
		}
		var hello Hello
		if DecodeHello(payload, &hello) == nil && !bytes.Equal(AppendHello(nil, &hello), payload) {
			t.Error("encoding the decoded HELLO gives other bytes")
		}
		var reset Reset
		if DecodeReset(payload, &reset) == nil && !bytes.Equal(AppendReset(nil, &reset), payload) {
			t.Error("encoding the decoded RESET gives other bytes")
		}
	})
}

func TestDatagramAllocations(t *testing.T) {
	b := datagramSamples()[5].b
	var h DatagramHeader
	var f Frame
	if n := testing.AllocsPerRun(100, func() { decodeAll(b, &h, &f) }); n != 0 {
		t.Errorf("decoding a datagram allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { Stamp(b, &h, 7) }); n != 0 {
		t.Errorf("stamping a datagram allocates %v times", n)
	}
}

func decodeAll(b []byte, h *DatagramHeader, f *Frame) {
	payload, err := DecodeDatagram(b, h)
	for err == nil && len(payload) > 0 {
		payload, err = DecodeFrame(payload, f)
	}
}

func BenchmarkDecodeDatagram(b *testing.B) {
	full := AppendData(nil, &Data{Lane: 3, ID: 1, Total: 1 << 20, Bytes: make([]byte, 18*CellSize)})
	for _, c := range []struct {
		name string
		d    []byte
	}{
		{"frames=3", datagramSamples()[5].b},
		{"fragment", stamped(DatagramHeader{To: 1, Number: 2}, full, 0, 7)},
	} {
		b.Run(c.name, func(b *testing.B) {
			var h DatagramHeader
			var f Frame
			b.SetBytes(int64(len(c.d)))
			b.ReportAllocs()
			for b.Loop() {
				Verify(c.d, 7)
				decodeAll(c.d, &h, &f)
			}
		})
	}
}
