// Package bench measures a live group, and in the same run what the machine could do at best.
//
// Both are closed loops: a fixed number of operations is outstanding, and the end of one starts
// the next. So a latency is what a user with that many operations under way sees, and nothing is
// left out of the histogram when the other side stalls.
//
// The floors are UDP datagrams of the same size through package net, without any protocol:
//
//	ping-pong   client → echo → client
//	two hops    client → primary → both backups → primary → client
//
// The primary of the second answers when the first backup has, as the primary of a group of three
// does. Neither floor batches; a group that does can have a higher throughput than its floor.
package bench
