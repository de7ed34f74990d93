package sim

import (
	"fmt"

	"vrnode/wire"
)

// I4 One start (VR Revisited, section 8.1): a view is started at most once, by one process and
// with one initial log.

// A start is a view that was started, and the log that its primary has had in it so far.
type start struct {
	view wire.ViewNumber
	by   *subject
	// initial is the op-number of the initial log's last op.
	initial wire.OpNumber
	// base is what was committed in lower views when this one started; chains are those of the ops after
	// it. A view may start late, when a higher one has gone another way: nothing is committed in it.
	base   wire.OpNumber
	chains []wire.Chain
}

// open enters a started view.
func (r *record) open(v *start) {
	r.views = append(r.views, v)
	r.started[v.view] = v
}

func checkStart(r *record, s *subject) string {
	if s.starts() {
		if why := r.begin(s); why != "" {
			return why
		}
	}
	// A step may append ops and leave the view: the log stays as it was left.
	was := s.before.Status == wire.StatusNormal && s.before.View == s.now.LastNormal
	if v := r.started[s.now.LastNormal]; v != nil && v.by == s && (was || s.now.Status == wire.StatusNormal) {
		v.follow(s)
	}
	return ""
}

// begin enters the view that s has just started. What s may have proposed in the same step does
// not belong to the initial log.
func (r *record) begin(s *subject) string {
	initial := wire.OpNumber(len(s.log))
	for initial > 0 && s.now.View > 0 && s.log[initial-1].view == s.now.View {
		initial--
	}
	v := r.started[s.now.View]
	if v == nil {
		v = &start{view: s.now.View, initial: initial, base: min(initial, r.committedBelow(s.now.View))}
		r.open(v)
	} else if v.by != nil || initial != v.initial && s.now.View > 0 {
		return fmt.Sprintf("started view %d, which had been started before", s.now.View)
	}
	v.by = s
	return ""
}

// committedBelow returns up to which op all is committed in views below one.
func (r *record) committedBelow(view wire.ViewNumber) wire.OpNumber {
	n := len(r.committed)
	for n > 0 && r.committed[n-1].view >= view {
		n--
	}
	return wire.OpNumber(n)
}

// follow takes in what the primary has appended since. Within a view a primary's log only grows.
func (v *start) follow(s *subject) {
	for op := v.base + wire.OpNumber(len(v.chains)) + 1; op <= wire.OpNumber(len(s.log)); op++ {
		v.chains = append(v.chains, s.log[op-1].chain)
	}
}

// head returns the op-number of the last op that the primary has had in the view.
func (v *start) head() wire.OpNumber { return v.base + wire.OpNumber(len(v.chains)) }

// chain returns the chain of the view's log at op, which is at most its head.
func (r *record) chain(v *start, op wire.OpNumber) wire.Chain {
	switch {
	case op == 0:
		return 0
	case op > v.base:
		return v.chains[op-v.base-1]
	}
	return r.committed[op-1].chain // equal to the view's, or I3 was violated when it started
}

// highest returns the highest view that was started.
func (r *record) highest() wire.ViewNumber {
	var highest wire.ViewNumber
	for _, v := range r.views {
		highest = max(highest, v.view)
	}
	return highest
}
