package loop

import (
	"vrnode/frag/udp"
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
	l.startWorker(l.workers.long, longShare)
	l.startWorker(l.workers.short, shortShare)
}

// A worker has work all the time while a state is moved, and commits go on meanwhile, so it lets others go first, for
// at most so many times the time that it takes itself. On a busy host a job that goes through a whole state should
// not take much longer for that. A short one is a link in a chain, and the other links need the CPU to go on.
const (
	longShare  = 1. / 8
	shortShare = 2
)

// ownThread gives a goroutine that computes for long a thread of its own. stepBack lets others go first, for up to so
// many times the time that it takes itself.
func ownThread(share float64) (stepBack func()) {
	udp.OwnThread()
	c := udp.Courtesy{Share: share}
	return c.StepBack
}

// startWorker starts a goroutine with a thread of its own that runs jobs, and lets others go first for up to so
// many times the time that they take.
func (l *Loop) startWorker(jobs <-chan stack.Job, share float64) {
	l.helpers.Go(func() {
		stepBack := ownThread(share)
		for j := range jobs {
			ran := run(j, jobs, stepBack)
			done := func() {
				for _, j := range ran {
					l.host.Done(l.now(), j, &l.out)
				}
			}
			if l.inbox.putCall(done) {
				l.conn.Wake()
			}
		}
	})
}

// togetherMax bounds the short jobs whose ends the host is told of at once. It is woken for all of them, and so
// are those to whom it then writes, which takes as long as such a job does.
const togetherMax = 8

// run runs a job, and if it is short those that wait behind it, up to togetherMax, and steps back after each.
func run(j stack.Job, waiting <-chan stack.Job, stepBack func()) (ran []stack.Job) {
	for open := true; open; {
		j.Run(stepBack)
		stepBack()
		if ran = append(ran, j); len(ran) == togetherMax || j.IsLong() {
			break
		}
		select {
		case j, open = <-waiting:
		default:
			return ran
		}
	}
	return ran
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
