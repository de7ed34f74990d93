// Package ports finds UDP ports for the replicas of demonstrations, experiments and tests, which must
// know each other's addresses before any of them runs.
package ports

import (
	"math/rand/v2"
	"net"
)

// Ports are taken at random from low to high. Systems give sockets that ask for any port one from
// above, so none of those gets the port of a replica while that is down.
const (
	low  = 10_000
	high = 32_767
	// triesMax bounds the search for one port.
	triesMax = 1000
)

// Free returns n addresses of this machine, all different, on which nobody listens now.
func Free(n int) ([]string, error) {
	var addresses []string
	for range n {
		conn, err := listen()
		if err != nil {
			return nil, err
		}
		defer conn.Close() // after all are found, so that they differ
		addresses = append(addresses, conn.LocalAddr().String())
	}
	return addresses, nil
}

func listen() (conn *net.UDPConn, err error) {
	for range triesMax {
		port := low + rand.IntN(high-low+1)
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// Replicas returns addresses as Free does, by the numbers 1 to n.
func Replicas(n int) (map[uint64]string, error) {
	addresses, err := Free(n)
	peers := make(map[uint64]string)
	for i, address := range addresses {
		peers[uint64(i)+1] = address
	}
	return peers, err
}
