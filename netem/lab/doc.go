// Package lab runs experiments: real processes of vrnode on a network that a Backend impairs, real
// clients, and the steps of a scenario, after which it judges what the clients saw.
//
//	scenario ──> Run ──> result folder, verdict
//	              ├── network     what each link is asked to do, and whether it did
//	              ├── processes   starts, kills, pauses and listens to replicas
//	              ├── watcher     who is primary, what was said, who has caught up
//	              ├── workload    clients, and the history of their calls
//	              └── driver      takes the steps and undoes them
//
// Reading order: backend.go for what a network must be able to do, run.go, driver.go, judge.go.
package lab
