// Package kv is a state machine that keeps keys and values, sorted by key. Its commands are words, so
// that captures and traces can be read:
//
//	get KEY                 the value
//	put KEY VALUE           ok
//	delete KEY              ok
//	swap KEY OLD NEW        ok, if the value was OLD; otherwise the value
//	increment KEY N         the value, a decimal integer of 64 bits, plus N; what is absent counts as 0
//	range FROM TO LIMIT     the keys from FROM up to, and without, TO, and their values; an empty TO
//	                        is after all keys
//
// A word that is empty, or in which there are spaces, quotes or bytes that can not be printed, stands
// in double quotes and is escaped as in Go: "two words", "\x00". Put, Get and the others write
// commands so.
//
// A result is a value, always in double quotes, or one of
//
//	ok
//	absent                      there is no such key
//	"KEY"="VALUE" … more "KEY"  of a range; more tells where to go on if it is cut short
//	error: REASON
//
// and after an error nothing has changed.
package kv
