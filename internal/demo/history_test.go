package demo

import (
	"slices"
	"testing"
)

// TestJudge: the verdict must see every kind of wrong, or a good one means nothing.
func TestJudge(t *testing.T) {
	one, two, three := addition{1, "1"}, addition{2, "3"}, addition{3, "6"}
	all := []addition{one, two, three}
	for _, test := range []struct {
		name             string
		acked            []addition
		full, ended      [][]addition
		lost, duplicated int
		wrong            int
	}{
		{name: "good", acked: all, full: [][]addition{all, all, all}, ended: [][]addition{all[:1]}},
		{name: "executed, answer not received", acked: all[:2], full: [][]addition{all, all}},
		{name: "lost everywhere", acked: all, full: [][]addition{all[:2], all[:2]}, lost: 1},
		{name: "lost by one", acked: all, full: [][]addition{all, all[:1]}, lost: 2, wrong: 1},
		{name: "twice", acked: all, full: [][]addition{slices.Concat(all, all[2:])}, duplicated: 1},
		{name: "another result", acked: []addition{one, {2, "4"}}, full: [][]addition{all}, wrong: 1},
		{name: "another order", full: [][]addition{all, {two, one, three}}, wrong: 1},
		{name: "the dead one knew more", acked: all[:2], full: [][]addition{all[:2]}, ended: [][]addition{all}, wrong: 1},
		{name: "the dead one knew other", acked: all, full: [][]addition{all}, ended: [][]addition{{two}}, wrong: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := judge(test.acked, test.full, test.ended)
			if v.lost != test.lost || v.duplicated != test.duplicated || len(v.wrong) != test.wrong {
				t.Errorf("got %+v", v)
			}
			if v.good() != (test.lost+test.duplicated+test.wrong == 0) {
				t.Errorf("good is %t for %+v", v.good(), v)
			}
		})
	}
}

func TestRecorder(t *testing.T) {
	var r recorder
	for i, command := range []string{"add 5", "read", "add 7", "add seven"} {
		r.Apply(uint64(i+1), []byte(command))
	}
	if want := []addition{{5, "5"}, {7, "12"}}; !slices.Equal(r.history, want) {
		t.Errorf("got %v, want %v", r.history, want)
	}
}
