package noise

import (
	"crypto/hmac"
	"crypto/sha256"
)

// An Entropy makes secrets of a seed, one after the other. Who learns its state does not learn the
// secrets that it made before.
type Entropy struct{ state [sha256.Size]byte }

// NewEntropy returns an Entropy that makes the same secrets of the same seed.
func NewEntropy(seed [32]byte) Entropy { return Entropy{seed} }

// Next returns 32 bytes that nobody can guess.
func (e *Entropy) Next() [32]byte {
	secret := e.step("secret")
	e.state = e.step("state")
	return secret
}

func (e *Entropy) step(label string) (out [32]byte) {
	mac := hmac.New(sha256.New, e.state[:])
	mac.Write([]byte(label))
	mac.Sum(out[:0])
	return out
}
