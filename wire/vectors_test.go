package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"vrnode/internal/golden"
)

// TestVectors pins the test vectors for other implementations, which PROTOCOL.md describes. What
// they say was decoded by this package; testdata/reader.py is the second opinion.
func TestVectors(t *testing.T) {
	for name, vectors := range vectorFiles(t) {
		var out bytes.Buffer
		for i, v := range vectors {
			out.WriteString([]string{",\n", "[\n"}[max(0, 1-i)])
			out.Write(v.json(t))
		}
		out.WriteString("\n]\n")
		golden.File(t, vectorPath(name), out.Bytes())
	}
}

func vectorPath(name string) string { return "testdata/vectors/" + name + ".json" }

func vectorFiles(t *testing.T) map[string][]object {
	return map[string][]object{
		"hashes": hashVectors(), "datagrams": datagramVectors(t), "frames": frameVectors(),
		"messages": messageVectors(t), "fragments": fragmentVectors(t), "secure": secureVectors(t),
	}
}

// An object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

func (o object) MarshalJSON() ([]byte, error) { return o.write(", ") }

// json writes a vector, a member a line.
func (o object) json(t *testing.T) []byte {
	b, err := o.write(",\n ")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (o object) write(separator string) ([]byte, error) {
	var parts []string
	for _, m := range o {
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		parts = append(parts, strconv.Quote(m.name)+": "+string(value))
	}
	return []byte("{" + strings.Join(parts, separator) + "}"), nil
}

// zerosMax is how many zeros at the end of bytes are written out.
const zerosMax = 32

// digits writes bytes in hexadecimal; many zeros at the end as a plus and their number.
func digits(b []byte) string {
	body := bytes.TrimRight(b, "\x00")
	if n := len(b) - len(body); n > zerosMax {
		return fmt.Sprintf("%x+%d", body, n)
	}
	return hex.EncodeToString(b)
}

func decimal[T ~uint64](v T) string { return strconv.FormatUint(uint64(v), 10) }

// outcome makes a vector of bytes of some kind: what was decoded, or the word for why they are
// refused.
func outcome(of, name string, b []byte, refused string, decoded object) object {
	v := object{{"of", of}, {"name", name}, {"bytes", digits(b)}}
	if refused != "" {
		v = append(v, member{"refused", refused})
	}
	if decoded != nil {
		v = append(v, member{"decoded", decoded})
	}
	return v
}

// refusals are the words of PROTOCOL.md.
var refusals = map[error]string{
	nil: "", ErrDatagramLength: "length", ErrDatagramVersion: "version", ErrDatagramType: "type", ErrDatagramFlags: "flags",
	ErrChecksum: "checksum", ErrHandshake: "handshake", ErrFrame: "frame",
	ErrShort: "short", ErrLong: "long", ErrKind: "kind", ErrFields: "fields",
}

// ---- hashes

func hashVectors() []object {
	var vectors []object
	text := []byte("Viewstamped Replication in memory, over UDP")
	for _, n := range []int{0, 1, 3, 4, 8, 15, 31, 32, 33, len(text)} {
		vectors = append(vectors, object{{"name", fmt.Sprintf("xxhash64 of %d bytes", n)},
			{"bytes", hex.EncodeToString(text[:n])}, {"xxhash64", decimal(xxhash.Sum64(text[:n]))}})
	}
	chain := Chain(0)
	for i, e := range []Entry{{View: 6, Kind: EntryRegister, Client: sampleClient}, sampleEntry} {
		next, _ := chain.Next(&e, nil)
		vectors = append(vectors, object{{"name", fmt.Sprintf("chain of op %d", i+1)},
			{"before", decimal(chain)}, {"entry", digits(AppendEntry(nil, &e))}, {"chain", decimal(next)}})
		chain = next
	}
	return vectors
}

// ---- messages

func messageVectors(t *testing.T) []object {
	var vectors []object
	for _, m := range sampleMessages {
		vectors = append(vectors, messageVector(t, m.Kind().String(), encode(m)))
	}
	bounds := boundMessages()
	for _, name := range slices.Sorted(maps.Keys(bounds)) {
		vectors = append(vectors, messageVector(t, "just within a bound: "+name, encode(bounds[name])))
	}
	for _, c := range badMessages() {
		if len(bytes.TrimRight(c.b, "\x00")) > CommandMax {
			continue // a file of megabytes; another one is too long, too
		}
		vectors = append(vectors, messageVector(t, c.name, c.b))
	}
	return vectors
}

func messageVector(t *testing.T, name string, b []byte) object {
	h, m, err := new(Decoder).Decode(b)
	if err != nil {
		return outcome("message", name, b, refusals[err], nil)
	}
	return outcome("message", name, b, "", object{
		{"kind", m.Kind().String()},
		{"header", fieldsOf(t, Describe(0), reflect.ValueOf(*h))},
		{"fields", fieldsOf(t, Describe(m.Kind()), reflect.ValueOf(m).Elem())},
	})
}

// fieldsOf writes a struct under the names of its layout, which has the same order.
func fieldsOf(t *testing.T, layout []Field, v reflect.Value) object {
	fields := flat(v)
	if len(layout) != len(fields) {
		t.Fatalf("%v has %d fields, its layout %d", v.Type(), len(fields), len(layout))
	}
	o := object{}
	for i, f := range layout {
		o = append(o, member{f.Name, plain(t, fields[i])})
	}
	return o
}

// flat returns the fields of a struct, those of a struct in it one by one.
func flat(v reflect.Value) (fields []reflect.Value) {
	for _, field := range v.Fields() {
		switch field.Interface().(type) {
		case TransferReport, Base:
			fields = append(fields, flat(field)...)
		default:
			fields = append(fields, field)
		}
	}
	return fields
}

// plain turns a field into what JSON can hold.
func plain(t *testing.T, v reflect.Value) any {
	var list []object
	switch x := v.Interface().(type) {
	case ClusterID:
		return x.String()
	case []Member:
		for _, m := range x {
			list = append(list, object{{"id", decimal(m.ID)}, {"incarnation", decimal(m.Incarnation)}})
		}
	case []PeerReport:
		for _, r := range x {
			list = append(list, object{{"id", decimal(r.ID)}, {"op", decimal(r.Op)}, {"heard", decimal(r.HeardMicros)},
				{"rtt", decimal(r.RTTMicros)}, {"sent", decimal(r.Sent)}, {"lost", decimal(r.Lost)}, {"again", decimal(r.Again)}})
		}
	case Entries:
		for e := (Entry{}); x.Next(&e); {
			list = append(list, object{{"view", decimal(e.View)}, {"kind", e.Kind}, {"client", decimal(e.Client)}, {"session", decimal(e.Session)},
				{"request", decimal(e.Request)}, {"acked", decimal(e.Acked)}, {"length", len(e.Body)}, {"body", digits(e.Body)}})
		}
	case Commands:
		for c, ok := x.Next(); ok; c, ok = x.Next() {
			list = append(list, object{{"length", len(c)}, {"body", digits(c)}})
		}
	case Results:
		for o, body, ok := x.Next(); ok; o, body, ok = x.Next() {
			list = append(list, object{{"outcome", o}, {"length", len(body)}, {"body", digits(body)}})
		}
	case Digest:
		return x.String()
	case []Chunk:
		for _, c := range x {
			list = append(list, object{{"digest", c.Digest.String()}, {"sum", decimal(c.Sum)}, {"length", c.Length}})
		}
	case []Block:
		for _, b := range x {
			list = append(list, object{{"hash", decimal(b.Hash)}, {"length", b.Length}})
		}
	case []Run:
		for _, r := range x {
			list = append(list, object{{"offset", r.Offset}, {"length", r.Length}})
		}
	case Parts:
		for offset, body, ok := x.Next(); ok; offset, body, ok = x.Next() {
			list = append(list, object{{"offset", offset}, {"length", len(body)}, {"body", digits(body)}})
		}
	default:
		switch v.Kind() {
		case reflect.Uint64:
			return decimal(v.Uint())
		case reflect.Uint8, reflect.Uint32:
			return v.Uint()
		case reflect.Bool:
			return map[bool]int{true: 1}[v.Bool()]
		}
		t.Fatalf("no vector has a %v", v.Type())
	}
	return append([]object{}, list...)
}

// ---- frames

func frameVectors() []object {
	var vectors []object
	for _, c := range frameCases() {
		var f Frame
		if _, err := DecodeFrame(c.b, &f); err != nil {
			vectors = append(vectors, outcome("frame", c.name, c.b, refusals[err], nil))
		} else {
			vectors = append(vectors, outcome("frame", c.name, c.b, "", frameObject(&f)))
		}
	}
	return append(vectors, outcome("frame", "ping", AppendPing(nil), "", object{{"frame", "PING"}}))
}

func frameObject(f *Frame) object {
	o := object{{"frame", f.Type.String()}}
	switch f.Type {
	case FrameAck:
		all := [][2]string{}
		for _, r := range ranges(f.Ack) {
			all = append(all, [2]string{decimal(r.Low), decimal(r.High)})
		}
		return append(o, member{"delay", f.Ack.Delay / ackDelayUnit}, member{"acknowledged", all})
	case FrameData:
		d := &f.Data
		return append(o, member{"lane", d.Lane}, member{"bare", d.Bare}, member{"compressed", d.Compressed}, member{"id", decimal(d.ID)},
			member{"cell", d.Cell}, member{"total", d.Total}, member{"bytes", digits(d.Bytes)})
	case FrameLatest:
		return append(o, member{"key", f.Latest.Key}, member{"seq", decimal(f.Latest.Seq)}, member{"bytes", digits(f.Latest.Bytes)})
	case FrameChallenge, FrameResponse:
		return append(o, member{"token", decimal(f.Token)})
	}
	return o
}

// ---- datagrams

// A binder is a binding and how it comes about.
type binder struct {
	Binding
	origin object
}

func binders() (hello, helloAck, denial, reset, toResponder, toInitiator binder) {
	there, back := SessionBindings(initiator, responder)
	end := func(e End) object {
		return object{{"id", decimal(e.ID)}, {"inc", decimal(e.Incarnation)}, {"nonce", decimal(e.Nonce)}}
	}
	session := func(b Binding, from string) binder {
		return binder{b, object{{"of", "DATA"}, {"from", from}, {"initiator", end(initiator)}, {"responder", end(responder)}}}
	}
	return binder{HelloBinding(), object{{"of", "HELLO"}}},
		binder{HelloAckBinding(initiator.Nonce), object{{"of", "HELLO_ACK"}, {"nonce", decimal(initiator.Nonce)}}},
		binder{DenialBinding(), object{{"of", "DENIAL"}}},
		binder{ResetBinding(), object{{"of", "RESET"}}},
		session(there, "initiator"), session(back, "responder")
}

func datagramVectors(t *testing.T) []object {
	hello, helloAck, denial, reset, toResponder, toInitiator := binders()
	byValue := map[Binding]binder{}
	for _, b := range []binder{hello, helloAck, denial, reset, toResponder, toInitiator} {
		byValue[b.Binding] = b
	}
	var vectors []object
	add := func(name string, b []byte, bind binder) { vectors = append(vectors, datagramVector(t, name, b, bind)) }
	for _, s := range datagramSamples() {
		own := byValue[s.bind]
		add(s.name, s.b, own)
		damaged := bytes.Clone(s.b)
		damaged[DatagramHeaderSize] ^= 1
		add(s.name+", one bit changed", damaged, own)
		for _, other := range []binder{hello, helloAck, denial, reset, toResponder, toInitiator} {
			if other.Binding != own.Binding {
				add(s.name+", with the binding of another", s.b, other)
			}
		}
	}
	for _, c := range framings() {
		if len(c.b) >= DatagramHeaderSize { // so that nothing is wrong but what the name says
			binary.LittleEndian.PutUint64(c.b[sumAt:], uint64(toResponder.Binding))
			binary.LittleEndian.PutUint64(c.b[sumAt:], xxhash.Sum64(c.b))
		}
		add("DATA, "+c.name, c.b, toResponder)
	}
	question := Hello{Session: 0xa0001, Sender: initiator, Target: 2}
	asks := func(name string, change func(h *Hello), size int, behind ...byte) {
		h := question
		change(&h)
		payload := append(AppendHello(AppendGreeting(nil, &Greeting{}), &h), behind...)
		add("HELLO, "+name, stamped(DatagramHeader{Type: DatagramHello, Number: 1}, payload, size-DatagramHeaderSize-len(payload), hello.Binding), hello)
	}
	asks("a byte short of its padding", func(*Hello) {}, HelloSize-1)
	asks("session 0", func(h *Hello) { h.Session = 0 }, HelloSize)
	asks("nonce 0", func(h *Hello) { h.Sender.Nonce = 0 }, HelloSize)
	asks("a byte too many", func(*Hello) {}, HelloSize, 7)
	why := AppendDenial(nil, &Denial{Quote: 5, Why: DeniedKey})
	denies := func(name string, change func(b []byte) []byte) {
		b := change(bytes.Clone(why))
		add("DENIAL, "+name, stamped(DatagramHeader{Type: DatagramDenial}, b, 0, denial.Binding), denial)
	}
	denies("of another key", func(b []byte) []byte { return b })
	denies("for reason 0", func(b []byte) []byte { b[len(b)-1] = 0; return b })
	denies("for reason 8", func(b []byte) []byte { b[len(b)-1] = 8; return b })
	denies("a byte too few", func(b []byte) []byte { return b[1:] })
	quote := AppendReset(nil, &Reset{2, 0xb0002, 77})
	add("RESET, a byte too few", stamped(DatagramHeader{Type: DatagramReset}, quote[:len(quote)-1], 0, reset.Binding), reset)
	frames := AppendLatest(AppendPing(nil), &Latest{Key: 31, Seq: 1, Bytes: []byte("applied")})
	add("DATA, the third frame malformed", stamped(DatagramHeader{To: 1, Number: 9}, append(frames, 0, 1), 0, toResponder.Binding), toResponder)
	add("DATA, no frame", stamped(DatagramHeader{To: 1, Number: 10}, nil, 0, toResponder.Binding), toResponder)
	return vectors
}

func datagramVector(t *testing.T, name string, b []byte, bind binder) object {
	var h DatagramHeader
	payload, err := DecodeDatagram(b, &h)
	if err == nil {
		err = Verify(b, bind.Binding)
	}
	var decoded object
	if err == nil {
		decoded, err = payloadObject(t, &h, payload, len(b))
	}
	v := outcome("datagram", name, b, refusals[err], decoded)
	return slices.Insert(v, 3, member{"binding", append(bind.origin, member{"value", decimal(bind.Binding)})})
}

func payloadObject(t *testing.T, h *DatagramHeader, payload []byte, size int) (object, error) {
	o := object{{"type", h.Type.String()}, {"flags", h.Flags}, {"length", h.Length}, {"to", h.To}, {"number", decimal(h.Number)}}
	switch h.Type {
	case DatagramHello, DatagramHelloAck:
		var hello Hello
		if h.Type == DatagramHello && size < HelloSize {
			return nil, ErrHandshake // this one is for the receiver to see: package frag
		}
		if h.Type == DatagramHello {
			var g Greeting
			var err error
			if payload, err = DecodeGreeting(payload, &g); err != nil {
				return nil, err
			}
			o = append(o, member{"greeting", object{{"cookie", hex.EncodeToString(g.Cookie[:])}, {"key", decimal(g.Key)}}})
		}
		if err := DecodeHello(payload, &hello); err != nil {
			return nil, err
		}
		return append(o, member{"hello", object{{"session", hello.Session}, {"sender", decimal(hello.Sender.ID)},
			{"inc", decimal(hello.Sender.Incarnation)}, {"nonce", decimal(hello.Sender.Nonce)},
			{"target", decimal(hello.Target)}, {"echo", decimal(hello.Echo)}}}), nil
	case DatagramDenial:
		var d Denial
		if err := DecodeDenial(append(make([]byte, DatagramHeaderSize), payload...), &d); err != nil {
			return nil, err
		}
		return append(o, member{"denial", object{{"quote", decimal(d.Quote)}, {"cookie", hex.EncodeToString(d.Cookie[:])}, {"reason", d.Why}}}), nil
	case DatagramReset:
		var reset Reset
		if err := DecodeReset(payload, &reset); err != nil {
			return nil, err
		}
		return append(o, member{"reset", fieldsOf(t, describe(new(Reset).walk), reflect.ValueOf(reset))}), nil
	}
	frames := []object{}
	var err error
	for f := (Frame{}); len(payload) > 0 && err == nil; {
		if payload, err = DecodeFrame(payload, &f); err == nil {
			frames = append(frames, frameObject(&f))
		}
	}
	return append(o, member{"frames", frames}), err
}

// ---- messages in fragments

// fragmentVectors are true by construction; package frag has a test that receives them.
func fragmentVectors(t *testing.T) []object {
	var message []byte
	for i := range 1400 {
		message = append(message, byte(i*i>>4))
	}
	whole := binary.LittleEndian.AppendUint64(bytes.Clone(message), xxhash.Sum64(message))
	run := func(of []byte, isBare bool, cell, cells int) []byte {
		end := min((cell+cells)*CellSize, len(of))
		return AppendData(nil, &Data{Lane: 1, Bare: isBare, ID: 1, Cell: uint32(cell), Total: uint32(len(of)), Bytes: of[cell*CellSize : end]})
	}
	cut := func(of []byte, cell, cells int) []byte { return run(of, false, cell, cells) }
	bare := func(cell, cells int) []byte { return run(message, true, cell, cells) }
	damaged := bytes.Clone(whole)
	damaged[1000] ^= 1
	longer := append(bytes.Clone(whole), 0)
	single := AppendData(nil, &Data{Lane: 1, Bare: true, ID: 1, Total: 3, Bytes: []byte("abc")})
	var vectors []object
	add := func(name string, message []byte, refused string, frames ...[]byte) {
		var texts []string
		for _, f := range frames {
			if _, err := DecodeFrame(f, new(Frame)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			texts = append(texts, digits(f))
		}
		v := object{{"name", name}, {"frames", texts}}
		switch {
		case refused != "":
			v = append(v, member{"refused", refused})
		case message != nil:
			v = append(v, member{"message", digits(message)})
		default:
			v = append(v, member{"incomplete", true})
		}
		vectors = append(vectors, v)
	}
	add("in order", message, "", cut(whole, 0, 9), cut(whole, 9, 9), cut(whole, 18, 9))
	add("out of order, and one twice", message, "", cut(whole, 18, 9), cut(whole, 0, 9), cut(whole, 0, 9), cut(whole, 9, 9))
	add("cut otherwise when sent again", message, "", cut(whole, 0, 9), cut(whole, 18, 9), cut(whole, 7, 4), cut(whole, 11, 6), cut(whole, 17, 3))
	add("whole in one frame", []byte("abc"), "", single)
	add("all in one fragment", message, "", cut(whole, 0, 27))
	add("without a trailer", message, "", bare(18, 9), bare(0, 9), bare(9, 9))
	add("without a trailer, and whole when sent again", message, "", bare(9, 9), bare(0, 27))
	add("with and without a trailer", nil, "contradiction", cut(message, 0, 9), bare(9, 9))
	add("a cell missing", nil, "", cut(whole, 0, 9), cut(whole, 10, 8), cut(whole, 18, 9))
	add("wrong trailer", nil, "trailer", cut(damaged, 0, 9), cut(damaged, 9, 9), cut(damaged, 18, 9))
	add("another total", nil, "contradiction", cut(whole, 0, 9), cut(longer, 9, 9))
	add("a whole message among fragments", nil, "contradiction", cut(whole, 0, 9), single)
	for _, c := range blockCases() {
		refused := "block"
		if c.good {
			refused = ""
		}
		add("compressed: "+c.name, c.message, refused, AppendData(nil, &Data{
			Lane: 3, Bare: true, Compressed: true, ID: 1, Total: uint32(len(c.block)), Bytes: c.block,
		}))
	}
	block := blockCases()[0]
	trailed := binary.LittleEndian.AppendUint64(bytes.Clone(block.block), xxhash.Sum64(block.block))
	fragment := func(cell, end int, compressed bool) []byte {
		return AppendData(nil, &Data{Lane: 1, Compressed: compressed, ID: 1, Cell: uint32(cell), Total: uint32(len(trailed)), Bytes: trailed[cell*CellSize : end]})
	}
	add("compressed: cut into fragments", block.message, "", fragment(4, len(trailed), true), fragment(0, 4*CellSize, true))
	add("compressed and not compressed", nil, "contradiction", fragment(4, len(trailed), true), fragment(0, 4*CellSize, false))
	return vectors
}

// A blockCase is a block that must be taken for a message or refused.
type blockCase struct {
	name           string
	block, message []byte
	good           bool
}

func blockCases() []blockCase {
	text := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i*i>>4 + 1)
		}
		return b
	}
	var cases []blockCase
	add := func(name string, good bool, longer int, write func(w *blockWriter)) {
		var w blockWriter
		write(&w)
		cases = append(cases, blockCase{name, w.block(longer), w.message, good})
	}
	add("everything that a block can have", true, 0, func(w *blockWriter) {
		w.literal([]byte("view 7, op 1; "), 0)
		w.copy(14, 8, 1)
		w.literal(text(200), 1)
		w.copy(200, 60, 2)
		w.again(4, 0)
		w.again(8, 0)
		w.again(100, 1)
		w.literal(text(300), 2)
		w.copy(690, 64, 4)
		w.again(3000, 2)
		w.copy(2047, 11, 1)
		w.literal([]byte("end\x00"), 3)
		w.copy(1, 60, 2)
		w.again(65600, 3)
	})
	add("a literal", true, 0, func(w *blockWriter) { w.literal([]byte("abc"), 0) })
	add("the longest message", true, 0, func(w *blockWriter) {
		w.literal([]byte{1, 0}, 0)
		w.copy(1, 4, 1)
		w.again(MessageMax-6, 3)
	})
	add("a byte more than the longest message", false, 0, func(w *blockWriter) {
		w.literal([]byte{1, 0}, 0)
		w.copy(1, 4, 1)
		w.again(MessageMax-5, 3)
	})
	add("no message", false, 0, func(*blockWriter) {})
	add("a message that is shorter than it says", false, 1, func(w *blockWriter) { w.literal([]byte("abc"), 0) })
	add("a literal that is longer than the message", false, -1, func(w *blockWriter) { w.literal([]byte("abc"), 0) })
	add("a copy that is longer than the message", false, -1, func(w *blockWriter) {
		w.literal([]byte("abc"), 0)
		w.copy(3, 4, 2)
	})
	add("a copy from before the beginning", false, 4, func(w *blockWriter) {
		w.literal([]byte("abc"), 0)
		w.copy(4, 4, 2)
	})
	add("a copy with offset 0", false, 4, func(w *blockWriter) {
		w.literal([]byte("abc"), 0)
		w.copy(0, 4, 2)
	})
	add("the same offset before there is one", false, 4, func(w *blockWriter) {
		w.literal([]byte("abc"), 0)
		w.again(4, 0)
	})
	add("a literal that is cut off", false, 0, func(w *blockWriter) {
		w.literal([]byte("abc"), 0)
		w.elements = w.elements[:3]
	})
	add("a copy that is cut off", false, 0, func(w *blockWriter) {
		w.literal([]byte("abcdefgh"), 0)
		w.copy(8, 4, 2)
		w.elements = w.elements[:len(w.elements)-1]
	})
	return cases
}

// TestErrorsHaveWords: every error of the decoders has a word in the vectors.
func TestErrorsHaveWords(t *testing.T) {
	for _, err := range []error{ErrDatagramLength, ErrDatagramVersion, ErrDatagramType, ErrDatagramFlags, ErrChecksum, ErrHandshake, ErrFrame, ErrShort, ErrLong, ErrKind, ErrFields} {
		word := fmt.Sprintf("%q", refusals[err])
		found := false
		for _, vectors := range vectorFiles(t) {
			found = found || slices.ContainsFunc(vectors, func(v object) bool { return strings.Contains(string(v.json(t)), `"refused": `+word) })
		}
		if !found {
			t.Errorf("no vector is refused because of %v", err)
		}
	}
}
