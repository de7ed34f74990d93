package frag

// A queue is messages in their order, in a ring.
type queue struct {
	ring []*outMessage
	// The messages are at head … tail-1. Both wrap around.
	head, tail uint64
}

func (q *queue) len() int { return int(q.tail - q.head) }

func (q *queue) at(i uint64) **outMessage { return &q.ring[i&uint64(len(q.ring)-1)] }

// first returns the first message; there must be one.
func (q *queue) first() *outMessage { return *q.at(q.head) }

// push appends a message.
func (q *queue) push(m *outMessage) {
	q.makeRoom()
	*q.at(q.tail) = m
	q.tail++
}

// pushFirst puts a message in front of all others.
func (q *queue) pushFirst(m *outMessage) {
	q.makeRoom()
	q.head--
	*q.at(q.head) = m
}

// pop takes the first message out; there must be one.
func (q *queue) pop() *outMessage {
	m := q.first()
	*q.at(q.head) = nil
	q.head++
	return m
}

func (q *queue) makeRoom() {
	if q.len() == len(q.ring) {
		q.ring = grow(q.ring, q.head, 16)
	}
}
