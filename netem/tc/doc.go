// Package tc writes the commands by which Linux does to datagrams what a link.Settings says: ip
// for namespaces and links, tc for netem and tbf, nft for cuts. Whoever wants them run calls Run.
//
// A Lab is a network of its own for the sites of a scenario, made of namespaces and gone with
// them. An Interface is one of a real host, of which only some UDP ports are touched. Plan writes
// a whole scenario as a shell script for people.
package tc
