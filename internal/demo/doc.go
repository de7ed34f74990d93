// Package demo is a demonstration that fits on a screen: three replicas on the sockets of this
// machine, a client that adds numbers as fast as it can, a primary that is killed in the middle
// and comes back without memory. In the end it checks what was promised: no addition that was
// acknowledged is lost, and none is executed twice.
package demo
