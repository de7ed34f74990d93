// Package siege measures what becomes of a group of processes while another process, which does not
// belong to it, floods it as fast as it can. It is for make flood, and for a test.
//
//	flooder.go  an outsider on sockets, which counts what comes back
//	tap.go      a place on the path of a client, from which the outsider sees datagrams
//	process.go  the processes of a measurement
//	measure.go  a group with and without a flood
package siege
