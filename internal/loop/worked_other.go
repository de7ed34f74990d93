//go:build !linux

package loop

import "time"

// threadWorked is not known.
func threadWorked() time.Duration { return 0 }
