package sim

import (
	"fmt"
	"testing"
	"time"

	"vrnode/vr"
)

// Under full load one backup has fallen behind the logs of the others, and as soon as it comes back the
// other backup stands still. Then nothing can be committed until the first has got a state and what follows
// it; after that everything is.
func TestQuorumOfOneThatIsBehind(t *testing.T) {
	const outstanding = 256
	for _, logBytes := range []int{64 << 10, 1 << 20} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%d/%d", logBytes, seed), func(t *testing.T) {
				p := newPursuit(t, seed, time.Hour, logBytes, states{pieces: 64, longJob: 50 * time.Millisecond})
				open := 0
				p.w.onResult = func(int, vr.Result) {
					open--
					p.done++
				}
				until := func(limit time.Duration, what string, so func() bool) {
					t.Helper()
					for end := p.Now() + limit; !so(); {
						if p.Now() >= end {
							t.Fatalf("not in %v: %s; %v", limit, what, p.describe())
						}
						for ; open < outstanding; open++ {
							if _, ok := p.Submit(pursuitClient, p.command()); !ok {
								break
							}
						}
						p.Step(end)
						if p.Violation() != nil {
							t.Fatal(p.Violation())
						}
					}
				}
				p.w.net.isolate(p.Now(), behind-1)
				until(10*time.Second, "one is behind", func() bool { return p.primary().LogBase > p.w.record.members[behind-1].now.Op+1000 })
				p.w.net.mend(p.Now())
				p.Pause(2)
				began, done := p.Now(), p.done
				until(10*time.Second, "it is a quorum with the primary", func() bool { return p.done > done+10*outstanding })
				t.Logf("after %v", p.Now()-began)
				p.Resume(2)
				done = p.done
				until(time.Second, "it goes on", func() bool { return p.done > done+outstanding })
			})
		}
	}
}
