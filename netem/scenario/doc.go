// Package scenario is the language of experiments: a YAML file that says what the network and the
// processes of a group suffer, and what is expected of the group all the same.
//
// Parse reads a file strictly. An unknown key, a value of the wrong kind or a step that can not be
// taken is an error that names file, line and, of a mistyped word, the nearest known one. What it
// returns is plain values, in which roles (the primary, any backup) are still roles: whoever runs
// the scenario asks a Target for sites when a step is due, and a Partition for directions.
//
// Reading order: scenario.go and step.go for what there is, target.go for who is meant, needs.go
// for what a backend must be able to do, matrix.go for variations; parse.go for the file format.
package scenario
