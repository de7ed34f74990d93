//go:build !linux

package main

import (
	"vrnode/netem/kernel"
	"vrnode/netem/lab"
	"vrnode/netem/scenario"
)

func openNetem(*scenario.Scenario, scenario.Capabilities) (lab.Backend, error) {
	return nil, kernel.Settle()
}
