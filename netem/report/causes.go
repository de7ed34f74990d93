package report

import (
	"slices"

	"vrnode/netem/result"
)

// A cause is a message that one event of a view change must have had from another, by the rules of
// the protocol: nobody records the messages themselves.
type cause struct {
	from, to *note
	message  string
	// gathered: several of them may end at the same note, so they are told apart where they begin.
	gathered bool
}

// causesOf infers the messages between the notes of one view change. The rules are those of
// section 5 of the protocol:
//
//   - the first to promise the view has the votes of those who suspected the one before;
//   - who promises it later has heard from who did already that it is being started;
//   - the primary starts it with the promises of a quorum;
//   - the others start it when the primary tells them.
func causesOf(notes []note, view uint64) []cause {
	var (
		suspected []*result.Event
		promises  []*note
		start     *note // of the primary
		out       []cause
	)
	for i := range notes {
		n := &notes[i]
		e := n.event
		if e.View != view && e.Name != "suspected" {
			continue
		}
		switch e.Name {
		case "suspected":
			suspected = append(suspected, e)
		case "view-change-started":
			if len(promises) > 0 {
				out = append(out, cause{promises[0], n, "JoinView", false})
			} else {
				for _, vote := range votesFor(e, suspected) {
					from := slices.IndexFunc(notes, func(n note) bool { return n.event == vote })
					out = append(out, cause{&notes[from], n, "StartViewChange", true})
				}
			}
			promises = append(promises, n)
		case "view-started":
			if e.Primary == e.Replica {
				for _, p := range promises {
					out = append(out, cause{p, n, "DoViewChange", true})
				}
				start = n
			} else if start != nil {
				out = append(out, cause{start, n, "StartView", false})
			}
		}
	}
	return between(out)
}

// between drops what a replica told itself.
func between(causes []cause) []cause {
	kept := causes[:0]
	for _, c := range causes {
		if c.from.Replica != c.to.Replica {
			kept = append(kept, c)
		}
	}
	return kept
}

// arrow draws a cause from box to box.
func (c *cause) arrow() arrow {
	direction := length(1)
	if c.from.X > c.to.X {
		direction = -1
	}
	a := arrow{
		X1: c.from.X + direction*c.from.Width/2, Y1: c.from.Y,
		X2: c.to.X - direction*(c.to.Width/2+2), Y2: c.to.Y,
		Text: c.message,
	}
	near, far, drop := a.X2, a.X1, labelAbove
	if c.gathered {
		near, far, drop = a.X1, a.X2, labelBelow
	}
	a.Anchor = "start"
	if far < near {
		a.Anchor = "end"
	}
	a.TextX = near + labelGap*sign(far-near)
	a.TextY = a.Y1 + (a.Y2-a.Y1)*(a.TextX-a.X1)/(a.X2-a.X1) + drop
	return a
}

const (
	// labelGap is between an arrow's end and its label. Who is told of a view change tells others
	// of it next, so labels of what arrives are above their arrows and labels of what leaves below.
	labelGap   length = 10
	labelAbove length = -3
	labelBelow length = 11
)

func sign(x length) length {
	if x < 0 {
		return -1
	}
	return 1
}
