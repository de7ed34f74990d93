// Package scenarios holds the experiments that come with the program, one file each.
package scenarios

import "embed"

// Files are the scenarios. Their names end in .yaml.
//
//go:embed *.yaml
var Files embed.FS
