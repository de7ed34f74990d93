package report

// A cause is a message that one event of a view change must have had from another, by the rules of
// the protocol: nobody records the messages themselves.
type cause struct {
	from, to *note
	message  string
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
		suspects, promises []*note
		start              *note // of the primary
		out                []cause
	)
	for i := range notes {
		n := &notes[i]
		e := n.event
		if e.View != view && e.Name != "suspected" {
			continue
		}
		switch e.Name {
		case "suspected":
			suspects = append(suspects, n)
		case "view-change-started":
			if len(promises) > 0 {
				out = append(out, cause{promises[0], n, "JoinView"})
			} else {
				for _, s := range suspects {
					out = append(out, cause{s, n, "StartViewChange"})
				}
			}
			promises = append(promises, n)
		case "view-started":
			if e.Primary == e.Replica {
				for _, p := range promises {
					out = append(out, cause{p, n, "DoViewChange"})
				}
				start = n
			} else if start != nil {
				out = append(out, cause{start, n, "StartView"})
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
	a := arrow{
		X1: c.from.X + c.from.Width/2, X2: c.to.X - c.to.Width/2 - 2,
		Y1: c.from.Y, Y2: c.to.Y, Text: c.message, Inferred: true, Anchor: "end",
	}
	a.TextX = a.X2 - 8
	if c.from.X > c.to.X {
		a.X1, a.X2, a.Anchor = c.from.X-c.from.Width/2, c.to.X+c.to.Width/2+2, "start"
		a.TextX = a.X2 + 8
	}
	// The label is beside the head, above the arrow.
	a.TextY = a.Y2 - 5 - (a.Y2-a.Y1)*0.1
	return a
}
