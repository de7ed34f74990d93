package result

import "time"

// Traffic is what a replica has sent to the others between two samples.
type Traffic struct {
	At    time.Duration // of the second sample
	Sent  uint64        // datagrams
	Again uint64        // fragments and slot messages that were sent once more
}

// TrafficOf returns what the samples of a run tell of the traffic between replicas, in the order of
// the events. What a process sent after its last sample, nobody knows.
func TrafficOf(events []Event) []Traffic {
	type counters struct{ sent, again uint64 }
	last := make(map[int]counters)
	var out []Traffic
	for i := range events {
		e := &events[i]
		switch {
		case e.Kind == Process && e.Name == "start":
			delete(last, e.Replica)
		case e.Kind == Sample && e.Sent > 0:
			was := last[e.Replica]
			last[e.Replica] = counters{e.Sent, e.Again}
			if was.sent > e.Sent {
				was = counters{} // an answer of the process before came late
			}
			out = append(out, Traffic{e.At, e.Sent - was.sent, e.Again - min(was.again, e.Again)})
		}
	}
	return out
}
