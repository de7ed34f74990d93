package noise

const (
	// WindowSize is how far below the highest number so far a number must be to count as old.
	WindowSize = 16384
	// windowBits has a word more: bits are used in words, of which one is being vacated (RFC 6479).
	windowBits = WindowSize + 64
)

// A window remembers which of the last numbers were used.
type window struct {
	highest uint64
	words   [windowBits / 64]uint64 // a bit for each number, by its remainder
}

func (w *window) isNew(number uint64) bool {
	switch {
	case number > w.highest:
		return true
	case w.highest-number >= WindowSize:
		return false
	}
	return w.words[number/64%uint64(len(w.words))]&(1<<(number%64)) == 0
}

// add notes that a number was used that is new.
func (w *window) add(number uint64) {
	if number > w.highest {
		from, to := w.highest/64, number/64
		for i := range min(to-from, uint64(len(w.words))) {
			w.words[(to-i)%uint64(len(w.words))] = 0
		}
		w.highest = number
	}
	w.words[number/64%uint64(len(w.words))] |= 1 << (number % 64)
}
