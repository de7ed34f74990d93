package loop

import (
	"vrnode/frag/udp"
	"vrnode/internal/assert"
	"vrnode/internal/stack"
)

// jobsMax bounds the jobs that wait for a worker. A host has fewer under way than that.
const jobsMax = 1024

// workers run the jobs of a host, so that its goroutine never waits for a file: one of them those that
// go through a whole state, which let all else go first, the other those behind which somebody waits. While
// chunks come there is always one of the latter, so that one steps back after each.
type workers struct{ long, short chan stack.Job }

func (l *Loop) startWorkers() {
	l.workers = workers{make(chan stack.Job, jobsMax), make(chan stack.Job, jobsMax)}
	l.startWorker(l.workers.long, udp.PatientThread, func() {})
	l.startWorker(l.workers.short, udp.OwnThread, new(udp.Courtesy).StepBack)
}

// startWorker starts a goroutine that binds itself to a thread, runs jobs, and steps back after each.
func (l *Loop) startWorker(jobs <-chan stack.Job, bind, stepBack func()) {
	l.helpers.Go(func() {
		bind()
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

// togetherMax bounds the jobs whose ends the host is told of at once. It is woken for all of them, and so
// are those to whom it then writes, which takes as long as a short job does.
const togetherMax = 8

// run runs a job and those that wait behind it, up to togetherMax, and steps back after each.
func run(j stack.Job, waiting <-chan stack.Job, stepBack func()) (ran []stack.Job) {
	for open := true; open; {
		j.Run()
		stepBack()
		if ran = append(ran, j); len(ran) == togetherMax {
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
