package frag

import "time"

// deadlines is a binary heap of all peers, the one with the earliest deadline first.
type deadlines struct{ heap []*peer }

// first returns the peer with the earliest deadline, or nil if there are none.
func (d *deadlines) first() *peer {
	if len(d.heap) == 0 {
		return nil
	}
	return d.heap[0]
}

func (d *deadlines) add(p *peer) {
	p.place = len(d.heap)
	d.heap = append(d.heap, p)
	d.up(p.place)
}

func (d *deadlines) remove(p *peer) {
	last := len(d.heap) - 1
	at := p.place
	d.swap(at, last)
	d.heap[last] = nil
	d.heap = d.heap[:last]
	if at < last {
		d.up(at)
		d.down(at)
	}
}

// set changes the deadline of a peer.
func (d *deadlines) set(p *peer, deadline time.Duration) {
	if deadline == p.deadline {
		return
	}
	p.deadline = deadline
	d.up(p.place)
	d.down(p.place)
}

func (d *deadlines) up(i int) {
	for i > 0 && d.heap[i].deadline < d.heap[(i-1)/2].deadline {
		d.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (d *deadlines) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(d.heap); child++ {
			if d.heap[child].deadline < d.heap[least].deadline {
				least = child
			}
		}
		if least == i {
			return
		}
		d.swap(i, least)
		i = least
	}
}

func (d *deadlines) swap(i, j int) {
	d.heap[i], d.heap[j] = d.heap[j], d.heap[i]
	d.heap[i].place, d.heap[j].place = i, j
}
