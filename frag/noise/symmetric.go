package noise

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"

	"vrnode/internal/assert"
)

const (
	protocolName = "Noise_NNpsk0_25519_AESGCM_SHA256"
	// TagSize is by how much a sealed text is longer than the text.
	TagSize   = 16
	nonceSize = 12
)

// symmetric is the SymmetricState of Noise (section 5.2) with the cipher in it. It is a value: a
// copy that failed is thrown away.
type symmetric struct {
	chaining, hash, key [32]byte
	nonce               uint64
}

func newSymmetric(prologue []byte) symmetric {
	var s symmetric
	copy(s.hash[:], protocolName) // it has just the length of a hash
	s.chaining = s.hash
	s.mixHash(prologue)
	return s
}

func (s *symmetric) mixHash(data []byte) {
	h := sha256.New()
	h.Write(s.hash[:])
	h.Write(data)
	h.Sum(s.hash[:0])
}

func (s *symmetric) mixKey(material []byte) {
	out := expand(s.chaining[:], material, 2)
	copy(s.chaining[:], out)
	s.setKey(out[32:])
}

func (s *symmetric) mixKeyAndHash(material []byte) {
	out := expand(s.chaining[:], material, 3)
	copy(s.chaining[:], out)
	s.mixHash(out[32:64])
	s.setKey(out[64:])
}

func (s *symmetric) setKey(key []byte) {
	copy(s.key[:], key)
	s.nonce = 0
}

// encrypt appends the sealed text.
func (s *symmetric) encrypt(dst, text []byte) []byte {
	var nonce [nonceSize]byte
	putNonce(&nonce, s.nonce)
	at := len(dst)
	dst = newAEAD(&s.key).Seal(dst, nonce[:], text, s.hash[:])
	s.nonce++
	s.mixHash(dst[at:])
	return dst
}

func (s *symmetric) decrypt(sealed []byte) ([]byte, error) {
	var nonce [nonceSize]byte
	putNonce(&nonce, s.nonce)
	text, err := newAEAD(&s.key).Open(nil, nonce[:], sealed, s.hash[:])
	if err != nil {
		return nil, ErrForged
	}
	s.nonce++
	s.mixHash(sealed)
	return text, nil
}

func (s *symmetric) split() Secrets {
	out := expand(s.chaining[:], nil, 2)
	return Secrets{ToResponder: [32]byte(out[:32]), ToInitiator: [32]byte(out[32:])}
}

// expand is the HKDF of Noise (section 4.3), which is that of RFC 5869 without info.
func expand(chaining, material []byte, outputs int) []byte {
	out, err := hkdf.Key(sha256.New, material, chaining, "", 32*outputs)
	assert.That(err == nil, "a few hashes are not too long a key")
	return out
}

// putNonce writes a nonce of AESGCM (section 12.4): four zeros, and the number big-endian.
func putNonce(nonce *[nonceSize]byte, number uint64) {
	binary.BigEndian.PutUint64(nonce[nonceSize-8:], number)
}

func newAEAD(key *[32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	assert.That(err == nil, "a key has the length of an AES-256 key")
	aead, err := cipher.NewGCM(block)
	assert.That(err == nil, "AES has the block size of GCM")
	return aead
}
