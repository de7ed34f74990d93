package frag

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vrnode/frag/noise"
	"vrnode/wire"
)

// A secureVector is a datagram of the test vectors of secure mode, as far as this test looks at it.
type secureVector struct {
	Name, Bytes, Refused string
	Secure               struct {
		Keys, Received       []string
		Private, Hello, From string
		HelloAck             string `json:"hello_ack"`
	}
}

// TestSecureVectors receives what other implementations are tested with: HELLOs at an endpoint, and
// DATA in the session of the vectors.
func TestSecureVectors(t *testing.T) {
	text, err := os.ReadFile("../wire/testdata/vectors/secure.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []secureVector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, v := range vectors {
		var got Reason
		switch kind, _, _ := strings.Cut(v.Name, ","); kind {
		case "HELLO":
			got = v.ask(t)
		case "DATA":
			got = v.receive(t)
		default:
			continue
		}
		tried++
		want := Reason(0)
		for r := range reasonMax + 1 {
			if v.Refused != "" && r.String() == v.Refused {
				want = r
			}
		}
		if got != want {
			t.Errorf("%s: %v, not %v", v.Name, got, want)
		}
	}
	if tried < 30 {
		t.Errorf("there are %d", tried)
	}
}

func (v *secureVector) keys(t *testing.T) []noise.Key {
	keys, err := noise.ParseKeys(strings.Join(v.Secure.Keys, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// ask returns why a HELLO gets no HELLO_ACK, or 0.
func (v *secureVector) ask(t *testing.T) Reason {
	e := New(Config{Self: 2, Seed: 1, Keys: v.keys(t), Replicas: []Address{{1, addressOf(1)}, {2, addressOf(2)}}})
	var out Effects
	e.Step(time.Second, addressOf(1), v.digits(t, v.Bytes), &out)
	for r := range reasonMax + 1 {
		if e.Stats().Dropped(r) > 0 {
			return r
		}
	}
	if len(out.Datagrams) != 1 || typeOf(out.Datagrams[0].Bytes) != wire.DatagramHelloAck {
		t.Errorf("%s: neither dropped nor answered", v.Name)
	}
	return 0
}

// receive returns why DATA is dropped, or 0.
func (v *secureVector) receive(t *testing.T) Reason {
	e := New(Config{Self: 2, Seed: 1, Keys: v.keys(t)})
	d := v.digits(t, v.Bytes)
	var h wire.DatagramHeader
	payload, err := wire.DecodeDatagram(d, &h)
	if err != nil {
		return reasonOf(err)
	}
	if !h.Flags.IsSealed() {
		return ReasonPlain
	}
	payload, why := e.verify(v.session(t), 0, d, &h, payload)
	for why == 0 && len(payload) > 0 {
		if payload, err = wire.DecodeFrame(payload, &e.frame); err != nil {
			why = ReasonFrame
		}
	}
	return why
}

// session returns what opens the DATA of the vector.
func (v *secureVector) session(t *testing.T) *seal {
	key := v.keys(t)[0]
	message := func(text string, before int) []byte {
		d := v.digits(t, text)
		return d[wire.DatagramHeaderSize:][before:int(d[2])]
	}
	var responds noise.Responder
	question, err := responds.Read(&key, prologue, message(v.Secure.Hello, 24))
	if err != nil {
		t.Fatal(err)
	}
	var initiates noise.Initiator
	initiates.Hello(nil, &key, prologue, [32]byte(v.digits(t, v.Secure.Private)), question)
	_, secrets, err := initiates.Finish(message(v.Secure.HelloAck, 0))
	if err != nil {
		t.Fatal(err)
	}
	secret := secrets.ToResponder
	if v.Secure.From == "responder" {
		secret = secrets.ToInitiator
	}
	s := newSeal(key.ID(), secret, secret)
	for _, text := range v.Secure.Received {
		number, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		b := s.out.Seal(make([]byte, wire.SealedHeaderSize), wire.SealedHeaderSize, number)
		if _, err := s.in.Open(nil, b, wire.SealedHeaderSize, number, 0); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// digits reads bytes as the vectors write them.
func (v *secureVector) digits(t *testing.T, text string) []byte {
	body, zeros, _ := strings.Cut(text, "+")
	b, err := hex.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(zeros)
	return slices.Concat(b, bytes.Repeat([]byte{0}, n))
}
