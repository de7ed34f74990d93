package main

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// newBar returns a progress bar of a length in units of its own, silent where nobody looks.
func newBar(length int64, doing string, more ...progressbar.Option) *progressbar.ProgressBar {
	if !isTerminal(os.Stderr) {
		return progressbar.DefaultSilent(length)
	}
	return progressbar.NewOptions64(length, append([]progressbar.Option{
		progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100 * time.Millisecond), progressbar.OptionSetDescription(doing),
	}, more...)...)
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
