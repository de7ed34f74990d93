package frag

import "strconv"

// A Reason says why a datagram, or the rest of one, was dropped.
type Reason uint8

// The reasons.
const (
	ReasonLength         Reason = iota + 1 // shorter than it says, or too long
	ReasonVersion                          // of another version
	ReasonType                             // of unknown type
	ReasonFlags                            // reserved flags are set
	ReasonChecksum                         // damaged, or of another session or run
	ReasonFrame                            // a malformed frame
	ReasonHandshake                        // a malformed or too short HELLO, HELLO_ACK or RESET
	ReasonWrongTarget                      // a HELLO for somebody else
	ReasonUnknownPeer                      // from a replica that is not configured, or from nobody
	ReasonUnknownSession                   // for a session that is not here, or no longer
	ReasonStaleHandshake                   // a HELLO, HELLO_ACK or RESET that has been overtaken
	ReasonCrossedOpen                      // both ends opened a session, and the other one's prevails
	ReasonDuplicate                        // the datagram has been here before
	ReasonAck                              // acknowledges what was never sent
	ReasonWindow                           // a message outside the receive window
	ReasonBudget                           // no memory for another incomplete message
	ReasonContradiction                    // fragments of a message disagree about it
	ReasonTrailer                          // a reassembled message fails its checksum
	ReasonBlock                            // a compressed message is malformed, too long, or where there may be none
	ReasonPlain                            // of plain mode, and this end is secure
	ReasonSealed                           // of secure mode, and this end has no key
	ReasonKey                              // a HELLO with a key that this end does not have
	ReasonForged                           // does not open: forged, damaged, or of another session
	ReasonReplayed                         // a sealed datagram that was here, or is too old to tell
	ReasonLoad                             // a HELLO too many: without a cookie, or in spite of it

	reasonMax = ReasonLoad
)

var reasonNames = [...]string{
	ReasonLength: "length", ReasonVersion: "version", ReasonType: "type", ReasonFlags: "flags",
	ReasonChecksum: "checksum", ReasonFrame: "frame", ReasonHandshake: "handshake",
	ReasonWrongTarget: "wrong-target", ReasonUnknownPeer: "unknown-peer",
	ReasonUnknownSession: "unknown-session", ReasonStaleHandshake: "stale-handshake",
	ReasonCrossedOpen: "crossed-open", ReasonDuplicate: "duplicate", ReasonAck: "ack",
	ReasonWindow: "window", ReasonBudget: "budget", ReasonContradiction: "contradiction",
	ReasonTrailer: "trailer", ReasonBlock: "block", ReasonPlain: "plain", ReasonSealed: "sealed", ReasonKey: "key",
	ReasonForged: "forged", ReasonReplayed: "replayed", ReasonLoad: "load",
}

func (r Reason) String() string {
	if int(r) < len(reasonNames) && reasonNames[r] != "" {
		return reasonNames[r]
	}
	return "reason(" + strconv.Itoa(int(r)) + ")"
}
