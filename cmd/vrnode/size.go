package main

import (
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// size is the value of a flag that says how much memory something may take.
type size int

func (s *size) addTo(cmd *cobra.Command, name string, value int, purpose string) {
	*s = size(value)
	cmd.Flags().Var(s, name, purpose)
}

var sizeUnits = []struct {
	name  string
	bytes int
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func (s *size) Type() string { return "size" }

// String writes the size in the largest unit that it is a whole number of.
func (s *size) String() string {
	for _, unit := range sizeUnits {
		if int(*s)%unit.bytes == 0 {
			return strconv.Itoa(int(*s)/unit.bytes) + unit.name
		}
	}
	return strconv.Itoa(int(*s))
}

func (s *size) Set(text string) error {
	for _, unit := range sizeUnits {
		if number, found := strings.CutSuffix(text, unit.name); found {
			n, err := strconv.Atoi(number)
			if err == nil && n > 0 && n <= math.MaxInt/unit.bytes {
				*s = size(n * unit.bytes)
				return nil
			}
		}
	}
	return usage("want a number and a unit, as in 256MiB or 2GiB")
}

func (s size) get() int { return int(s) }
