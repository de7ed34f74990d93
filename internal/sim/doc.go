// Package sim runs whole groups in virtual time and looks for broken promises.
//
// There is one World: processes, the packets in flight between them, and a clock that jumps to
// whatever happens next. Everything that could go either way is asked of a Chooser, so that a run
// is a function of its choices:
//
//	Dice       simulation: faults and delays are rolled from a seed (run.go)
//	Tape       replay and shrinking of a recorded run (tape.go, shrink.go)
//	Odometer   exploration: every sequence of choices in turn (explore.go)
//
// Golden traces drive the same processes by hand (script.go), and the laboratory by a scenario
// (stage.go). In all of them the checkers (check_*.go, one property each) look at every replica after
// each of its steps.
//
// Nothing here knows the time of day, starts a goroutine or ranges over a map.
package sim
