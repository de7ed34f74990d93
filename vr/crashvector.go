package vr

import "vrnode/wire"

// A crashVector holds the highest incarnation that is known of each replica (Michael et al., DISC
// 2017, section 4.2). It only grows. It has an entry for known replicas only, so at most
// wire.MembersMax.
type crashVector []wire.Member

// get returns the known incarnation of a replica, 0 if none.
func (v crashVector) get(id wire.Peer) wire.Incarnation {
	for i := range v {
		if v[i].ID == id {
			return v[i].Incarnation
		}
	}
	return 0
}

// raise sets the incarnation of a replica unless a later one is known.
func (v *crashVector) raise(id wire.Peer, i wire.Incarnation) {
	for at := range *v {
		if (*v)[at].ID == id {
			(*v)[at].Incarnation = max((*v)[at].Incarnation, i)
			return
		}
	}
	*v = append(*v, wire.Member{ID: id, Incarnation: i})
}

// copy returns a copy, for a message.
func (v crashVector) copy() []wire.Member { return append([]wire.Member(nil), v...) }
