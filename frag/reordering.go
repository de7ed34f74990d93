package frag

// A reordering is what is known of how much datagrams overtake each other on the way to the peer.
// Whatever was taken for lost and arrived after all makes loss detection more patient, until many
// in a row that were taken for lost were lost.
type reordering struct {
	// count is how many later datagrams must be acknowledged for one to be lost.
	count uint64
	// patience is how many quarters of the least round-trip time, on top of a round trip, must
	// have passed since it was sent.
	patience int
	// right counts the losses since the last one that was none.
	right int
}

func (r *reordering) begin() { *r = reordering{count: reorderMin, patience: 1} }

// wrong: a datagram that was taken for lost has arrived, so many behind one that had.
func (r *reordering) wrong(behind uint64) {
	r.count = max(r.count, behind+1)
	r.patience = min(r.patience+1, patienceMax)
	r.right = 0
}

// lost: a datagram that was taken for lost has not arrived.
func (r *reordering) lost() {
	r.right++
	if r.right == rightMax {
		r.right = 0
		r.count = max(r.count/2, reorderMin)
		r.patience = max(r.patience/2, 1)
	}
}
