package linktest

import (
	"sync/atomic"
	"time"

	"vrnode/frag"
	"vrnode/internal/assert"
	"vrnode/wire"
)

// A phase is measured by a main stream, with another beside it that may be nil.
type phase struct {
	name     Phase
	duration time.Duration
	main     *stream
	beside   *stream
}

// warmUp is the share of a phase that goes before the measurement, while windows open.
const warmUp = 10

// lookInterval is how often the meter looks whether the other end still lives.
const lookInterval = 100 * time.Millisecond

// A state is what a meter does in a phase.
type state int

const (
	asking   state = iota // how the other end reaches us, before
	running               // streams
	emptying              // until all is answered, and how the other end reaches us, after
)

// A slot is a request that is outstanding.
type slot struct {
	number uint64
	began  time.Duration
	stream *stream
}

// A meter is the end of a link that measures.
type meter struct {
	transport *transport
	report    Report
	err       error
	filler    []byte

	phases []phase
	at     int // the phase under way
	state  state
	// from and until are the measurement of the phase; until is in the future while it runs.
	from, until time.Duration
	// before and after are the two ways at the ends of the measurement, ours first.
	before, after [2]Path
	// asked is the number of the report that is waited for, or 0.
	asked uint64

	// number is the last request's. It is in the slot of its remainder.
	number uint64
	slots  [outstandingMax]slot

	looked, heardAt time.Duration
	heard           uint64 // datagrams
	patience        time.Duration

	progress atomic.Pointer[Progress] // the meter writes, whoever watches reads
}

func newMeter(t *transport, cfg *Config) *meter {
	m := &meter{transport: t, filler: filler(), patience: cfg.Patience}
	add := func(name Phase, duration time.Duration, main, beside *stream) {
		m.phases = append(m.phases, phase{name, duration, main, beside})
	}
	ping := func(gap time.Duration) *stream { return newStream(laneSmall, cfg.Size, cfg.Size, 1, gap) }
	for _, name := range cfg.Phases {
		switch name {
		case Ping:
			add(name, cfg.Duration, ping(0), nil)
		case Up:
			add(name, cfg.Duration, newStream(laneBulk, bulkSize, answerMin, bulkWindow, 0), ping(pingGap))
		case Down:
			add(name, cfg.Duration, newStream(laneBulk, requestMin, bulkSize, bulkWindow, 0), ping(pingGap))
		case Sweep:
			for _, size := range cfg.Sizes {
				add(name, cfg.Duration/time.Duration(len(cfg.Sizes)), newStream(laneSweep, size, answerMin, 1, 0), nil)
			}
		}
	}
	return m
}

// Done tells whether all phases are measured, or the link has failed.
func (m *meter) Done() bool { return m.err != nil || m.at == len(m.phases) }

// Deadline returns when there is something to do without a message.
func (m *meter) Deadline() time.Duration {
	if m.Done() {
		return frag.Never
	}
	deadline := m.looked + lookInterval
	if m.asked == 0 && m.state == asking {
		return 0
	}
	if m.state == running {
		p := &m.phases[m.at]
		deadline = min(deadline, m.until, p.main.deadline())
		if p.beside != nil {
			deadline = min(deadline, p.beside.deadline())
		}
	}
	return deadline
}

// Tick does what is due.
func (m *meter) Tick(now time.Duration) {
	if m.looked+lookInterval <= now {
		m.look(now)
	}
	switch {
	case m.Done():
	case m.state == asking && m.asked == 0:
		m.ask(now)
	case m.state == running && m.until <= now:
		m.state = emptying
		m.ask(now)
	case m.state == running:
		m.fill(now)
	}
}

// Step handles an answer or a report.
func (m *meter) Step(now time.Duration, _ wire.Peer, message []byte) {
	if number, ok := readNumber(message, kindAnswer); ok {
		m.onAnswer(now, number)
	} else if number, ok := readNumber(message, kindReport); ok && number == m.asked && !m.Done() {
		if theirs, ok := readReport(message); ok {
			m.onReport(now, [2]Path{m.transport.path(listenerID), theirs})
		}
	}
}

func (m *meter) onAnswer(now time.Duration, number uint64) {
	s := &m.slots[number%outstandingMax]
	if s.number != number || s.stream == nil {
		return // of nobody's request
	}
	s.stream.answered(now-s.began, m.state == running && now >= m.from && now <= m.until)
	s.stream = nil
	if m.Done() {
		return
	}
	m.fill(now)
	m.proceed(now)
}

func (m *meter) onReport(now time.Duration, ways [2]Path) {
	m.asked = 0
	switch m.state {
	case asking:
		if m.report.ConnectMillis == 0 {
			m.report.ConnectMillis = float64(now) / 1e6
		}
		p := &m.phases[m.at]
		m.before, m.state = ways, running
		m.from = now + p.duration/warmUp
		m.until = m.from + p.duration
		m.fill(now)
	case emptying:
		m.after = ways
		m.proceed(now)
	}
}

// proceed goes on to the next phase if this one is over.
func (m *meter) proceed(now time.Duration) {
	p := &m.phases[m.at]
	if m.state != emptying || m.asked != 0 || p.main.outstanding > 0 || p.beside != nil && p.beside.outstanding > 0 {
		return
	}
	m.addRow(m.until - m.from)
	m.at++
	m.state = asking
	m.heardAt = now
}

// fill begins requests, as many as the streams may.
func (m *meter) fill(now time.Duration) {
	if m.state != running || now >= m.until {
		return
	}
	p := &m.phases[m.at]
	for _, s := range []*stream{p.beside, p.main} {
		for s != nil && s.may(now) && m.begin(now, s) {
		}
	}
}

// begin sends a request, and tells whether the endpoint had room for it.
func (m *meter) begin(now time.Duration, s *stream) bool {
	number := m.number + 1
	for m.slots[number%outstandingMax].stream != nil {
		number++ // an older one is still under way: there are more slots than requests
		assert.That(number <= m.number+outstandingMax, "a request has a slot")
	}
	request := m.filler[:s.size]
	putRequest(request, s.lane, number, s.answer)
	if !m.transport.Send(now, listenerID, s.lane, request) {
		return false
	}
	m.number = number
	m.slots[number%outstandingMax] = slot{number, now, s}
	s.began(now)
	return true
}

// ask asks for a report.
func (m *meter) ask(now time.Duration) {
	m.number++
	m.asked = m.number
	question := m.filler[:answerMin]
	putNumber(question, kindAsk, m.asked)
	sent := m.transport.Send(now, listenerID, laneSmall, question)
	assert.That(sent, "a lane that is hardly used has room")
}

// look sees whether the other end lives, and tells how far we are.
func (m *meter) look(now time.Duration) {
	m.looked = now
	stats, _ := m.transport.PeerStats(listenerID)
	if stats.Received != m.heard {
		m.heard, m.heardAt = stats.Received, now
	}
	switch {
	case len(m.transport.Denials()) > 0:
		m.err, m.report.Denied = ErrDenied, m.transport.Denials()[0].Why
	case stats.Sessions > 1:
		m.err = ErrRestarted
	case now < m.heardAt+m.patience:
	case m.report.ConnectMillis == 0:
		m.err = ErrNobody
	default:
		m.err = ErrSilent
	}
	m.tell(now)
}

// tell publishes the progress.
func (m *meter) tell(now time.Duration) {
	if m.Done() {
		return
	}
	p := &m.phases[m.at]
	here := Progress{Phase: p.name}
	part := 0.0 // of the phase
	if m.state == running {
		part = min(1, 1-float64(m.until-now)/float64(m.until-m.from)/(1+1.0/warmUp))
		here.BytesPerSecond = perSecond(p.main.payload(), now-m.from)
	}
	if m.state == emptying {
		part = 1
		here.BytesPerSecond = perSecond(p.main.payload(), m.until-m.from)
	}
	here.Share = (float64(m.at) + part) / float64(len(m.phases))
	m.progress.Store(&here)
}

// addRow reports the phase under way, of which this much was measured.
func (m *meter) addRow(measured time.Duration) {
	p := &m.phases[m.at]
	row := Row{
		Phase: p.name, Seconds: measured.Seconds(), RoundTrips: p.main.roundTrips(measured),
		BytesPerSecond: perSecond(p.main.payload(), measured),
	}
	if p.beside != nil {
		beside := p.beside.roundTrips(measured)
		row.Beside = &beside
	}
	ours, theirs := m.after[0].since(m.before[0]), m.after[1].since(m.before[1])
	row.Path, row.OverflowedHere, row.OverflowedThere = ours, ours.overflowed, theirs.overflowed
	if p.name == Down {
		row.Path = theirs
	}
	m.report.Rows = append(m.report.Rows, row)
}

// finish completes the report of a measurement that has ended, perhaps before its time: then the
// phase under way is in it if anything was measured, and the other end's way is as it was last.
func (m *meter) finish(now time.Duration) {
	stats := m.transport.Stats()
	m.report.Sent, m.report.Received = stats.DatagramsOut, stats.DatagramsIn
	peer, _ := m.transport.PeerStats(listenerID)
	m.report.TooBig = peer.TooBig
	if m.at == len(m.phases) || m.state == asking || now <= m.from {
		return
	}
	if m.state == running || m.asked != 0 {
		m.after = [2]Path{m.transport.path(listenerID), m.before[1]}
	}
	m.addRow(min(now, m.until) - m.from)
}
