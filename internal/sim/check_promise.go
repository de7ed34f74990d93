package sim

import (
	"fmt"

	"vrnode/wire"
)

// I9 Promise (VR Revisited, section 4.2; stable under loss of memory by DISC 2017): a replica whose
// DoViewChange helped to start a view is never again normal below it, in any later run.

// A promise is the highest started view that a replica helped to start, and the run that did.
type promise struct {
	view        wire.ViewNumber
	incarnation wire.Incarnation
}

// A vote is a DoViewChange for a view that may have been counted.
type vote struct {
	by          wire.Peer
	incarnation wire.Incarnation
}

func checkPromise(r *record, s *subject) string {
	for i := range s.sent {
		if s.sent[i].Message.Kind() == wire.KindDoViewChange {
			r.vote(s.sent[i].View, vote{s.id, s.sent[i].Incarnation})
		}
	}
	if s.starts() && s.now.View > 0 {
		r.promise(s)
	}
	if p := r.promised[s.id]; s.now.Status == wire.StatusNormal && s.now.View < p.view && s.now.Incarnation >= p.incarnation {
		return fmt.Sprintf("is normal in view %d, but helped to start view %d", s.now.View, p.view)
	}
	return ""
}

// vote enters a DoViewChange, of each replica the latest run: if several have voted, that of an earlier one may
// not have been counted, and a run between them may be normal below the view.
func (r *record) vote(view wire.ViewNumber, v vote) {
	for i := range r.voted[view] {
		if known := &r.voted[view][i]; known.by == v.by {
			known.incarnation = max(known.incarnation, v.incarnation)
			return
		}
	}
	r.voted[view] = append(r.voted[view], v)
}

// promise binds those who started the view of s. Which votes a primary counted cannot be seen; if
// no more than a quorum have voted, all of them were.
func (r *record) promise(s *subject) {
	view := s.now.View
	r.vote(view, vote{s.id, s.now.Incarnation})
	if len(r.voted[view]) != r.q {
		return
	}
	for _, v := range r.voted[view] {
		if r.promised[v.by].view < view {
			r.promised[v.by] = promise{view, v.incarnation}
		}
	}
}
