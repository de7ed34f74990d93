// Package wire defines every byte that crosses the network and every word of the protocol.
//
// It has two layers. A message is what replicas and clients say to each other: a Kind, a Header
// and the fields of one struct (messages.go, codec.go). A datagram is what UDP carries: a header
// with a checksum that binds it to one session, and frames (datagram.go, frame.go). Package frag
// turns the one into the other. What secure mode encrypts is opaque here.
//
// All integers are little-endian. PROTOCOL.md is the normative text; its tables are generated
// from the walk methods of this package.
//
// A decoder never panics and never allocates, whatever the bytes; what it returns shares memory
// with its input and is valid until its next call.
package wire
