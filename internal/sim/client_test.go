package sim

import (
	"strings"
	"testing"
	"time"

	"vrnode/netem/link"
)

// A client whose path comes back soon has all done, however long it was gone and however much was lost.
func TestClientAfterALongCut(t *testing.T) {
	const requests = 16
	p := newPursuit(t, 1, time.Hour, 0, states{}) // and nobody falls behind
	set := func(s link.Settings) {
		p.Set(pursuitClient, 1, s)
		p.Set(1, pursuitClient, s)
	}
	p.until(time.Minute, "the first request is done", func() bool { return p.done == 1 })
	set(link.Settings{MTU: 1500, Loss: link.Loss{Random: 1}})
	for range requests {
		p.Submit(pursuitClient, "put a "+strings.Repeat("x", 60<<10))
	}
	healed := p.Now() + 15*time.Second
	p.until(time.Minute, "the time of the cut is over", func() bool { return p.Now() >= healed })
	if p.done > 1 {
		t.Fatal("the client is not cut off")
	}
	set(link.Settings{MTU: 1500, Delay: link.Delay{Mean: time.Millisecond}})
	p.until(2*time.Second, "all is done", func() bool { return p.done == 1+requests })
}
