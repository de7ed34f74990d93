// Package kernel is a network for experiments that is made of Linux: a namespace for each site, veth
// between them, and what package tc writes to impair them. It runs the very commands that are printed
// as a plan.
//
// What the kernel is asked to do and what it does may differ, and nobody tells. So a surveyor sends
// probes, small numbered datagrams, along every direction, through the same devices, qdiscs and
// filters as everybody else's, and notes what becomes of each.
//
//	site a: UDP ── qdisc ── veth ┬─ tap          arrived, when, how often, with which bytes
//	                             └─ nft ── UDP   delivered
//
// All of it belongs into namespaces of its own, into which Rerun puts the program, so that nothing
// is left of it whatever ends the program.
//
// Reading order: network_linux.go, survey_linux.go, ledger.go, rerun_linux.go.
package kernel
