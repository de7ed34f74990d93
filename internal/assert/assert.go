// Package assert stops the program when one of our own invariants is broken.
//
// It is for what we may get wrong, never for what a peer, a client or a user may send: input is
// accepted or refused, an invariant holds or the process must not go on.
package assert

// That panics with the name of the invariant unless cond holds. It inlines and never formats, so
// it stays on in production.
func That(cond bool, invariant string) {
	if !cond {
		panic("invariant broken: " + invariant)
	}
}
