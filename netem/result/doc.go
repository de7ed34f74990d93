// Package result is what an experiment leaves behind: a folder, runs/NAME/TIME-seedSEED/, with
//
//	manifest.json  what was run, where and with what, and the command that repeats it
//	scenario.yaml  the scenario as it was read
//	verdict.json   what was expected, what became of it, and the figures of the run
//	history.jsonl  every call of a client
//	events.jsonl   what replicas said, how they were, and what was done to them
//	links.json     what was asked of each link, and what it did
//	node-N.log     what replica N wrote, of all its processes
//
// and a link runs/NAME/latest to the last one. All times are nanoseconds since the beginning of
// the run, time 0 of the scenario's steps, unless they are dates.
package result
