package noise

import (
	"crypto/ecdh"
	"errors"

	"vrnode/internal/assert"
)

const (
	publicSize = 32
	// Overhead is by how much a message of the handshake is longer than its payload.
	Overhead = publicSize + TagSize
)

// ErrForged: made with another key, damaged, or not meant for this place.
var ErrForged = errors.New("noise: forged, damaged, or made with another key")

// Secrets are what a handshake gives: one for each direction.
type Secrets struct{ ToResponder, ToInitiator [32]byte }

// An Initiator speaks first: Hello, then Finish.
type Initiator struct {
	state   symmetric
	private *ecdh.PrivateKey
}

// Hello appends the first message. The ephemeral secret serves one handshake. The prologue is
// what both ends must agree about beforehand.
func (i *Initiator) Hello(dst []byte, k *Key, prologue []byte, ephemeral [32]byte, payload []byte) []byte {
	i.private = private(ephemeral)
	i.state = newSymmetric(prologue)
	i.state.mixKeyAndHash(k[:])
	dst = append(dst, i.private.PublicKey().Bytes()...)
	i.state.mixPublic(dst[len(dst)-publicSize:])
	return i.state.encrypt(dst, payload)
}

// Finish takes the second message, and returns its payload and the secrets. A message that it
// refuses leaves no trace, so a forged one does not keep the right one from being taken.
func (i *Initiator) Finish(message []byte) ([]byte, Secrets, error) {
	if len(message) < Overhead {
		return nil, Secrets{}, ErrForged
	}
	state := i.state
	remote := message[:publicSize]
	state.mixPublic(remote)
	if err := state.mixShared(i.private, remote); err != nil {
		return nil, Secrets{}, err
	}
	payload, err := state.decrypt(message[publicSize:])
	if err != nil {
		return nil, Secrets{}, err
	}
	return payload, state.split(), nil
}

// A Responder answers: Read, then Answer.
type Responder struct {
	state  symmetric
	remote [publicSize]byte
}

// Read takes the first message and returns its payload. That costs hashes, but no operation on
// the curve yet.
func (r *Responder) Read(k *Key, prologue, message []byte) ([]byte, error) {
	if len(message) < Overhead {
		return nil, ErrForged
	}
	r.state = newSymmetric(prologue)
	r.state.mixKeyAndHash(k[:])
	copy(r.remote[:], message)
	r.state.mixPublic(r.remote[:])
	return r.state.decrypt(message[publicSize:])
}

// Answer appends the second message and returns it with the secrets.
func (r *Responder) Answer(dst []byte, ephemeral [32]byte, payload []byte) ([]byte, Secrets, error) {
	own := private(ephemeral)
	dst = append(dst, own.PublicKey().Bytes()...)
	r.state.mixPublic(dst[len(dst)-publicSize:])
	if err := r.state.mixShared(own, r.remote[:]); err != nil {
		return nil, Secrets{}, err
	}
	dst = r.state.encrypt(dst, payload)
	return dst, r.state.split(), nil
}

// mixPublic is the token e, which with a pre-shared key counts as key material too.
func (s *symmetric) mixPublic(public []byte) {
	s.mixHash(public)
	s.mixKey(public)
}

// mixShared is the token ee. It fails if the remote key is one that makes a secret known to all.
func (s *symmetric) mixShared(own *ecdh.PrivateKey, remote []byte) error {
	public, err := ecdh.X25519().NewPublicKey(remote)
	if err != nil {
		return ErrForged
	}
	shared, err := own.ECDH(public)
	if err != nil {
		return ErrForged
	}
	s.mixKey(shared)
	return nil
}

func private(ephemeral [32]byte) *ecdh.PrivateKey {
	k, err := ecdh.X25519().NewPrivateKey(ephemeral[:])
	assert.That(err == nil, "any 32 bytes are a private key")
	return k
}
