package frag

import (
	"vrnode/internal/assert"
	"vrnode/wire"
)

// An inMessage is a message that has arrived in part. Its buffer holds the message, with its
// trailer if it has one, and a bitmap of the cells that are here.
type inMessage struct {
	buffer  []byte
	total   int
	missing int // cells
	// bare: it has no trailer.
	bare bool
	// compressed: it is a block of the message.
	compressed bool
}

// An inLane is the receive window of a lane: ids floor … floor+windowMessages-1 are taken.
type inLane struct {
	// floor is the least id that is not complete.
	floor uint64
	// done is the set of complete ids of the window, by id modulo its size.
	done [windowMessages / 8]byte
	// open holds the incomplete messages likewise. It is nil while there is none.
	open *openMessages
	// bytes sums the totals of the incomplete messages, count counts them.
	bytes, count int
}

// openMessages are the incomplete messages of a lane, by id modulo the size of the window.
type openMessages [windowMessages]*inMessage

// openMessagesSize is what openMessages take of the budget: a pointer each.
const openMessagesSize = 8 * windowMessages

func place(id uint64) int { return int(id % windowMessages) }

// isDone tells whether the message is complete.
func (l *inLane) isDone(id uint64) bool {
	return id < l.floor || id < l.floor+windowMessages && bitmap(l.done[:]).has(place(id))
}

// complete notes that the message was delivered.
func (l *inLane) complete(id uint64) {
	done := bitmap(l.done[:])
	done.add(place(id))
	for done.remove(place(l.floor)) {
		l.floor++
	}
}

func (l *inLane) find(id uint64) *inMessage {
	if l.open == nil {
		return nil
	}
	return l.open[place(id)]
}

// onData applies a DATA frame. It returns why it can not, or 0.
func (e *Endpoint) onData(p *peer, d *wire.Data, out *Effects) Reason {
	l := &p.session.in[d.Lane]
	switch {
	case l.isDone(d.ID):
		e.stats.Redundant++
		return 0
	case d.ID >= l.floor+windowMessages:
		return ReasonWindow
	case d.Compressed && !e.mayCompress(p, Lane(d.Lane)):
		return ReasonBlock
	}
	m := l.find(d.ID)
	if m == nil && d.IsWhole() {
		if !d.Compressed {
			out.deliverCopy(p.id, d.Bytes)
		} else if r := e.deliverBlock(p, d.Bytes, out); r != 0 {
			return r
		}
		l.complete(d.ID)
		e.stats.MessagesIn++
		return 0
	}
	if m == nil {
		if m = e.openMessage(p, l, d); m == nil {
			return ReasonBudget
		}
	}
	if m.total != int(d.Total) || m.bare != d.Bare || m.compressed != d.Compressed {
		return ReasonContradiction
	}
	if !m.put(d) {
		e.stats.Redundant++
	}
	if m.missing > 0 {
		return 0
	}
	return e.finishMessage(p, l, d.ID, out)
}

// openMessage makes room for a message, or returns nil at a bound.
func (e *Endpoint) openMessage(p *peer, l *inLane, d *wire.Data) *inMessage {
	total := int(d.Total)
	cells := cellsOf(total)
	size := total + bitmapSize(cells)
	used, budget := e.receivingFor(p)
	need := classSize(classOf(size))
	if l.open == nil {
		need += openMessagesSize
	}
	if l.bytes+total > windowBytes[d.Lane] || *used+need > budget {
		return nil
	}
	var m *inMessage
	if n := len(e.inMessages); n > 0 {
		m, e.inMessages = e.inMessages[n-1], e.inMessages[:n-1]
	} else {
		m = new(inMessage)
	}
	*m = inMessage{e.pool.take(size), total, cells, d.Bare, d.Compressed}
	clear(m.buffer[total:])
	*used += need
	if l.open == nil {
		l.open = e.takeOpen()
	}
	l.open[place(d.ID)] = m
	l.bytes += total
	l.count++
	return m
}

// takeOpen returns room for the incomplete messages of a lane. It is many times as large as a client
// that has none, and outsiders may be many, so no lane keeps it.
func (e *Endpoint) takeOpen() *openMessages {
	n := len(e.freeOpen)
	if n == 0 {
		return new(openMessages)
	}
	o := e.freeOpen[n-1]
	e.freeOpen = e.freeOpen[:n-1]
	return o
}

// giveOpen takes back what takeOpen lent, which is empty.
func (e *Endpoint) giveOpen(o *openMessages) {
	if len(e.freeOpen) < freeOpenMax {
		e.freeOpen = append(e.freeOpen, o)
	}
}

// receivingFor returns the account of incomplete messages that p belongs to, and its budget.
func (e *Endpoint) receivingFor(p *peer) (used *int, budget int) {
	if p.isClient() {
		return &e.receivingClients, clientBudget
	}
	return &e.receiving, receiveBudget - clientBudget
}

// put copies the fragment and tells whether any of it was missing.
func (m *inMessage) put(d *wire.Data) bool {
	added := bitmap(m.buffer[m.total:]).addRun(int(d.Cell), cellsOf(len(d.Bytes)))
	if added > 0 {
		m.missing -= added
		copy(m.buffer[int(d.Cell)*wire.CellSize:m.total], d.Bytes)
	}
	return added > 0
}

// finishMessage delivers a message that is all there. Its buffer is lent to the effects. A block that
// there is no memory for now stays, and is looked at again when its last fragment comes again.
func (e *Endpoint) finishMessage(p *peer, l *inLane, id uint64, out *Effects) Reason {
	m := l.open[place(id)]
	body := m.buffer[:m.total]
	if !m.bare {
		var ok bool
		if body, ok = wire.CutTrailer(body); !ok {
			return ReasonTrailer
		}
	}
	if m.compressed {
		if r := e.deliverBlock(p, body, out); r != 0 {
			return r
		}
		e.pool.give(e.closeMessage(p, l, place(id)))
	} else {
		out.deliver(p.id, body, &e.pool, e.closeMessage(p, l, place(id)))
	}
	l.complete(id)
	e.stats.MessagesIn++
	return 0
}

// closeMessage takes an incomplete or just completed message out and returns its buffer.
func (e *Endpoint) closeMessage(p *peer, l *inLane, at int) []byte {
	m := l.open[at]
	buffer := m.buffer
	used, _ := e.receivingFor(p)
	*used -= cap(buffer)
	l.bytes -= m.total
	l.count--
	l.open[at], m.buffer = nil, nil
	if l.count == 0 {
		*used -= openMessagesSize
		e.giveOpen(l.open)
		l.open = nil
	}
	e.inMessages = append(e.inMessages, m)
	assert.That(*used >= 0 && l.bytes >= 0, "what is returned to a budget was taken from it")
	return buffer
}

// beginInbox empties the receive window for a new session, and releases what the last one left.
func (e *Endpoint) beginInbox(p *peer) {
	for i := range p.session.in {
		l := &p.session.in[i]
		for at := 0; l.count > 0; at++ {
			if l.open[at] != nil {
				e.pool.give(e.closeMessage(p, l, at))
			}
		}
		*l = inLane{floor: 1}
	}
}

// onLatest applies a LATEST frame.
func (e *Endpoint) onLatest(p *peer, l *wire.Latest, out *Effects) {
	newest := &p.session.newest[l.Key]
	if l.Seq <= *newest {
		e.stats.Redundant++
		return
	}
	*newest = l.Seq
	e.stats.MessagesIn++
	out.deliverCopy(p.id, l.Bytes)
}
