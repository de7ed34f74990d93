package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vrnode/vr"
	"vrnode/vr/machine/accumulator"
	"vrnode/vr/machine/kv"
)

// A machine is a service that --machine can name.
type machine struct {
	new func() vr.StateMachine
	// command makes a command of the words on a command line.
	command func(words []string) []byte
	// check finds out what is wrong with a command before it is sent.
	check func(command []byte) error
}

var machines = map[string]machine{
	"accumulator": {
		new:     func() vr.StateMachine { return new(accumulator.Machine) },
		command: func(words []string) []byte { return []byte(strings.Join(words, " ")) },
		check:   accumulator.Check,
	},
	"kv": {
		new:     func() vr.StateMachine { return new(kv.Machine) },
		command: kv.Words,
		check:   kv.Check,
	},
}

// machineFlag is the value of --machine.
type machineFlag string

func (m *machineFlag) addTo(cmd *cobra.Command, purpose string) {
	*m = "accumulator"
	cmd.Flags().Var(m, "machine", purpose)
}

func (m *machineFlag) Type() string   { return "NAME" }
func (m *machineFlag) String() string { return string(*m) }

func (m *machineFlag) Set(name string) error {
	if _, known := machines[name]; !known {
		return usage("there is no such machine; there is %s", strings.Join(slices.Sorted(maps.Keys(machines)), ", "))
	}
	*m = machineFlag(name)
	return nil
}

func (m machineFlag) get() machine { return machines[string(m)] }
