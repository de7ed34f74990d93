package main

import (
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// format is the value of -o. The first of the formats that a command has is its default.
type format struct {
	value   string
	formats []string
}

func (f *format) addTo(cmd *cobra.Command, formats ...string) {
	f.value, f.formats = formats[0], formats
	cmd.Flags().VarP(f, "output", "o", "how to print the result")
}

func (f *format) Type() string   { return strings.Join(f.formats, "|") }
func (f *format) String() string { return f.value }

func (f *format) Set(value string) error {
	if !slices.Contains(f.formats, value) {
		return usage("want %s", strings.Join(f.formats, " or "))
	}
	f.value = value
	return nil
}

func (f *format) json() bool { return f.value == "json" }

// printJSON prints one object on one line.
func printJSON(w io.Writer, value any) error {
	return json.NewEncoder(w).Encode(value)
}
