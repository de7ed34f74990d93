package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"
)

// duration is the value of a flag that says how long something may take, which is never nothing.
type duration time.Duration

func (d *duration) addTo(cmd *cobra.Command, name string, value time.Duration, purpose string) {
	*d = duration(value)
	cmd.Flags().Var(d, name, purpose)
}

func (d *duration) Type() string   { return "duration" }
func (d *duration) String() string { return time.Duration(*d).String() }

func (d *duration) Set(text string) error {
	value, err := time.ParseDuration(text)
	if err != nil || value <= 0 {
		return errors.New("want a time above 0, as in 5s")
	}
	*d = duration(value)
	return nil
}

func (d duration) get() time.Duration { return time.Duration(d) }
