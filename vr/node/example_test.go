package node_test

import (
	"context"
	"fmt"
	"io"
	"time"

	"vrnode/internal/ports"
	"vrnode/vr/node"
)

// A counter is the service that is replicated: it counts the bytes of its commands.
type counter int

func (c *counter) Apply(_ uint64, command []byte) []byte {
	*c += counter(len(command))
	return fmt.Append(nil, int(*c))
}

// Snapshot returns the count as it is now, for replicas that come back without their memory.
func (c *counter) Snapshot() io.WriterTo { return *c }

func (c counter) WriteTo(w io.Writer) (int64, error) {
	n, err := fmt.Fprint(w, int(c))
	return int64(n), err
}

func (c *counter) Restore(r io.Reader) error {
	_, err := fmt.Fscan(r, (*int)(c))
	return err
}

// Three replicas in one program; in earnest they are three machines.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	peers := freePeers(3)
	nodes := map[uint64]*node.Node{}
	for id := range peers {
		n, err := node.Start(node.Config{ID: id, Peers: peers, Machine: new(counter)})
		if err != nil {
			panic(err)
		}
		defer n.Close()
		nodes[id] = n
	}
	if _, err := node.Form(ctx, peers); err != nil { // once in the life of the group
		panic(err)
	}
	for _, id := range []uint64{1, 2, 3} { // any replica takes commands
		result, err := nodes[id].Submit(ctx, []byte("four"))
		fmt.Println(string(result), err)
	}
	// Output:
	// 4 <nil>
	// 8 <nil>
	// 12 <nil>
}

// freePeers finds n free UDP ports.
func freePeers(n int) map[uint64]string {
	peers, err := ports.Replicas(n)
	if err != nil {
		panic(err)
	}
	return peers
}
