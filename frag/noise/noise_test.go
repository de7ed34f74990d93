package noise

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// vectors reads the published test vectors: each a list of names and values.
func vectors(t testing.TB) []map[string][]byte {
	text, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string][]byte
	for block := range strings.SplitSeq(string(text), "\n\n") {
		v := map[string][]byte{}
		for line := range strings.Lines(block) {
			name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
			if !ok || name == "handshake" {
				continue
			}
			if v[name], err = hex.DecodeString(value); err != nil {
				t.Fatal(err)
			}
		}
		if len(v) > 0 {
			all = append(all, v)
		}
	}
	return all
}

// TestVectors: the handshake and the first datagram of each direction are byte for byte those of
// others.
func TestVectors(t *testing.T) {
	all := vectors(t)
	if len(all) == 0 {
		t.Fatal("no vectors")
	}
	for i, v := range all {
		k := Key(v["preshared_key"])
		var a Initiator
		hello := a.Hello(nil, &k, v["prologue"], [32]byte(v["gen_init_ephemeral"]), v["msg_0_payload"])
		if !bytes.Equal(hello, v["msg_0_ciphertext"]) {
			t.Errorf("vector %d: the first message is %x", i, hello)
		}
		var b Responder
		if payload, err := b.Read(&k, v["prologue"], hello); err != nil || !bytes.Equal(payload, v["msg_0_payload"]) {
			t.Errorf("vector %d: the first message holds %x, %v", i, payload, err)
		}
		answer, theirs, err := b.Answer(nil, [32]byte(v["gen_resp_ephemeral"]), v["msg_1_payload"])
		if err != nil || !bytes.Equal(answer, v["msg_1_ciphertext"]) {
			t.Errorf("vector %d: the second message is %x, %v", i, answer, err)
		}
		payload, ours, err := a.Finish(answer)
		if err != nil || !bytes.Equal(payload, v["msg_1_payload"]) || ours != theirs {
			t.Errorf("vector %d: the second message holds %x, %v", i, payload, err)
		}
		for name, secret := range map[string][32]byte{"msg_2": ours.ToResponder, "msg_3": ours.ToInitiator} {
			var s Sealer
			s.Begin(secret)
			if got := s.Seal(bytes.Clone(v[name+"_payload"]), 0, 0); !bytes.Equal(got, v[name+"_ciphertext"]) {
				t.Errorf("vector %d: %s is %x", i, name, got)
			}
		}
	}
}

// handshake returns the messages and the secrets of a handshake.
func handshake(t testing.TB, k *Key, seed byte) (hello, answer []byte, secrets Secrets) {
	t.Helper()
	entropy := NewEntropy([32]byte{seed})
	var a Initiator
	hello = a.Hello(nil, k, []byte("prologue"), entropy.Next(), []byte("hello"))
	var b Responder
	if _, err := b.Read(k, []byte("prologue"), hello); err != nil {
		t.Fatal(err)
	}
	answer, _, err := b.Answer(nil, entropy.Next(), []byte("answer"))
	if err != nil {
		t.Fatal(err)
	}
	if _, secrets, err = a.Finish(answer); err != nil {
		t.Fatal(err)
	}
	return hello, answer, secrets
}

func TestHandshakeRefuses(t *testing.T) {
	k, other := Key{1}, Key{2}
	hello, _, first := handshake(t, &k, 1)
	_, _, second := handshake(t, &k, 2)
	if first == second || first.ToInitiator == first.ToResponder {
		t.Error("two handshakes or two directions have the same secret")
	}
	var b Responder
	if _, err := b.Read(&other, []byte("prologue"), hello); err != ErrForged {
		t.Errorf("another key: %v", err)
	}
	if _, err := b.Read(&k, []byte("another prologue"), hello); err != ErrForged {
		t.Errorf("another prologue: %v", err)
	}
	for bit := range 8 * len(hello) {
		forged := bytes.Clone(hello)
		forged[bit/8] ^= 1 << (bit % 8)
		if _, err := b.Read(&k, []byte("prologue"), forged); err != ErrForged {
			t.Fatalf("bit %d of the first message may be flipped: %v", bit, err)
		}
	}
	for n := range len(hello) {
		if _, err := b.Read(&k, []byte("prologue"), hello[:n]); err != ErrForged {
			t.Fatalf("the first message may be cut to %d bytes: %v", n, err)
		}
	}
}

// TestFinishAfterForgeries: forged answers do not keep the right one from being taken.
func TestFinishAfterForgeries(t *testing.T) {
	k := Key{1}
	var a Initiator
	var b Responder
	if _, err := b.Read(&k, nil, a.Hello(nil, &k, nil, [32]byte{3}, []byte("hello"))); err != nil {
		t.Fatal(err)
	}
	answer, want, err := b.Answer(nil, [32]byte{4}, []byte("answer"))
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(answer) {
		forged := bytes.Clone(answer)
		forged[bit/8] ^= 1 << (bit % 8)
		// The highest bit of a public key means nothing to the curve; the hash sees it.
		if _, _, err := a.Finish(forged); err != ErrForged {
			t.Fatalf("bit %d of the answer may be flipped: %v", bit, err)
		}
	}
	if _, _, err := a.Finish(append(make([]byte, publicSize), answer[publicSize:]...)); err != ErrForged {
		t.Errorf("a public key of small order: %v", err)
	}
	if _, got, err := a.Finish(answer); err != nil || got != want {
		t.Errorf("the right answer after forged ones: %v", err)
	}
}

func TestEntropy(t *testing.T) {
	a, b, c := NewEntropy([32]byte{1}), NewEntropy([32]byte{1}), NewEntropy([32]byte{2})
	seen := map[[32]byte]bool{{1}: true, {2}: true}
	for range 100 {
		x, y, z := a.Next(), b.Next(), c.Next()
		if x != y {
			t.Fatal("one seed makes two sequences")
		}
		if seen[x] || seen[z] {
			t.Fatal("a secret comes twice")
		}
		seen[x], seen[z] = true, true
	}
}

func TestParseKeys(t *testing.T) {
	one, two := Key{1, 2, 3}, Key{4, 5, 6}
	for _, c := range []struct {
		text string
		want []Key
		err  string
	}{
		{one.Text(), []Key{one}, ""},
		{"# made today\n\n  " + one.Text() + "\r\n" + two.Text() + "\n", []Key{one, two}, ""},
		{"", nil, "there is no key in it"},
		{"# nothing", nil, "there is no key in it"},
		{one.Text() + "\n" + one.Text(), nil, "the same key is in it twice"},
		{one.Text() + "\n" + two.Text() + "\n" + one.Text(), nil, "there are more than 2 keys in it"},
		{"#\n" + one.Text()[1:], nil, "line 2 is no key: it has 63 characters, not 64"},
		{"x" + one.Text()[1:], nil, "line 1 is no key: it is not hexadecimal"},
	} {
		got, err := ParseKeys(c.text)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%q: %v", c.text, err)
			}
			continue
		}
		if err != nil || len(got) != len(c.want) || got[0] != c.want[0] || got[len(got)-1] != c.want[len(c.want)-1] {
			t.Errorf("%q: %v, %v", c.text, got, err)
		}
	}
	if one.ID() == two.ID() || strings.Contains(one.Text(), one.ID().String()) {
		t.Error("the name of a key is that of another one, or part of the key")
	}
	if one.String() != "key "+one.ID().String() || one.GoString() != one.String() {
		t.Errorf("a key prints as %v", one)
	}
}

func TestMAC(t *testing.T) {
	one, two := Key{1}, Key{2}
	mac := one.MAC(nil, []byte("message"))
	if len(mac) != MACSize || !one.Proves(mac, []byte("message")) {
		t.Error("a MAC proves nothing")
	}
	if two.Proves(mac, []byte("message")) || one.Proves(mac, []byte("massage")) || one.Proves(mac[1:], []byte("message")) || one.Proves(nil, []byte("message")) {
		t.Error("a MAC proves what it should not")
	}
}

// FuzzHandshake: nothing but the right bytes is taken, and nothing panics.
func FuzzHandshake(f *testing.F) {
	k := Key{1}
	hello, answer, _ := handshake(f, &k, 1)
	f.Add(hello)
	f.Add(answer)
	f.Add(hello[:Overhead])
	f.Fuzz(func(t *testing.T, message []byte) {
		var b Responder
		if _, err := b.Read(&k, []byte("prologue"), message); (err == nil) != bytes.Equal(message, hello) {
			t.Errorf("first message: %v", err)
		}
		entropy := NewEntropy([32]byte{1})
		var a Initiator
		a.Hello(nil, &k, []byte("prologue"), entropy.Next(), []byte("hello"))
		if _, _, err := a.Finish(message); (err == nil) != bytes.Equal(message, answer) {
			t.Errorf("second message: %v", err)
		}
	})
}
