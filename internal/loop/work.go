package loop

import (
	"vrnode/internal/assert"
	"vrnode/internal/stack"
)

// jobsMax bounds the jobs that wait for a worker. A host has fewer under way than that.
const jobsMax = 1024

// workers run the jobs of a host, so that its goroutine never waits for a file: one of them those that
// go through a whole state, the other those behind which somebody waits.
type workers struct{ long, short chan stack.Job }

func (l *Loop) startWorkers() {
	l.workers = workers{make(chan stack.Job, jobsMax), make(chan stack.Job, jobsMax)}
	for _, jobs := range [...]chan stack.Job{l.workers.long, l.workers.short} {
		l.helpers.Go(func() {
			for j := range jobs {
				j.Run()
				done := func() { l.host.Done(l.now(), j, &l.out) }
				if l.inbox.putCall(done) {
					l.conn.Wake()
				}
			}
		})
	}
}

// work hands the jobs that the host has made to the workers.
func (l *Loop) work() {
	for _, j := range l.out.Jobs {
		to := l.workers.short
		if j.IsLong() {
			to = l.workers.long
		}
		assert.That(len(to) < jobsMax, "a host has fewer jobs under way than the workers have room for")
		to <- j
	}
}

// endWorkers ends the jobs that run, since their files are closed, and forgets those that wait.
func (l *Loop) endWorkers() {
	l.spools.close()
	for _, jobs := range [...]chan stack.Job{l.workers.long, l.workers.short} {
		close(jobs)
	}
}
