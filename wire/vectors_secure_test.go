package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"

	"vrnode/frag/noise"
)

// What a receiver in secure mode refuses beside what every receiver does.
var (
	errPlain    = errors.New("plain")
	errKey      = errors.New("key")
	errForged   = errors.New("forged")
	errReplayed = errors.New("replayed")
)

// A secureSession is a handshake, and all that is needed to read what follows.
type secureSession struct {
	keys            []noise.Key
	private         [32]byte // of the initiator's ephemeral key
	initiates       noise.Initiator
	hello, helloAck []byte // datagrams
	answer          []byte // the message of Noise in the latter
	secrets         noise.Secrets
}

// Keys and ephemeral secrets of the vectors. Nobody uses them for anything else.
var (
	vectorKey, otherVectorKey = noise.Key(bytes.Repeat([]byte{0x51}, 32)), noise.Key(bytes.Repeat([]byte{0x52}, 32))
	vectorPrivate             = [32]byte(bytes.Repeat([]byte{0x61}, 32))
	vectorAnswer              = [32]byte(bytes.Repeat([]byte{0x62}, 32))
	vectorPrologue            = append([]byte("vrnode"), DatagramVersion)
)

func sealedHandshake(key noise.Key, named noise.KeyID, prologue []byte, question []byte, size int) (*noise.Initiator, []byte) {
	initiates := new(noise.Initiator)
	message := initiates.Hello(AppendGreeting(nil, &Greeting{Key: uint64(named)}), &key, prologue, vectorPrivate, question)
	return initiates, stamped(DatagramHeader{Type: DatagramHello, Flags: FlagSealed, Number: 1}, message, size-DatagramHeaderSize-len(message), HelloBinding())
}

// newSecureSession goes through a handshake.
func newSecureSession(t *testing.T) *secureSession {
	s := &secureSession{keys: []noise.Key{vectorKey, otherVectorKey}, private: vectorPrivate}
	question := AppendHello(nil, &Hello{Session: 0xa0001, Sender: initiator, Target: 2})
	var initiates *noise.Initiator
	initiates, s.hello = sealedHandshake(vectorKey, vectorKey.ID(), vectorPrologue, question, HelloSize)
	s.initiates = *initiates
	var responds noise.Responder
	if _, err := responds.Read(&vectorKey, vectorPrologue, s.hello[DatagramHeaderSize+greetingLength:][:noise.Overhead+helloLength]); err != nil {
		t.Fatal(err)
	}
	var err error
	s.answer, s.secrets, err = responds.Answer(nil, vectorAnswer, AppendHello(nil, &Hello{Session: 0xb0002, Sender: responder, Target: 1, Echo: initiator.Nonce}))
	if err != nil {
		t.Fatal(err)
	}
	s.helloAck = s.acknowledges(s.answer)
	return s
}

func (s *secureSession) acknowledges(message []byte) []byte {
	h := DatagramHeader{Type: DatagramHelloAck, Flags: FlagSealed, To: 0xa0001, Number: 1}
	return stamped(h, message, HelloSize-DatagramHeaderSize-len(message), HelloAckBinding(initiator.Nonce))
}

// seal returns a DATA datagram with a number, of which padding bytes are padding.
func (s *secureSession) seal(secret [32]byte, number uint64, flags DatagramFlags, frames []byte, padding int) []byte {
	var sealer noise.Sealer
	sealer.Begin(secret)
	phase := uint8(0)
	for n := uint64(noise.RekeyEvery); n <= number; n += noise.RekeyEvery {
		phase = sealer.Advance(n)
	}
	d := append(append(make([]byte, SealedHeaderSize), frames...), make([]byte, padding)...)
	PutHeader(d, &DatagramHeader{Flags: flags | PhaseFlags(phase), Length: uint16(len(frames)), To: 0xb0002, Number: number})
	return sealer.Seal(d, SealedHeaderSize, number)
}

// open does what a receiver in secure mode does with a datagram. For HELLO_ACK it is the initiator,
// for DATA who gets what secret seals and has received some numbers.
func (s *secureSession) open(t *testing.T, b []byte, bind Binding, secret [32]byte, received []uint64) (object, error) {
	var h DatagramHeader
	payload, err := DecodeDatagram(b, &h)
	switch {
	case err != nil:
		return nil, err
	case h.Type == DatagramDenial:
	case !h.Flags.IsSealed():
		return nil, errPlain
	case h.Type == DatagramData:
		if payload, err = openData(b, &h, secret, received); err != nil {
			return nil, err
		}
		return payloadObject(t, &h, payload, len(b))
	}
	if err := Verify(b, bind); err != nil {
		return nil, err
	}
	switch h.Type {
	case DatagramHello:
		return s.openHello(t, b, &h, payload)
	case DatagramHelloAck:
		payload, _, err = s.initiates.Finish(payload)
	case DatagramReset:
		if len(payload) < noise.MACSize {
			return nil, ErrHandshake
		}
		at := len(payload) - noise.MACSize
		if DecodeReset(payload[:at], new(Reset)) == nil && !s.keys[0].Proves(payload[at:], payload[:at]) && !s.keys[1].Proves(payload[at:], payload[:at]) {
			err = noise.ErrForged
		}
		payload = payload[:at]
	}
	if err != nil {
		return nil, errForged
	}
	return payloadObject(t, &h, payload, len(b))
}

func (s *secureSession) openHello(t *testing.T, b []byte, h *DatagramHeader, payload []byte) (object, error) {
	var g Greeting
	message, err := DecodeGreeting(payload, &g)
	if err != nil || len(b) < HelloSize {
		return nil, ErrHandshake
	}
	for _, k := range s.keys {
		if uint64(k.ID()) == g.Key {
			var responds noise.Responder
			if message, err = responds.Read(&k, vectorPrologue, message); err != nil {
				return nil, errForged
			}
			return payloadObject(t, h, append(AppendGreeting(nil, &g), message...), len(b))
		}
	}
	return nil, errKey
}

func openData(b []byte, h *DatagramHeader, secret [32]byte, received []uint64) ([]byte, error) {
	var opener noise.Opener
	opener.Begin(secret)
	for _, n := range received {
		var sealer noise.Sealer
		sealer.Begin(secret)
		if _, err := opener.Open(nil, sealer.Seal(make([]byte, SealedHeaderSize), SealedHeaderSize, n), SealedHeaderSize, n, 0); err != nil {
			return nil, err
		}
	}
	if !opener.IsNew(h.Number) {
		return nil, errReplayed
	}
	text, err := opener.Open(nil, b, SealedHeaderSize, h.Number, h.Flags.Phase())
	if err != nil {
		return nil, errForged
	}
	return text[:h.Length], nil
}

func secureVectors(t *testing.T) []object {
	s := newSecureSession(t)
	var keys []string
	for _, k := range s.keys {
		keys = append(keys, k.Text())
	}
	words := map[error]string{errPlain: "plain", errKey: "key", errForged: "forged", errReplayed: "replayed"}
	var vectors []object
	put := func(name string, b []byte, bind *binder, given object, secret [32]byte, received []uint64) {
		value := Binding(0)
		o := object{{"name", name}, {"of", "datagram"}, {"bytes", digits(b)}, {"secure", append(object{{"keys", keys}}, given...)}}
		if bind != nil {
			value = bind.Binding
			o = append(o, member{"binding", append(bind.origin, member{"value", decimal(value)})})
		}
		decoded, err := s.open(t, b, value, secret, received)
		word := words[err]
		if word == "" {
			word = refusals[err]
		}
		if err != nil {
			o = append(o, member{"refused", word})
		}
		if decoded != nil {
			o = append(o, member{"decoded", decoded})
		}
		vectors = append(vectors, o)
	}
	hello, helloAck, denial, reset, toResponder, _ := binders()

	ask := func(name string, b []byte) { put("HELLO, "+name, b, &hello, nil, [32]byte{}, nil) }
	question := AppendHello(nil, &Hello{Session: 0xa0001, Sender: initiator, Target: 2})
	hello2 := func(k noise.Key, named noise.KeyID, prologue, question []byte, size int) []byte {
		_, b := sealedHandshake(k, named, prologue, question, size)
		return b
	}
	again := func(b []byte, bind Binding) []byte {
		var h DatagramHeader
		if _, err := DecodeDatagram(b, &h); err != nil {
			t.Fatal(err)
		}
		Stamp(b, &h, bind)
		return b
	}
	changed := func(b []byte, at int, bind Binding) []byte {
		b = bytes.Clone(b)
		b[at] ^= 1
		return again(b, bind)
	}
	ask("with the first key", s.hello)
	ask("with the second key", hello2(otherVectorKey, otherVectorKey.ID(), vectorPrologue, question, HelloSize))
	ask("with another key", hello2(noise.Key{1}, noise.KeyID(5), vectorPrologue, question, HelloSize))
	ask("with another key under the name of a known one", hello2(noise.Key{1}, vectorKey.ID(), vectorPrologue, question, HelloSize))
	ask("with another prologue", hello2(vectorKey, vectorKey.ID(), []byte("vrnode"), question, HelloSize))
	ask("one bit of the ephemeral key changed", changed(s.hello, DatagramHeaderSize+greetingLength, HelloBinding()))
	ask("one bit of the tag changed", changed(s.hello, DatagramHeaderSize+greetingLength+noise.Overhead+helloLength-1, HelloBinding()))
	ask("the checksum of another", changed(s.hello, 1199, HelloBinding()+1))
	ask("a byte short of its padding", hello2(vectorKey, vectorKey.ID(), vectorPrologue, question, HelloSize-1))
	ask("session 0", hello2(vectorKey, vectorKey.ID(), vectorPrologue, AppendHello(nil, &Hello{Sender: initiator, Target: 2}), HelloSize))
	ask("with the phase of a key", func() []byte { b := bytes.Clone(s.hello); b[1] |= 1 << phaseShift; return b }())
	ask("of plain mode", stamped(DatagramHeader{Type: DatagramHello, Number: 1}, append(AppendGreeting(nil, &Greeting{}), question...), HelloSize-DatagramHeaderSize-greetingLength-helloLength, HelloBinding()))

	asked := object{{"private", hex.EncodeToString(s.private[:])}, {"hello", digits(s.hello)}}
	answer := func(name string, b []byte) { put("HELLO_ACK, "+name, b, &helloAck, asked, [32]byte{}, nil) }
	answer("to the HELLO", s.helloAck)
	answer("one bit of the ephemeral key changed", changed(s.helloAck, DatagramHeaderSize, helloAck.Binding))
	answer("one bit of the fields changed", changed(s.helloAck, DatagramHeaderSize+50, helloAck.Binding))
	answer("with an ephemeral key that makes no secret", s.acknowledges(append(make([]byte, 32), s.answer[32:]...)))
	answer("too short for a message of Noise", s.acknowledges(s.answer[:noise.Overhead-1]))

	data := func(name, from string, b []byte, received ...uint64) {
		given := append(asked[:2:2], member{"hello_ack", digits(s.helloAck)}, member{"from", from}, member{"received", decimals(received)})
		put("DATA, "+name, b, nil, given, map[string][32]byte{"initiator": s.secrets.ToResponder, "responder": s.secrets.ToInitiator}[from], received)
	}
	there, back := s.secrets.ToResponder, s.secrets.ToInitiator
	frames := AppendLatest(AppendPing(nil), &Latest{Key: 31, Seq: 1, Bytes: []byte("applied")})
	first := s.seal(there, 100, FlagImmediateAck, frames, 0)
	data("of the initiator", "initiator", first)
	data("of the responder, padded", "responder", s.seal(back, 200, 0, AppendPing(nil), 27))
	data("with the other direction's key", "responder", first)
	for _, c := range []struct {
		name string
		at   int
		bit  byte
	}{
		{"flags", 1, 1}, {"length", 2, 1}, {"index", 4, 1}, {"number", 8, 1}, {"frames", SealedHeaderSize, 1}, {"tag", len(first) - 1, 1},
		{"phase", 1, 1 << phaseShift}, {"phase, two on", 1, 2 << phaseShift}, {"reserved flags", 1, 2}, {"mode", 1, byte(FlagSealed)},
	} {
		b := bytes.Clone(first)
		b[c.at] ^= c.bit
		data("a bit changed: "+c.name, "initiator", b)
	}
	data("after one change of the key", "initiator", s.seal(there, noise.RekeyEvery, 0, frames, 0))
	data("long after one change of the key", "initiator", s.seal(there, 2*noise.RekeyEvery-1, 0, frames, 0))
	data("two changes of the key ahead", "initiator", s.seal(there, 2*noise.RekeyEvery, 0, frames, 0))
	data("received before", "initiator", first, 100)
	data("later than another", "initiator", first, 99)
	data("earlier than another", "initiator", first, 101)
	data("as old as may be", "initiator", first, 100+noise.WindowSize-1)
	data("older", "initiator", first, 100+noise.WindowSize)
	data("the third frame malformed", "initiator", s.seal(there, 101, 0, append(bytes.Clone(frames), 0, 1), 0))
	data("no frame", "initiator", s.seal(there, 102, 0, nil, 0))
	data("too short for a tag", "initiator", first[:SealedHeaderSize+len(frames)+TagSize-1])
	plain := stamped(DatagramHeader{To: 0xb0002, Number: 100}, frames, 0, toResponder.Binding)
	put("DATA, of plain mode", plain, &toResponder, nil, [32]byte{}, nil)

	quote := AppendReset(nil, &Reset{2, 0xb0002, 77})
	resets := func(name string, payload []byte, flags DatagramFlags) {
		b := stamped(DatagramHeader{Type: DatagramReset, Flags: flags}, payload, 0, reset.Binding)
		put("RESET, "+name, b, &reset, nil, [32]byte{}, nil)
	}
	resets("by the first key", vectorKey.MAC(bytes.Clone(quote), quote), FlagSealed)
	resets("by the second key", otherVectorKey.MAC(bytes.Clone(quote), quote), FlagSealed)
	resets("by another key", (&noise.Key{1}).MAC(bytes.Clone(quote), quote), FlagSealed)
	resets("the MAC of another one", vectorKey.MAC(bytes.Clone(quote), quote[1:]), FlagSealed)
	resets("without a MAC", quote, FlagSealed)
	resets("of plain mode", quote, 0)
	put("DENIAL, which has no mode", stamped(DatagramHeader{Type: DatagramDenial}, AppendDenial(nil, &Denial{Quote: 5, Why: DeniedKey}), 0, denial.Binding), &denial, nil, [32]byte{}, nil)
	return vectors
}

func decimals(numbers []uint64) []string {
	all := []string{}
	for _, n := range numbers {
		all = append(all, decimal(n))
	}
	return all
}

// TestSecureVectorsSayEverything: every word for what a receiver in secure mode refuses is in them,
// and every type of datagram is accepted once.
func TestSecureVectorsSayEverything(t *testing.T) {
	words, types := map[any]bool{}, map[any]bool{}
	for _, v := range secureVectors(t) {
		for _, m := range v {
			switch m.name {
			case "refused":
				words[m.value] = true
			case "decoded":
				types[m.value.(object)[0].value] = true
			}
		}
	}
	want := map[any]bool{}
	for _, w := range []string{"length", "flags", "plain", "checksum", "handshake", "frame", "key", "forged", "replayed"} {
		want[w] = true
	}
	if !reflect.DeepEqual(words, want) || len(types) != 5 {
		t.Errorf("refused for %v, accepted %v", words, types)
	}
}
