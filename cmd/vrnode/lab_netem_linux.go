package main

import (
	"vrnode/netem/kernel"
	"vrnode/netem/lab"
	"vrnode/netem/scenario"
)

func openNetem(s *scenario.Scenario, can scenario.Capabilities) (lab.Backend, error) {
	return kernel.New(s.Replicas, s.Workload.Clients, can)
}
