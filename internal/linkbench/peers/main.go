//go:build linux

// Peers is what linkbench measures the transport beside: TCP as the system comes, quic-go and kcp-go.
// It is a module of its own, so that nobody else needs theirs.
//
//	main.go        the two ends, on a stream of bytes
//	transports.go  how each transport makes one
//
// Messages, their sizes and how many are outstanding are those of package linktest. A message begins
// with its own size and that of its answer, u32 both, little-endian; an answer is any bytes.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	bulkSize    = 64 << 10
	bulkAnswer  = 9
	bulkWindow  = 96
	smallSize   = 64
	headerSize  = 8
	streamsRoom = 64 << 10 // of what is read and not yet taken
	// warmUp is the part that is not counted, as a share of what is.
	warmUp = 10
)

func main() {
	name := flag.String("transport", "tcp", "tcp, quic or kcp")
	role := flag.String("role", "listen", "listen, bulk or small")
	addr := flag.String("addr", "127.0.0.1:7000", "where the end that listens is")
	duration := flag.Duration("duration", time.Second, "how long to measure")
	flag.Parse()
	t, ok := transports[*name]
	if !ok {
		exit(fmt.Errorf("-transport: %q is none", *name))
	}
	switch *role {
	case "listen":
		exit(listen(t, *addr))
	case "bulk", "small":
		exit(ask(t, *addr, *role == "bulk", *duration))
	}
	exit(fmt.Errorf("-role: %q is none", *role))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func tell(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }

// listen answers every stream until the process is ended.
func listen(t transport, addr string) error {
	accept, err := t.listen(addr)
	if err != nil {
		return err
	}
	if err := tell("ready"); err != nil {
		return err
	}
	for {
		s, err := accept()
		if err != nil {
			return err
		}
		go answer(s) // its error is the end of the other end
	}
}

func answer(s io.ReadWriter) error {
	in := bufio.NewReaderSize(s, streamsRoom)
	message := make([]byte, bulkSize)
	for {
		if _, err := io.ReadFull(in, message[:headerSize]); err != nil {
			return err
		}
		size, back := binary.LittleEndian.Uint32(message), binary.LittleEndian.Uint32(message[4:])
		if size < headerSize || size > bulkSize || back > bulkSize {
			return fmt.Errorf("a message of %d bytes that wants %d", size, back)
		}
		if _, err := io.ReadFull(in, message[headerSize:size]); err != nil {
			return err
		}
		if _, err := s.Write(message[:back]); err != nil {
			return err
		}
	}
}

// ask measures bulk or small messages.
func ask(t transport, addr string, isBulk bool, duration time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, err := t.dial(ctx, addr)
	if err != nil {
		return err
	}
	if isBulk {
		return bulk(s, duration)
	}
	return small(s, duration)
}

// request returns a message of so many bytes that wants so many back.
func request(size, back int) []byte {
	b := make([]byte, size)
	binary.LittleEndian.PutUint32(b, uint32(size))
	binary.LittleEndian.PutUint32(b[4:], uint32(back))
	return b
}

// bulk keeps bulkWindow messages outstanding and tells how many bytes of them arrived in a second.
func bulk(s io.ReadWriter, duration time.Duration) error {
	room := make(chan struct{}, bulkWindow)
	var answered atomic.Int64
	failed := make(chan error, 2)
	go func() {
		in, b := bufio.NewReaderSize(s, streamsRoom), make([]byte, bulkAnswer)
		for {
			if _, err := io.ReadFull(in, b); err != nil {
				failed <- err
				return
			}
			answered.Add(1)
			<-room
		}
	}()
	go func() {
		for message := request(bulkSize, bulkAnswer); ; {
			room <- struct{}{}
			if _, err := s.Write(message); err != nil {
				failed <- err
				return
			}
		}
	}()
	var before int64
	from := time.Now()
	for _, wait := range []time.Duration{duration / warmUp, duration} {
		before, from = answered.Load(), time.Now()
		select {
		case err := <-failed:
			return err
		case <-time.After(wait):
		}
	}
	return tell(struct{ BytesPerSecond float64 }{float64(answered.Load()-before) * bulkSize / time.Since(from).Seconds()})
}

// small has one message after the other there and back, and tells the quantiles in microseconds.
func small(s io.ReadWriter, duration time.Duration) error {
	message, b := request(smallSize, smallSize), make([]byte, smallSize)
	h := hdrhistogram.New(1, int64(time.Minute), 3)
	from := time.Now().Add(duration / warmUp)
	for sent := time.Now(); sent.Sub(from) < duration; {
		if _, err := s.Write(message); err != nil {
			return err
		}
		if _, err := io.ReadFull(s, b); err != nil {
			return err
		}
		now := time.Now()
		if sent.After(from) {
			_ = h.RecordValue(int64(now.Sub(sent)))
		}
		sent = now
	}
	return tell(struct{ P50, P99 float64 }{float64(h.ValueAtQuantile(50)) / 1e3, float64(h.ValueAtQuantile(99)) / 1e3})
}
