package frag

import (
	"time"

	"vrnode/internal/assert"
	"vrnode/wire"
)

// An outMessage is a message on its way out. Its buffer holds the message, its trailer if it has
// one, and two bitmaps of its cells: those acknowledged and those to be sent again.
type outMessage struct {
	buffer []byte
	total  int
	cells  int
	// single: it fits a datagram.
	single bool
	// bare: it has no trailer.
	bare bool
	// until is when there is no use in beginning with it any more.
	until time.Duration
	// compressed: it is a block of what was to be sent.
	compressed bool
	// sent counts the cells that were sent at least once: they are the first ones.
	sent  int
	acked int
	lost  int
	// lostFrom is not above the first lost cell.
	lostFrom int
}

// cellsPerDatagram is not less than the cells that go into one datagram.
const cellsPerDatagram = wire.DatagramMax / wire.CellSize

func cellsOf(total int) int { return (total + wire.CellSize - 1) / wire.CellSize }

func (m *outMessage) ackedCells() bitmap {
	return bitmap(m.buffer[m.total : m.total+bitmapSize(m.cells)])
}

func (m *outMessage) lostCells() bitmap { return bitmap(m.buffer[m.total+bitmapSize(m.cells):]) }

// bytes returns a run of cells.
func (m *outMessage) bytes(cell, cells int) []byte {
	return m.buffer[cell*wire.CellSize : min((cell+cells)*wire.CellSize, m.total)]
}

// rewind makes m as if nothing of it had been sent.
func (m *outMessage) rewind() {
	m.sent, m.acked, m.lost, m.lostFrom = 0, 0, 0, 0
	clear(m.buffer[m.total:])
}

// An outLane holds the messages of a lane, in the order of their sending: those with which nothing is
// begun, and those that are sent and not all acknowledged, the last of them perhaps in part. The place
// of a message that is begun is its id, and is empty once the message is acknowledged.
type outLane struct {
	waiting, begun queue
	// bytes counts the buffers of all messages, started what those that are begun take of the
	// receiver's window.
	bytes, started int
	// lost counts the cells to be sent again; lostFrom is not above the first message with any.
	lost     int
	lostFrom uint64
}

// firstID is of a session's first message in each lane.
const firstID = 1

// begin makes the lane that of a new session.
func (l *outLane) begin() {
	assert.That(l.begun.len() == 0, "when a session begins, nothing of its messages is sent")
	l.begun.head, l.begun.tail, l.lostFrom = firstID, firstID, firstID
	l.started, l.lost = 0, 0
}

// isEmpty tells whether all messages are acknowledged.
func (l *outLane) isEmpty() bool { return l.begun.len() == 0 && l.waiting.len() == 0 }

// fits tells whether the lane may take another message.
func (l *outLane) fits(bytes int) bool {
	return l.begun.len()+l.waiting.len() < queueMessagesMax && l.bytes+bytes <= queueBytesMax
}

func (l *outLane) push(m *outMessage) {
	l.waiting.push(m)
	l.bytes += cap(m.buffer)
}

// A fragment is a run of cells that is to be sent.
type fragment struct {
	id          uint64
	cell, cells int
	again       bool
}

// inPart returns the message of which a part is sent, or nil.
func (l *outLane) inPart() *outMessage {
	if l.begun.len() == 0 {
		return nil
	}
	if m := l.begun.at(l.begun.tail - 1); m != nil && m.sent < m.cells {
		return m
	}
	return nil
}

// isWaiting tells whether the receiver's window lets something be sent.
func (l *outLane) isWaiting(window int) bool {
	return l.lost > 0 || l.inPart() != nil || l.mayBegin(window)
}

// mayBegin tells whether there is a next message, and the receiver's window lets it be begun.
func (l *outLane) mayBegin(window int) bool {
	return l.waiting.len() > 0 && l.begun.len() < windowMessages && l.started+l.waiting.first().total <= window
}

// take returns the next fragment to send in so much room, and counts it as sent.
func (l *outLane) take(room int, window int) (fragment, bool) {
	if l.lost > 0 {
		return l.takeLost(room)
	}
	m := l.inPart()
	begins := m == nil
	if begins {
		if !l.mayBegin(window) {
			return fragment{}, false
		}
		m = l.waiting.first()
	}
	cells := cellsThatFit(m, m.sent, m.cells-m.sent, room)
	if cells == 0 {
		return fragment{}, false
	}
	if begins {
		l.begun.push(l.waiting.pop())
		l.started += m.total
	}
	f := fragment{l.begun.tail - 1, m.sent, cells, false}
	m.sent += cells
	return f, true
}

func (l *outLane) takeLost(room int) (fragment, bool) {
	m := l.begun.at(l.lostFrom)
	for m == nil || m.lost == 0 {
		l.lostFrom++
		assert.That(l.lostFrom < l.begun.tail, "a lane with lost cells has a message with lost cells")
		m = l.begun.at(l.lostFrom)
	}
	lost := m.lostCells()
	cell := lost.next(m.lostFrom)
	run := 1
	for run < cellsPerDatagram && cell+run < m.cells && lost.has(cell+run) {
		run++
	}
	run = cellsThatFit(m, cell, run, room)
	lost.removeRun(cell, run)
	m.lost -= run
	l.lost -= run
	m.lostFrom = cell + run
	return fragment{l.lostFrom, cell, run, true}, run > 0
}

// cellsThatFit returns how many of a run of cells go into so much room. Nothing is better than a
// crumb, except that a run always fits an empty datagram in part.
func cellsThatFit(m *outMessage, cell, run, room int) int {
	room -= wire.DataHeaderSize
	if len(m.bytes(cell, run)) <= room {
		return run
	}
	cells := room / wire.CellSize
	if m.single || cells < fragmentMin {
		return 0
	}
	return cells
}

// onLost puts the cells of a lost frame back.
func (l *outLane) onLost(r *ref) {
	m := l.find(r.id)
	if m == nil {
		return
	}
	acked, lost := m.ackedCells(), m.lostCells()
	for c := int(r.cell); c < int(r.cell)+int(r.cells); c++ {
		if !acked.has(c) && lost.add(c) {
			m.lost++
			l.lost++
		}
	}
	m.lostFrom = min(m.lostFrom, int(r.cell))
	l.lostFrom = min(l.lostFrom, r.id)
}

// onAcked notes that a frame arrived. It returns the message if it is complete: it is no longer
// in the lane then.
func (l *outLane) onAcked(r *ref) *outMessage {
	m := l.find(r.id)
	if m == nil {
		return nil
	}
	m.acked += m.ackedCells().addRun(int(r.cell), int(r.cells))
	if m.lost > 0 {
		found := m.lostCells().removeRun(int(r.cell), int(r.cells))
		m.lost -= found
		l.lost -= found
	}
	if m.acked < m.cells {
		return nil
	}
	l.remove(r.id)
	return m
}

// find returns the message with an id, or nil if it is no longer there.
func (l *outLane) find(id uint64) *outMessage {
	if id < l.begun.head || id >= l.begun.tail {
		return nil
	}
	return l.begun.at(id)
}

func (l *outLane) remove(id uint64) {
	m := l.begun.clear(id)
	l.bytes -= cap(m.buffer)
	l.started -= m.total
	for l.begun.len() > 0 && l.begun.first() == nil {
		l.begun.pop()
	}
	l.lostFrom = max(l.lostFrom, l.begun.head)
}

// giveUp takes the next message to begin with out of the lane, and returns it, if it is too late for
// that. What has begun goes on: on a slow path a message that may take long would never arrive else.
func (l *outLane) giveUp(now time.Duration) *outMessage {
	if l.waiting.len() == 0 || l.waiting.first().until > now {
		return nil
	}
	m := l.waiting.pop()
	l.bytes -= cap(m.buffer)
	return m
}

// rewind has all messages wait again, as if nothing of them had been sent. None is acknowledged.
func (l *outLane) rewind() {
	for l.begun.len() > 0 {
		m := l.begun.popLast()
		m.rewind()
		l.waiting.pushFirst(m)
	}
}

// newMessage copies a message into a buffer, with a trailer if it does not fit a datagram.
func (e *Endpoint) newMessage(message []byte) *outMessage {
	total := totalOf(message)
	b := append(e.pool.take(bufferSize(total))[:0], message...)
	bare := total == len(message)
	if !bare {
		b = wire.AppendTrailer(b)
	}
	return e.messageIn(b, bare)
}

// messageIn makes a message of what is in a buffer of the pool, with its trailer or bare.
func (e *Endpoint) messageIn(b []byte, bare bool) *outMessage {
	var m *outMessage
	if n := len(e.outMessages); n > 0 {
		m, e.outMessages = e.outMessages[n-1], e.outMessages[:n-1]
	} else {
		m = new(outMessage)
	}
	*m = outMessage{total: len(b), cells: cellsOf(len(b)), single: len(b) <= wire.SingleMax, bare: bare}
	m.buffer = b[:bufferSize(m.total)]
	clear(m.buffer[m.total:])
	return m
}

// totalOf returns the length of a message with the trailer that newMessage adds.
func totalOf(message []byte) int {
	if len(message) <= wire.SingleMax {
		return len(message)
	}
	return len(message) + wire.TrailerSize
}

func bufferSize(total int) int { return total + 2*bitmapSize(cellsOf(total)) }

func (e *Endpoint) freeMessage(m *outMessage) {
	e.queued -= cap(m.buffer)
	e.pool.give(m.buffer)
	m.buffer = nil
	e.outMessages = append(e.outMessages, m)
}

// giveUp drops the messages of a lane that it is too late to begin with, up to the first that is not.
func (e *Endpoint) giveUp(p *peer, l *outLane) {
	for m := l.giveUp(e.now); m != nil; m = l.giveUp(e.now) {
		p.counters.GivenUp++
		e.freeMessage(m)
	}
}

// makeRoom tells whether there is room for so many bytes in a lane, now that what it is too late for is
// out of the way.
func (e *Endpoint) makeRoom(p *peer, l *outLane, size int) bool {
	hasRoom := func() bool { return l.fits(size) && e.queued+size <= sendBudget }
	if hasRoom() {
		return true
	}
	e.giveUp(p, l)
	return hasRoom()
}

// dropLane empties a lane, whatever became of its messages.
func (e *Endpoint) dropLane(l *outLane) {
	for l.begun.len() > 0 {
		if m := l.begun.pop(); m != nil {
			e.freeMessage(m)
		}
	}
	for l.waiting.len() > 0 {
		e.freeMessage(l.waiting.pop())
	}
	l.bytes = 0
}
