// Package linktest measures the transport alone between two hosts: round trips, bulk in both
// directions with small messages beside it, and messages of many sizes, over package frag and its
// socket as a replica would use them.
//
//	protocol.go   what the two ends say to each other
//	runtime.go    a machine with an endpoint on a socket
//	listener.go   the end that answers
//	meter.go      the end that asks and measures, a phase after the other
//	stream.go     a closed loop of requests, and its figures
//	measure.go    a whole measurement
//	report.go     what came of it
//
// All loops are closed: a number of requests is outstanding, and the end of one begins the next. So
// nothing is left out of a histogram when the link stalls. The first tenth of a phase is not counted.
package linktest
