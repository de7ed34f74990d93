package sim

import "math/rand/v2"

// A Chooser answers every question whose answer is not a consequence of earlier answers. By
// convention 0 is the harmless answer: no fault, no delay, the first of a list.
type Chooser interface {
	// Choose returns a number in [0, n). what names the question, for people.
	Choose(n int, what string) int
}

// NewDice returns a Chooser that rolls each answer from seed.
func NewDice(seed uint64) Chooser { return dice{rand.New(rand.NewPCG(seed, 0x5eed))} }

type dice struct{ random *rand.Rand }

func (d dice) Choose(n int, _ string) int {
	if n <= 1 {
		return 0
	}
	return d.random.IntN(n)
}

// A Tape answers from a list. Past its end it answers 0, so that every prefix of a tape, and every
// tape with a piece cut out, is a tape too.
type Tape struct {
	Choices []int
	at      int
}

// Choose implements Chooser.
func (t *Tape) Choose(n int, _ string) int {
	if t.at >= len(t.Choices) || n <= 1 {
		if n > 1 {
			t.at++
		}
		return 0
	}
	c := t.Choices[t.at] % n
	t.at++
	return c
}

// A Recorder passes questions on and writes the answers down.
type Recorder struct {
	From    Chooser
	Choices []int
}

// Choose implements Chooser. A question with one answer is not worth writing down.
func (r *Recorder) Choose(n int, what string) int {
	c := r.From.Choose(n, what)
	if n > 1 {
		r.Choices = append(r.Choices, c)
	}
	return c
}

// An Odometer enumerates all sequences of answers: after each run, Next moves to the next sequence.
// The last answer turns fastest, as the last wheel of an odometer does.
//
//	for o := new(Odometer); ; {
//		run(o)
//		if !o.Next() {
//			break
//		}
//	}
type Odometer struct {
	wheels []wheel
	at     int
	kept   int // wheels that this run shares with the last one, but for the turn of their last
}

type wheel struct{ answer, n int }

// Choose implements Chooser.
func (o *Odometer) Choose(n int, _ string) int {
	if n <= 1 {
		return 0
	}
	if o.at == len(o.wheels) {
		o.wheels = append(o.wheels, wheel{0, n})
	}
	w := &o.wheels[o.at]
	w.n = n
	o.at++
	return w.answer
}

// Next moves to the next sequence that differs from the last one in an answer that was asked for,
// and tells whether there is one.
func (o *Odometer) Next() bool {
	o.wheels = o.wheels[:o.at]
	o.at = 0
	for i := len(o.wheels) - 1; i >= 0; i-- {
		if w := &o.wheels[i]; w.answer+1 < w.n {
			w.answer++
			o.wheels = o.wheels[:i+1]
			o.kept = i + 1
			return true
		}
	}
	o.wheels = o.wheels[:0]
	return false
}

// New tells whether the answers given so far in this run are no prefix of an earlier run's.
func (o *Odometer) New() bool { return o.at >= o.kept }

// Tape returns the answers of the run that has just been made.
func (o *Odometer) Tape() []int {
	choices := make([]int, o.at)
	for i := range choices {
		choices[i] = o.wheels[i].answer
	}
	return choices
}
