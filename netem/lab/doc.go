// Package lab runs experiments: real processes of vrnode on a network that a Backend impairs, real
// clients, and the steps of a scenario, after which it judges what the clients saw. Or all of that
// is simulated.
//
//	scenario ──> Run, Simulate ──> result folder, verdict
//	              ├── driver      takes the steps and undoes them: time in, orders out
//	              ├── board       who is primary, what was said, who has caught up
//	              ├── network     what each link is asked to do, and whether it did
//	              ├── caller      which call a client makes next, and when
//	              └── judge       what is thought of it
//
// These five have no clock. Around them Run has processes, a watcher that listens to and asks them,
// and a workload of real clients; Simulate has a stage of internal/sim.
//
// Reading order: backend.go for what a network must be able to do, driver.go, experiment.go, run.go,
// simulation.go, judge.go.
package lab
