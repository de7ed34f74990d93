package frag

import (
	"encoding/binary"
	"time"

	"github.com/cespare/xxhash/v2"

	"vrnode/internal/assert"
	"vrnode/wire"
)

// An outMessage is a message on its way out. Its buffer holds the message, its trailer if it needs
// one, and two bitmaps of its cells: those acknowledged and those to be sent again.
type outMessage struct {
	buffer []byte
	total  int
	cells  int
	single bool
	// id is by which the receiver knows it, from when its first cell is sent.
	id uint64
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

// An outLane holds the messages of a lane in the order of their sending, in a ring of places:
// floor … fresh-1 are sent and not all acknowledged, fresh … next-1 are to be sent, the first of
// them perhaps in part. A place is empty once its message is acknowledged or given up.
type outLane struct {
	ring               []*outMessage
	floor, fresh, next uint64
	// ids counts the messages that the session has begun with: the first one's id is 1.
	ids uint64
	// bytes counts the buffers of all messages, started the messages that are sent in part or
	// whole and not acknowledged.
	bytes, started int
	// lost counts the cells to be sent again; lostFrom is not above the first place with any.
	lost     int
	lostFrom uint64
}

func (l *outLane) at(place uint64) *outMessage { return l.ring[place&uint64(len(l.ring)-1)] }

// isEmpty tells whether all messages are acknowledged.
func (l *outLane) isEmpty() bool { return l.floor == l.next }

// fits tells whether the lane may take another message.
func (l *outLane) fits(bytes int) bool {
	return l.next-l.floor < queueMessagesMax && l.bytes+bytes <= queueBytesMax
}

func (l *outLane) push(m *outMessage) {
	if l.next-l.floor == uint64(len(l.ring)) {
		l.ring = grow(l.ring, l.floor, 16)
	}
	l.ring[l.next&uint64(len(l.ring)-1)] = m
	l.next++
	l.bytes += cap(m.buffer)
}

// A fragment is a run of cells that is to be sent.
type fragment struct {
	place       uint64
	cell, cells int
	again       bool
}

// isWaiting tells whether the receiver's window lets something be sent.
func (l *outLane) isWaiting(window int) bool {
	return l.lost > 0 || l.fresh < l.next && (l.at(l.fresh).sent > 0 || l.mayStart(l.at(l.fresh), window))
}

// take returns the next fragment to send in so much room, and counts it as sent.
func (l *outLane) take(room int, window int) (fragment, bool) {
	if l.lost > 0 {
		return l.takeLost(room)
	}
	if l.fresh == l.next {
		return fragment{}, false
	}
	m := l.at(l.fresh)
	if m.sent == 0 && !l.mayStart(m, window) {
		return fragment{}, false
	}
	cells := cellsThatFit(m, m.sent, m.cells-m.sent, room)
	if cells == 0 {
		return fragment{}, false
	}
	if m.sent == 0 {
		l.started += m.total
		l.ids++
		m.id = l.ids
	}
	f := fragment{l.fresh, m.sent, cells, false}
	m.sent += cells
	if m.sent == m.cells {
		l.fresh++
		l.skipEmpty()
	}
	return f, true
}

func (l *outLane) mayStart(m *outMessage, window int) bool {
	return l.fresh-l.floor < windowMessages && l.started+m.total <= window
}

func (l *outLane) takeLost(room int) (fragment, bool) {
	m := l.at(l.lostFrom)
	for m == nil || m.lost == 0 {
		l.lostFrom++
		assert.That(l.lostFrom < l.next, "a lane with lost cells has a message with lost cells")
		m = l.at(l.lostFrom)
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

// find returns the message at a place, or nil if it is no longer there.
func (l *outLane) find(place uint64) *outMessage {
	if place < l.floor || place >= l.next {
		return nil
	}
	return l.at(place)
}

func (l *outLane) remove(place uint64) {
	m := l.at(place)
	l.ring[place&uint64(len(l.ring)-1)] = nil
	l.bytes -= cap(m.buffer)
	l.started -= m.total
	l.raiseFloor()
}

// skipEmpty goes on to the next place with a message to send.
func (l *outLane) skipEmpty() {
	for l.fresh < l.next && l.at(l.fresh) == nil {
		l.fresh++
	}
}

// raiseFloor forgets the first places if they are empty.
func (l *outLane) raiseFloor() {
	for l.floor < l.fresh && l.at(l.floor) == nil {
		l.floor++
	}
	l.lostFrom = max(l.lostFrom, l.floor)
}

// giveUp takes the next message to begin with out of the lane, and returns it, if it is too late for
// that. What has begun goes on: on a slow path a message that may take long would never arrive else.
func (l *outLane) giveUp(now time.Duration) *outMessage {
	if l.fresh == l.next {
		return nil
	}
	m := l.at(l.fresh)
	if m.sent > 0 || m.until > now {
		return nil
	}
	l.ring[l.fresh&uint64(len(l.ring)-1)] = nil
	l.bytes -= cap(m.buffer)
	l.skipEmpty()
	l.raiseFloor()
	return m
}

// rewind makes the lane as if nothing of it had been sent, for a new session. No message of it
// has been acknowledged.
func (l *outLane) rewind() {
	for place := l.floor; place < l.next; place++ {
		if m := l.at(place); m != nil {
			m.rewind()
		}
	}
	l.fresh, l.lostFrom = l.floor, l.floor
	l.skipEmpty()
	l.raiseFloor()
	l.ids, l.started, l.lost = 0, 0, 0
}

// newMessage copies a message into a buffer, with what it needs there.
func (e *Endpoint) newMessage(message []byte) *outMessage {
	var m *outMessage
	if n := len(e.outMessages); n > 0 {
		m, e.outMessages = e.outMessages[n-1], e.outMessages[:n-1]
	} else {
		m = new(outMessage)
	}
	*m = outMessage{total: totalOf(message), single: len(message) <= wire.SingleMax}
	m.cells = cellsOf(m.total)
	m.buffer = e.pool.take(bufferSize(m.total))
	clear(m.buffer[copy(m.buffer, message):])
	if !m.single {
		binary.LittleEndian.PutUint64(m.buffer[len(message):], xxhash.Sum64(message))
	}
	return m
}

// totalOf returns the length of a message with its trailer, if it needs one.
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

// dropLane empties a lane, whatever became of its messages.
func (e *Endpoint) dropLane(l *outLane) {
	for place := l.floor; place < l.next; place++ {
		if m := l.at(place); m != nil {
			e.freeMessage(m)
			l.ring[place&uint64(len(l.ring)-1)] = nil
		}
	}
	*l = outLane{ring: l.ring, floor: l.next, fresh: l.next, next: l.next, lostFrom: l.next}
}
