package lab

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	"vrnode/netem/scenario"
	"vrnode/vr/machine/kv"
)

// Some groups hold a state at time 0, so large that their logs have forgotten what made it. They
// serve keys and values, of which one is the number that clients add to; all others are the state. A
// simulated machine understands the same commands.

const (
	// sumKey is the key of that number.
	sumKey = "sum"
	// fillersMax bounds the commands under way while a state is made.
	fillersMax = 16
)

// fillTimeout is how long it may take to make the state: as on a machine that does 1 MiB in 4 s.
func fillTimeout(s *scenario.Scenario) time.Duration {
	return time.Duration(s.State>>20) * 4 * time.Second
}

// fillOf returns the commands that make the state of a scenario. Nothing in it is alike, so that
// whatever moves it has to move all of it.
func fillOf(s *scenario.Scenario) iter.Seq[string] {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return func(yield func(string) bool) {
		dice := s.Dice("state")
		value := make([]byte, kv.ValueMax)
		for made := int64(0); made < s.State; made += int64(len(value)) {
			for i := range value {
				value[i] = letters[dice.IntN(len(letters))]
			}
			if !yield(string(kv.Put(fmt.Sprintf("state-%d", made), string(value)))) {
				return
			}
		}
	}
}

// fill makes the state of a scenario.
func (w *watcher) fill(ctx context.Context, s *scenario.Scenario) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	commands := make(chan string)
	var all sync.WaitGroup
	for range fillersMax {
		all.Go(func() {
			for c := range commands {
				if _, err := w.client.Submit(ctx, []byte(c)); err != nil {
					stop(err)
				}
			}
		})
	}
	for c := range fillOf(s) {
		commands <- c
	}
	close(commands)
	all.Wait()
	return context.Cause(ctx)
}

// A dialect says how the commands of clients, which are those of an accumulator, are put to the service.
type dialect struct{ keys bool }

func dialectOf(s *scenario.Scenario) dialect { return dialect{s.State > 0} }

// command is what the service is asked.
func (d dialect) command(c string) []byte {
	switch {
	case !d.keys:
		return []byte(c)
	case c == "read":
		return kv.Get(sumKey)
	}
	return kv.Increment(sumKey, added(c))
}

// answer is what an accumulator would have said.
func (d dialect) answer(a []byte) string {
	if d.keys && string(a) == "absent" {
		return "0"
	}
	if d.keys {
		return strings.Trim(string(a), `"`)
	}
	return string(a)
}
