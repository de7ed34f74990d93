package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"vrnode/vr/client"
	"vrnode/vr/node"
	"vrnode/wire"
)

// The script: how long the client works before the primary is killed, while it is gone, and after
// it has come back.
const (
	before  = 1500 * time.Millisecond
	without = 1500 * time.Millisecond
	after   = 1500 * time.Millisecond
	// total bounds the whole, waits for what should happen at once included.
	total = 20 * time.Second
	// progress is the time between two lines about the work.
	progress = 500 * time.Millisecond
)

const replicas = 3

// A Report is what came of a demonstration.
type Report struct {
	Acked      int   `json:"acked"`      // additions that the client was told are done
	Applied    int   `json:"applied"`    // additions that the replicas have executed
	Lost       int   `json:"lost"`       // acknowledged, but missing in a replica
	Duplicated int   `json:"duplicated"` // executed more than once
	FailoverMS int64 `json:"failover_ms"`
	RecoveryMS int64 `json:"recovery_ms"`
	Views      int   `json:"views"` // views until the end, the first one and each view change
	Read       int64 `json:"read"`  // the value that the group reports in the end
	Sum        int64 `json:"sum"`   // the same, counted apart
}

// Run plays the demonstration and tells it to talk. An error without a report means that it could
// not be played to its end, one with a report that a promise was broken.
func Run(ctx context.Context, talk io.Writer) (*Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, total, fmt.Errorf("it has taken longer than %v", total))
	defer cancel()
	g, err := newGroup(replicas)
	if err != nil {
		return nil, err
	}
	d := &demo{narrator: &narrator{w: talk, born: time.Now()}, group: g}
	defer d.close()
	if err := d.play(ctx); err != nil {
		return nil, err
	}
	return &d.report, d.compare()
}

type demo struct {
	*narrator
	*group
	client *client.Client
	worker *worker
	acked  []addition
	report Report
}

func (d *demo) close() {
	if d.client != nil {
		d.client.Close()
	}
	d.group.close()
}

func (d *demo) play(ctx context.Context) error {
	for _, act := range []func(context.Context) error{d.birth, d.work, d.loss, d.comeBack, d.end} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

// birth starts the replicas and forms the group.
func (d *demo) birth(ctx context.Context) error {
	d.say("Three replicas start. What they know is in their memory and nowhere else.")
	for id := range uint64(replicas) {
		if err := d.start(id+1, d.tell); err != nil {
			return err
		}
	}
	cluster, err := node.Form(ctx, d.peers)
	if err != nil {
		return err
	}
	d.say("They were formed into a group, which happens once: %s.", cluster)
	return nil
}

// work lets a client begin.
func (d *demo) work(ctx context.Context) (err error) {
	if d.client, err = client.Start(client.Config{Peers: d.peers}); err != nil {
		return err
	}
	d.say("A client adds 1, 2, 3 … with %d additions under way at a time.", outstanding)
	d.worker = startWorker(ctx, d.client)
	return d.watch(ctx, before)
}

// loss kills the primary.
func (d *demo) loss(ctx context.Context) error {
	var view wire.ViewNumber
	var primary wire.Peer
	// On a busy machine the group may be changing its view just now.
	reigned := func() bool { view, primary = d.reign(); return primary != 0 }
	if err := poll(ctx, "a primary", reigned); err != nil {
		return err
	}
	killed := time.Now()
	d.kill(uint64(primary))
	d.say("KILLED replica %v, the primary. Its memory is gone.", primary)
	changed := func() bool { later, _ := d.reign(); return later > view }
	if err := poll(ctx, "a new view", changed); err != nil {
		return err
	}
	count := d.worker.count()
	if err := poll(ctx, "an acknowledgement in the new view", func() bool { return d.worker.count() > count }); err != nil {
		return err
	}
	failover := time.Since(killed)
	d.report.FailoverMS = failover.Milliseconds()
	d.say("The client gets answers again, %d ms after the kill.", failover.Milliseconds())
	return d.watch(ctx, without)
}

// comeBack starts the killed replica again.
func (d *demo) comeBack(ctx context.Context) error {
	dead := d.dead()
	d.say("STARTED replica %d again. It knows nothing, and asks the others.", dead)
	started := time.Now()
	if err := d.start(dead, d.tell); err != nil {
		return err
	}
	recovered := func() bool { return d.runs[dead].node.Status().Status == wire.StatusNormal }
	if err := poll(ctx, "the recovery of the killed replica", recovered); err != nil {
		return err
	}
	d.report.RecoveryMS = time.Since(started).Milliseconds()
	return d.watch(ctx, after)
}

// end lets the client finish, and reads the value.
func (d *demo) end(ctx context.Context) (err error) {
	if d.acked, err = d.worker.finish(ctx); err != nil {
		return err
	}
	read, err := d.client.Submit(ctx, []byte("read"))
	if err != nil {
		return err
	}
	if d.report.Read, err = strconv.ParseInt(string(read), 10, 64); err != nil {
		return err
	}
	view, _ := d.reign()
	d.report.Views = int(view) + 1
	d.say("The client is done. Now to compare what it was told with what the replicas did.")
	return poll(ctx, "all replicas to have executed everything", d.settled)
}

// wrongMax bounds the lines about what is wrong: one wrong result makes all later ones wrong.
const wrongMax = 5

// compare judges, and completes the report.
func (d *demo) compare() error {
	v := judge(d.acked, d.histories(), d.ended)
	d.report.Acked, d.report.Applied, d.report.Lost, d.report.Duplicated = len(d.acked), v.applied, v.lost, v.duplicated
	for _, a := range d.acked {
		d.report.Sum += a.number
	}
	for _, wrong := range v.wrong[:min(len(v.wrong), wrongMax)] {
		d.say("WRONG: %s", wrong)
	}
	if more := len(v.wrong) - wrongMax; more > 0 {
		d.say("WRONG: and %d more", more)
	}
	switch {
	case !v.good():
		return errors.New("the replicas have not done what the client was told")
	case d.report.Read != d.report.Sum:
		return fmt.Errorf("the group says that the sum is %d, and it is %d", d.report.Read, d.report.Sum)
	}
	return nil
}

// watch reports the work for a while.
func (d *demo) watch(ctx context.Context, duration time.Duration) error {
	end := time.After(duration)
	tick := time.NewTicker(progress)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			view, primary := d.reign()
			d.say("view %d, primary %v: %d additions acknowledged", view, primary, d.worker.count())
		case <-end:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
