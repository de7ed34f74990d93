//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"

	"vrnode/internal/ports"
)

// measureLink returns how many bytes per second vrnode link moves in bulk from one process to another.
func measureLink(ctx context.Context, o *options) (float64, error) {
	address, err := ports.Free(1)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listener := exec.CommandContext(ctx, o.vrnode, "link", "--listen", address[0])
	if err := listener.Start(); err != nil {
		return 0, err
	}
	defer listener.Wait() // cancel has ended it
	defer cancel()
	asker := exec.CommandContext(ctx, o.vrnode, "link", "--to", address[0], "--measure", "up", "--duration", "3s", "-o", "json")
	asker.Stderr = os.Stderr
	text, err := asker.Output()
	if err != nil {
		return 0, fmt.Errorf("vrnode link: %w", err)
	}
	var report struct {
		Rows []struct {
			BytesPerSecond float64 `json:"bytes_per_second"`
		} `json:"rows"`
	}
	if err := json.Unmarshal(text, &report); err != nil || len(report.Rows) != 1 {
		return 0, fmt.Errorf("vrnode link has printed something else than a report: %w", err)
	}
	return report.Rows[0].BytesPerSecond, nil
}
