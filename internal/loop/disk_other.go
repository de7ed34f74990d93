//go:build !linux || !(amd64 || arm64 || riscv64 || 386 || s390x || loong64)

package loop

import "os"

func toDisk(*os.File, int64, int64) {}

func nearlyFull() bool { return false }
