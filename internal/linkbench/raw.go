//go:build linux

package main

import (
	"context"
	"errors"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

const (
	// segment is what fits a packet of 1500 bytes with IPv4, and segments how many the kernel takes
	// in one piece.
	segment  = 1472
	segments = 44
	// buffer is asked for on both sides: what frag/udp asks for.
	buffer = 4 << 20
	// silence is after how long without a datagram a sink takes the source to be done.
	silence = 300 * time.Millisecond
	// small is the size of what goes there and back.
	small = 64
)

// socket opens a socket that blocks, bound to or connected with the right host's address.
func socket(connect bool) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, buffer)
	at := &unix.SockaddrInet4{Port: int(rightAddr.Port()), Addr: rightAddr.Addr().As4()}
	if connect {
		return fd, unix.Connect(fd, at)
	}
	return fd, unix.Bind(fd, at)
}

// read reads, whatever signals the runtime sends to its own threads.
func read(fd int, b []byte) (int, error) {
	for {
		if n, err := unix.Read(fd, b); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// A haul is what has arrived at a sink, from the first datagram to the last.
type haul struct {
	Bytes   int64
	Seconds float64
}

// sink takes what comes until nothing comes any more.
func sink() error {
	fd, err := socket(false)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1); err != nil {
		return err
	}
	if err := tell("ready"); err != nil {
		return err
	}
	b := make([]byte, 64<<10)
	if _, err := read(fd, b); err != nil {
		return err
	}
	limit := unix.NsecToTimeval(int64(silence))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return err
	}
	var h haul
	begin := time.Now()
	for {
		n, err := read(fd, b)
		if errors.Is(err, unix.EAGAIN) {
			return tell(h)
		}
		if err != nil {
			return err
		}
		h.Bytes += int64(n)
		h.Seconds = time.Since(begin).Seconds()
	}
}

// source sends as much as it can.
func source(duration time.Duration) error {
	fd, err := socket(true)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, segment); err != nil {
		return err
	}
	b := make([]byte, segment*segments)
	for end := time.Now().Add(duration); time.Now().Before(end); {
		if _, err := unix.Write(fd, b); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
	}
	return tell("done")
}

// echo sends everything back.
func echo() error {
	fd, err := socket(false)
	if err != nil {
		return err
	}
	if err := tell("ready"); err != nil {
		return err
	}
	b := make([]byte, small)
	_, from, err := unix.Recvfrom(fd, b, 0)
	if err != nil {
		return err
	}
	if err := unix.Connect(fd, from); err != nil {
		return err
	}
	for {
		if _, err := unix.Write(fd, b); err != nil {
			return err
		}
		if _, err := read(fd, b); err != nil {
			return err
		}
	}
}

// ping sends one datagram after the other there and back.
func ping(duration time.Duration) error {
	fd, err := socket(true)
	if err != nil {
		return err
	}
	b := make([]byte, small)
	h := hdrhistogram.New(1, int64(time.Minute), 3)
	begin := time.Now()
	for sent := begin; sent.Sub(begin) < duration; {
		if _, err := unix.Write(fd, b); err != nil {
			return err
		}
		if _, err := read(fd, b); err != nil {
			return err
		}
		now := time.Now()
		_ = h.RecordValue(int64(now.Sub(sent)))
		sent = now
	}
	return tell(trips{float64(h.ValueAtQuantile(50)) / 1e3, float64(h.ValueAtQuantile(99)) / 1e3})
}

// rawBulk has a source and a sink play.
func rawBulk(ctx context.Context, on seating, duration time.Duration) (bulk, error) {
	var h haul
	cpu, err := play(ctx, pair{seating: on, answers: itself("sink", duration), asks: itself("source", duration), tells: true}, &h)
	gigabits := 8 * float64(h.Bytes) / 1e9
	return bulk{gigabits: gigabits / h.Seconds, perCPU: gigabits / cpu}, err
}

// rawTrips has a ping and an echo play.
func rawTrips(ctx context.Context, on seating, duration time.Duration) (t trips, err error) {
	_, err = play(ctx, pair{seating: on, answers: itself("echo", duration), asks: itself("ping", duration)}, &t)
	return t, err
}
