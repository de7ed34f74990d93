package demo

import (
	"fmt"
	"io"
	"sync"
	"time"

	"vrnode/vr"
	"vrnode/wire"
)

// A narrator says what happens, with the time since the beginning.
type narrator struct {
	mu   sync.Mutex
	w    io.Writer
	born time.Time
}

func (n *narrator) say(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(n.w, "%5d ms  %s\n", time.Since(n.born).Milliseconds(), fmt.Sprintf(format, args...))
}

// tell puts the events of a replica that matter to the story into plain words.
func (n *narrator) tell(id uint64, e vr.Event) {
	switch e.Kind {
	case vr.EventSuspected:
		n.say("replica %d no longer hears the primary, replica %v, and votes for a view change", id, e.Peer)
	case vr.EventViewStarted:
		if e.Peer == wire.Peer(id) {
			n.say("replica %d is the primary of view %d, which begins with %d ops in its log", id, e.View, e.Op)
		} else {
			n.say("replica %d follows the primary of view %d, replica %v", id, e.View, e.Peer)
		}
	case vr.EventRecovered:
		n.say("replica %d has its memory back: %d ops", id, e.Op)
	case vr.EventHalted:
		n.say("replica %d halts: %v", id, e.Reason)
	}
}
