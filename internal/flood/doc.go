// Package flood makes what somebody can send to a replica who does not belong to the group.
//
//	attack.go    junk, forgeries, replays
//	outsider.go  a session of an outsider, which plain mode gives to everybody
//
// It is for tests. What is sent depends on a seed alone, and on what the outsider has seen.
package flood
