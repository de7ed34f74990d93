package frag

// A queue is messages in their order, in a ring. A place in it may be empty.
type queue struct {
	ring []*outMessage
	// The places are head … tail-1. Both wrap around.
	head, tail uint64
}

func (q *queue) len() int { return int(q.tail - q.head) }

func (q *queue) place(i uint64) **outMessage { return &q.ring[i&uint64(len(q.ring)-1)] }

// at returns the message at a place of the queue.
func (q *queue) at(i uint64) *outMessage { return *q.place(i) }

// clear empties a place of the queue and returns the message that was there.
func (q *queue) clear(i uint64) *outMessage {
	m := q.at(i)
	*q.place(i) = nil
	return m
}

// first returns the message at the first place; there must be one.
func (q *queue) first() *outMessage { return q.at(q.head) }

// push appends a message.
func (q *queue) push(m *outMessage) {
	q.makeRoom()
	*q.place(q.tail) = m
	q.tail++
}

// pushFirst puts a message in front of all others.
func (q *queue) pushFirst(m *outMessage) {
	q.makeRoom()
	q.head--
	*q.place(q.head) = m
}

// pop takes the first place out of the queue and returns its message; there must be one.
func (q *queue) pop() *outMessage {
	q.head++
	return q.clear(q.head - 1)
}

// popLast does so with the last place.
func (q *queue) popLast() *outMessage {
	q.tail--
	return q.clear(q.tail)
}

func (q *queue) makeRoom() {
	if q.len() == len(q.ring) {
		q.ring = grow(q.ring, q.head, 16)
	}
}
