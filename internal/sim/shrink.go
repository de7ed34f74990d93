package sim

import "slices"

// Shrink returns a tape that still fails and is, as far as attempts runs can tell, shorter and
// lower than choices: pieces are cut out or set to 0, then single answers are lowered. It knows
// nothing of what the answers mean.
func Shrink(choices []int, attempts int, fails func(choices []int) bool) []int {
	s := shrinker{best: slices.Clone(choices), attempts: attempts, fails: fails}
	for s.pieces(cut) || s.pieces(zero) || s.lower() {
	}
	for len(s.best) > 0 && s.best[len(s.best)-1] == 0 {
		s.best = s.best[:len(s.best)-1] // a tape answers 0 past its end
	}
	return s.best
}

type shrinker struct {
	best     []int
	attempts int
	fails    func([]int) bool
}

// try takes c if it still fails.
func (s *shrinker) try(c []int) bool {
	if s.attempts == 0 || slices.Equal(c, s.best) {
		return false
	}
	s.attempts--
	if !s.fails(c) {
		return false
	}
	s.best = c
	return true
}

// pieces changes ever smaller pieces and tells whether any change was taken.
func (s *shrinker) pieces(change func(piece []int) []int) bool {
	taken := false
	for size := max(len(s.best)/2, 1); size > 0 && s.attempts > 0; size /= 2 {
		for at := 0; at < len(s.best) && s.attempts > 0; {
			end := min(at+size, len(s.best))
			if s.try(slices.Concat(s.best[:at], change(s.best[at:end]), s.best[end:])) {
				taken = true
				if len(change(make([]int, 1))) == 0 {
					continue // the next piece has moved to here
				}
			}
			at = end
		}
	}
	return taken
}

func cut([]int) []int { return nil }

func zero(piece []int) []int { return make([]int, len(piece)) }

// lower halves single answers while that is taken.
func (s *shrinker) lower() bool {
	taken := false
	for i := 0; i < len(s.best) && s.attempts > 0; i++ {
		for {
			c := slices.Clone(s.best)
			c[i] /= 2
			if !s.try(c) {
				break
			}
			taken = true
		}
	}
	return taken
}

// Minimize shrinks the choices of a run that broke a promise to those of a shorter one that breaks
// the same promise.
func Minimize(r Result, attempts int) []int {
	return Shrink(r.Choices, attempts, func(choices []int) bool {
		again := Run(Options{Choices: choices})
		return again.Violation != nil && again.Violation.Name == r.Violation.Name
	})
}
