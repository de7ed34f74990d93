package frag

import "time"

// A pacer spreads datagrams over time: it lets a run of them through, then nothing until the run
// has had its time at the pace. It counts in bytes, so that a change of pace changes the wait.
type pacer struct {
	// debt is how much went out before its time, as of at; below 0, how much is late.
	debt int64
	at   time.Duration
	// run is how many more bytes may go out at this instant.
	run int
}

func (p *pacer) begin(now time.Duration) { *p = pacer{at: now} }

// open begins a run if it is time: a quantum, and up to another one if it comes late.
func (p *pacer) open(now time.Duration, pace int64, quantum int) {
	p.run = 0
	if pace == 0 {
		p.debt, p.at = 0, now
		return
	}
	passed := min(now-p.at, time.Second).Truncate(time.Microsecond)
	if p.at += passed; passed == time.Second {
		p.at = now
	}
	p.debt = max(p.debt-pace*passed.Microseconds()/1e6, -int64(quantum))
	if p.debt <= 0 {
		p.run = quantum - int(p.debt)
	}
}

// sent notes that so many bytes went out.
func (p *pacer) sent(bytes int) {
	p.run -= bytes
	p.debt += int64(bytes)
}

// until returns when the debt is down to so many bytes.
func (p *pacer) until(debt int, pace int64) time.Duration {
	return p.at + time.Duration(max(p.debt-int64(debt), 0)*1e6/pace+1)*time.Microsecond
}
