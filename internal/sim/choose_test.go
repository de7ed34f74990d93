package sim

import (
	"slices"
	"testing"
)

func TestDiceAreDeterminedByTheSeed(t *testing.T) {
	a, b, c := NewDice(1), NewDice(1), NewDice(2)
	differ := false
	for range 100 {
		x, y, z := a.Choose(1000, ""), b.Choose(1000, ""), c.Choose(1000, "")
		if x != y {
			t.Fatalf("two dice of one seed rolled %d and %d", x, y)
		}
		differ = differ || x != z
	}
	if !differ {
		t.Fatal("dice of different seeds rolled the same")
	}
}

func TestTapeReplaysARecording(t *testing.T) {
	ask := func(c Chooser) (answers []int) {
		for n := range 50 {
			answers = append(answers, c.Choose(n, "question"))
		}
		return answers
	}
	r := &Recorder{From: NewDice(7)}
	want := ask(r)
	if got := ask(&Tape{Choices: r.Choices}); !slices.Equal(got, want) {
		t.Fatalf("replayed %v, recorded %v", got, want)
	}
	tape := &Tape{Choices: []int{9}}
	if got := []int{tape.Choose(4, ""), tape.Choose(4, "")}; !slices.Equal(got, []int{1, 0}) {
		t.Fatalf("a tape wraps what is too large and answers 0 past its end: %v", got)
	}
}

func TestOdometerEnumeratesPermutations(t *testing.T) {
	seen := map[[4]int]bool{}
	o := new(Odometer)
	for {
		left := []int{1, 2, 3, 4}
		var p [4]int
		for i := range p {
			c := o.Choose(len(left), "next")
			p[i] = left[c]
			left = slices.Delete(left, c, c+1)
		}
		if seen[p] {
			t.Fatalf("%v came twice", p)
		}
		seen[p] = true
		if !o.Next() {
			break
		}
	}
	if len(seen) != 24 {
		t.Fatalf("%d permutations of 4 things, want 24", len(seen))
	}
}

func TestOdometerTapeReplays(t *testing.T) {
	o := new(Odometer)
	for range 3 {
		o.Choose(2, "")
		o.Choose(3, "")
		o.Next()
	}
	want := []int{o.Choose(2, ""), o.Choose(3, "")}
	tape := &Tape{Choices: o.Tape()}
	if got := []int{tape.Choose(2, ""), tape.Choose(3, "")}; !slices.Equal(got, want) {
		t.Fatalf("replayed %v, want %v", got, want)
	}
}

func TestShrinkFindsTheSmallestTape(t *testing.T) {
	r := &Recorder{From: NewDice(3)}
	for range 2000 {
		r.Choose(100, "")
	}
	// The failure needs a number of at least 60 and, anywhere after it, one of at least 10.
	fails := func(c []int) bool {
		for i, x := range c {
			if x >= 60 {
				for _, y := range c[i+1:] {
					if y >= 10 {
						return true
					}
				}
				return false
			}
		}
		return false
	}
	got := Shrink(r.Choices, 10_000, fails)
	if !fails(got) || len(got) != 2 || got[0] >= 120 || got[1] >= 20 {
		t.Fatalf("shrunk to %v", got)
	}
}

func TestTapeFormat(t *testing.T) {
	want := []int{0, 0, 0, 5, 1, 1, 12}
	text := FormatTape(want)
	got, err := ParseTape("# a comment\n" + text)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%q reads as %v, %v", text, got, err)
	}
	for _, bad := range []string{"x", "-1", "3*0", "3*x", "1*99999999"} {
		if _, err := ParseTape(bad); err == nil {
			t.Errorf("%q was taken for a tape", bad)
		}
	}
}
