// Package flood attacks replicas as somebody can who does not belong to the group, and measures what
// becomes of the group meanwhile. It is for tests, and for make flood.
//
//	attack.go    what an outsider sends: junk, forgeries, replays, sessions that ask for memory
//	outsider.go  a session of an outsider, which plain mode gives to everybody
//	flooder.go   an outsider on sockets, which sends as fast as it can and counts what comes back
//	measure.go   a group with and without a flood
//
// What is sent depends on a seed alone, and on what the outsider has seen.
package flood
