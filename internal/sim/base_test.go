package sim

import "testing"

// Groups that begin with the state of an earlier one keep all promises.
func TestGroupsWithAState(t *testing.T) {
	found := 0
	for seed := uint64(1); seed <= 400 && found < 12; seed++ {
		r := newRun(&Recorder{From: NewDice(seed)}, Options{})
		if !r.restores {
			continue
		}
		found++
		r.phases()
		if v := r.w.violation; v != nil {
			t.Errorf("%v at %v\n%s", v, v.At, (&Result{Seed: seed}).Reproduce())
		}
	}
	if found < 12 {
		t.Errorf("only %d of the runs begin with a state", found)
	}
}
