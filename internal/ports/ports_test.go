package ports

import (
	"net"
	"net/netip"
	"testing"
)

// TestReplicas: addresses that differ, of ports that nobody gets by chance, and a socket can have
// each of them.
func TestReplicas(t *testing.T) {
	peers, err := Replicas(100)
	if err != nil || len(peers) != 100 {
		t.Fatalf("%d addresses, %v", len(peers), err)
	}
	for id, address := range peers {
		if id < 1 || id > 100 {
			t.Errorf("replica %d", id)
		}
		if port := netip.MustParseAddrPort(address).Port(); port < low || port > high {
			t.Errorf("port %d", port)
		}
		conn, err := net.ListenPacket("udp4", address)
		if err != nil {
			t.Error(err) // the same as another, for all stay open
			continue
		}
		defer conn.Close()
	}
}
