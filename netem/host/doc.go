// Package host impairs a real interface of this host for a time, and never longer.
//
// Whoever impairs the interface that people reach a host by must be sure that it heals. So there is a
// lease: a file, the journal, holds the commands that undo everything, before the first of those that
// do something is run. Apply does not return before the interface has healed; and beside it runs a
// watchdog, a process of a session of its own, that heals when the lease ends or when Apply's process
// does, whatever ends it. What is left if both are killed is found by Find: journals, and the
// handles and tables that package tc marks with numbers and names of ours.
//
// Reading order: journal.go, lease.go, find.go.
package host
