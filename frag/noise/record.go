package noise

import "crypto/cipher"

const (
	// RekeyEvery is after how many numbers a key is replaced. What AES-GCM guarantees fades with
	// what is sealed with one key; RFC 9001 draws the line at twice as much.
	RekeyEvery = 1 << 22
	// Phases is how many keys in a row have different phases.
	Phases = 4
)

// A Sealer seals the datagrams of one direction.
type Sealer struct {
	key   [32]byte
	aead  cipher.AEAD
	nonce [nonceSize]byte
	phase uint8
}

// Begin makes s seal with the first key of a secret.
func (s *Sealer) Begin(secret [32]byte) { *s = Sealer{key: secret, aead: newAEAD(&secret)} }

// Advance must be called with each number, in their order and before Seal. It returns the phase of
// the number's key, of which the other end has to be told.
func (s *Sealer) Advance(number uint64) uint8 {
	if number%RekeyEvery == 0 {
		s.key = rekey(s.aead)
		s.aead, s.phase = newAEAD(&s.key), (s.phase+1)%Phases
	}
	return s.phase
}

// Seal encrypts what follows the first head bytes of b, in its place, authenticates all of it and
// appends the tag. A number may be used once.
func (s *Sealer) Seal(b []byte, head int, number uint64) []byte {
	putNonce(&s.nonce, number)
	return s.aead.Seal(b[:head], s.nonce[:], b[head:], b[:head])
}

// An Opener opens the datagrams of one direction, each once.
type Opener struct {
	// current is the key of the phase, next that of the one after it, which is made when it is
	// first asked for. previous is nil before the first change, and again when nothing that it
	// opens could pass the window.
	current, next, previous cipher.AEAD
	nextKey                 [32]byte
	nonce                   [nonceSize]byte
	phase                   uint8
	// boundary is the first number of the phase.
	boundary uint64
	window   window
}

// Begin makes o open what a Sealer seals that began with the same secret.
func (o *Opener) Begin(secret [32]byte) { *o = Opener{current: newAEAD(&secret)} }

// IsNew tells whether a number is neither old nor used. It costs next to nothing.
func (o *Opener) IsNew(number uint64) bool { return o.window.isNew(number) }

// Open appends to dst what was sealed in b behind the first head bytes, and notes that the number
// is used, which must be new. It leaves b as it was. If it fails, nothing changes.
func (o *Opener) Open(dst, b []byte, head int, number uint64, phase uint8) ([]byte, error) {
	key := o.keyOf(phase)
	if key == nil || len(b) < head+TagSize {
		return nil, ErrForged
	}
	putNonce(&o.nonce, number)
	text, err := key.Open(dst, o.nonce[:], b[head:], b[:head])
	if err != nil {
		return nil, ErrForged
	}
	if phase == (o.phase+1)%Phases {
		o.previous, o.current, o.next = o.current, o.next, nil
		o.phase, o.boundary = phase, number-number%RekeyEvery
	}
	o.window.add(number)
	if o.previous != nil && o.window.highest >= o.boundary+WindowSize {
		o.previous = nil
	}
	return text, nil
}

func (o *Opener) keyOf(phase uint8) cipher.AEAD {
	switch phase {
	case o.phase:
		return o.current
	case (o.phase + 1) % Phases:
		if o.next == nil {
			o.nextKey = rekey(o.current)
			o.next = newAEAD(&o.nextKey)
		}
		return o.next
	case (o.phase + Phases - 1) % Phases:
		return o.previous
	}
	return nil
}

// rekey is the REKEY of Noise (section 4.2).
func rekey(aead cipher.AEAD) (key [32]byte) {
	var nonce [nonceSize]byte
	putNonce(&nonce, 1<<64-1)
	copy(key[:], aead.Seal(nil, nonce[:], key[:], nil))
	return key
}
