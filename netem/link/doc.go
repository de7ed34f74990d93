// Package link is one direction of a network link as a state machine: it says of each datagram
// when it arrives, how often, and with which bit flipped, or why it does not.
//
//	now, size ──> Send ──> deliveries, or the Reason that there are none
//
// A Link has no clock, no socket and no randomness of its own, and it holds no datagrams: a
// simulator in virtual time and a relay in real time keep those until they are due. What netem,
// the emulator in the Linux kernel (tc-netem(8)), does too, is done in its way and by its words,
// so that one description of a link means the same in both.
//
// The chances of a datagram follow from the seed and from how many were sent before it, never
// from the time: the n-th datagram of a link meets the same dice in every run.
package link
