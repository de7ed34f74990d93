package sim

import (
	"fmt"

	"vrnode/wire"
)

// I13 Silence (VR Revisited, section 4.3): a recovering replica takes part in nothing. It may ask for
// help, say how it is, and fetch.

func checkSilence(_ *record, s *subject) string {
	if s.now.Status != wire.StatusRecovering {
		return ""
	}
	for i := range s.sent {
		if s.sent[i].From != s.id {
			continue // of the client in its process
		}
		switch k := s.sent[i].Message.Kind(); k {
		case wire.KindRecovery, wire.KindRecoveringToo, wire.KindProbeReply, wire.KindGetLog,
			wire.KindGetManifest, wire.KindGetBlocks, wire.KindGetPiece:
		default:
			return fmt.Sprintf("sent %v to %v while recovering", k, s.sent[i].To)
		}
	}
	return ""
}
