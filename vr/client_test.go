package vr

import (
	"testing"
	"time"

	"vrnode/wire"
)

// A lonely is a client without anybody, to whom a test says what replicas would.
type lonely struct {
	*Client
	t   *testing.T
	now time.Duration
	out Effects
}

func newLonely(t *testing.T) *lonely {
	c := &lonely{t: t, now: time.Second, Client: NewClient(ClientConfig{Self: clientID, Replicas: []wire.Peer{1, 2, 3}})}
	c.target = 0
	c.submit(1)
	c.tell(1, 0, &wire.Registered{Client: clientID, Session: 5})
	return c
}

// submit makes requests of 60 KiB.
func (c *lonely) submit(n int) {
	for range n {
		c.Submit(c.now, make([]byte, 60<<10))
	}
}

// tell gives it a message from a replica in a view.
func (c *lonely) tell(from wire.Peer, view wire.ViewNumber, m wire.Message) {
	c.Step(c.now, &wire.Header{Cluster: wire.ClusterID{1}, From: from, View: view}, m, &c.out)
}

// done tells it of the results of some requests.
func (c *lonely) done(first, n int) {
	var results wire.Results
	for range n {
		results = results.Append(wire.OutcomeDone, nil)
	}
	c.tell(c.cfg.Replicas[c.target], c.view, &wire.Reply{Client: clientID, Session: c.session, First: wire.RequestNumber(first), Results: results})
}

// says returns what it sends until then: how many bytes of requests to each replica, and to whom a Register.
func (c *lonely) says(d time.Duration) (requests map[wire.Peer]int, asked []wire.Peer) {
	requests = map[wire.Peer]int{}
	for end := c.now + d; ; c.now = c.Deadline() {
		c.out.Reset()
		c.Tick(c.now, &c.out)
		for _, e := range c.out.Messages {
			switch m := e.Message.(type) {
			case *wire.Request:
				requests[e.To] += m.Commands.Size()
			case *wire.Register:
				asked = append(asked, e.To)
			}
		}
		if c.Deadline() > end {
			c.now = end
			return requests, asked
		}
		c.now = max(c.now, c.Deadline())
	}
}

// Of many large requests not all are sent at once, and if nobody answers little is repeated, to the primary
// only. The others are asked.
func TestSilenceIsNotAnsweredWithFloods(t *testing.T) {
	c := newLonely(t)
	c.submit(63)
	requests, asked := c.says(50 * time.Millisecond)
	if n := requests[1]; n > flightBytes+1<<10 || n < flightBytes/2 || len(requests) != 1 || len(asked) != 0 {
		t.Fatalf("sends %v, asks %v", requests, asked)
	}
	requests, asked = c.says(3 * time.Second)
	if n := requests[1]; n == 0 || n > 5*prepareBytes || len(requests) != 1 {
		t.Errorf("repeats %v", requests)
	}
	if len(asked) < 4 || len(asked) > 20 {
		t.Errorf("asks %v", asked)
	}
	c.done(1, 1)
	if requests, _ = c.says(0); requests[1] < 60<<10 || requests[1] > 62<<10 {
		t.Errorf("there is room for one request, and it sends %v", requests)
	}
}

// If all was lost, it takes no more than a few repeats until all is there.
func TestRepeatsMoreWhereMoreWasLost(t *testing.T) {
	c := newLonely(t)
	c.submit(15)
	c.says(0)
	for n, before := 0, 0; c.Outstanding() > 0; n++ {
		requests, _ := c.says(c.repeatAt - c.now)
		got := requests[1] / (60 << 10)
		if n == 6 || got < before {
			t.Fatalf("repeat %d has %d requests after %d, %d are left", n, got, before, c.Outstanding())
		}
		c.done(int(c.acked)+1, got)
		before = min(got, c.Outstanding())
	}
}

// Who says that it is the primary of a later view gets all of it, who is that of an earlier one nothing.
func TestRegisteredNamesThePrimary(t *testing.T) {
	c := newLonely(t)
	c.submit(2)
	c.says(0)
	c.tell(2, 4, &wire.Registered{Client: clientID, Session: 5})
	if requests, _ := c.says(0); requests[2] < 3*60<<10 || len(requests) != 1 {
		t.Errorf("sends %v", requests)
	}
	c.tell(1, 3, &wire.Registered{Client: clientID, Session: 5})
	if requests, _ := c.says(0); len(requests) != 0 {
		t.Errorf("sends %v", requests)
	}
}

// A primary whose view has not started yet gets nothing before it says that it has.
func TestPrimaryThatIsNotReady(t *testing.T) {
	c := newLonely(t)
	c.submit(2)
	c.says(0)
	c.tell(1, 0, &wire.Refused{Client: clientID, Why: wire.RefusalNotPrimary, Primary: 1})
	if requests, asked := c.says(20 * time.Millisecond); len(requests) != 0 || len(asked) == 0 || asked[0] != 1 {
		t.Errorf("sends %v, asks %v", requests, asked)
	}
	c.tell(1, 0, &wire.Registered{Client: clientID, Session: 5})
	if requests, _ := c.says(0); requests[1] < 3*60<<10 {
		t.Errorf("sends %v", requests)
	}
}

// A session that is over does not begin again because the word of its beginning comes late.
func TestSessionIsOver(t *testing.T) {
	c := newLonely(t)
	c.says(0)
	var results wire.Results
	c.tell(1, 0, &wire.Reply{Client: clientID, Session: 5, First: 1, Results: results.Append(wire.OutcomeSessionExpired, nil)})
	c.submit(1)
	for _, late := range []wire.SessionNumber{5, 4} {
		if c.tell(1, 0, &wire.Registered{Client: clientID, Session: late}); c.session != 0 {
			t.Errorf("session %d has begun again", late)
		}
	}
	if c.tell(1, 0, &wire.Registered{Client: clientID, Session: 9}); c.session != 9 {
		t.Errorf("session %d", c.session)
	}
}
