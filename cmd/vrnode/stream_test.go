package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vrnode/vr/machine/accumulator"
)

// newStream returns a stream whose operations are executed at once by an accumulator, and
// answered by a goroutine each, in any order.
func newStream(window int, underWay *atomic.Int64) *stream {
	var m accumulator.Machine
	return &stream{
		check: accumulator.Check, timeout: time.Minute, window: window,
		submit: func(command []byte, done func([]byte, error)) {
			result := string(m.Apply(1, command))
			underWay.Add(1)
			go func() {
				underWay.Add(-1)
				done([]byte(result), nil)
			}()
		},
	}
}

func TestStreamOrder(t *testing.T) {
	var input, want strings.Builder
	for i := range 5000 {
		fmt.Fprintln(&input, "add 1")
		fmt.Fprintln(&want, i+1)
	}
	var underWay atomic.Int64
	var output strings.Builder
	s := newStream(8, &underWay)
	if err := s.run(t.Context(), strings.NewReader(input.String()), &output); err != nil {
		t.Fatal(err)
	}
	if output.String() != want.String() {
		t.Error("the answers are not those of the lines, in their order")
	}
	if s.answered != 5000 || s.failed != 0 {
		t.Errorf("counted %d answers, %d failed", s.answered, s.failed)
	}
}

// TestStreamWindow: no more than window operations are submitted before the first is answered.
func TestStreamWindow(t *testing.T) {
	var submitted []func([]byte, error)
	full := make(chan struct{})
	s := &stream{
		check: func([]byte) error { return nil }, timeout: time.Minute, window: 4,
		submit: func(_ []byte, done func([]byte, error)) {
			if submitted = append(submitted, done); len(submitted) == 4 {
				close(full)
			}
		},
	}
	s.abandon = sync.OnceFunc(func() {
		for _, done := range submitted {
			done(nil, context.Canceled)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-full; cancel() }()
	err := s.run(ctx, strings.NewReader(strings.Repeat("x\n", 100)), io.Discard)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(submitted) != 4 {
		t.Errorf("%d operations under way, want 4", len(submitted))
	}
}

func TestStreamErrors(t *testing.T) {
	var underWay atomic.Int64
	var output strings.Builder
	s := newStream(8, &underWay)
	input := "add 9223372036854775807\nadd 1\r\n\ndivide 3\nread"
	if err := s.run(t.Context(), strings.NewReader(input), &output); err != nil {
		t.Fatal(err)
	}
	want := `9223372036854775807
error: overflow
error: unknown operation "": want add, subtract, multiply, clear or read
error: unknown operation "divide": want add, subtract, multiply, clear or read
9223372036854775807
`
	if output.String() != want || s.failed != 3 {
		t.Errorf("%d failed, and the output is\n%s", s.failed, output.String())
	}
}

func TestStreamTimeout(t *testing.T) { synctest.Test(t, testStreamTimeout) }

func testStreamTimeout(t *testing.T) {
	var output strings.Builder
	gone := errors.New("gone")
	silent := make(chan func([]byte, error), 1)
	s := &stream{
		check: func([]byte) error { return nil }, timeout: time.Millisecond, window: 8,
		submit: func(command []byte, done func([]byte, error)) {
			if string(command) == "silence" {
				silent <- done
			} else {
				done(command, nil)
			}
		},
		abandon: func() { (<-silent)(nil, gone) },
	}
	err := s.run(t.Context(), strings.NewReader("a\nb\nsilence\nc\n"), &output)
	if !errors.Is(err, gone) || err.Error() != "no answer within 1ms" {
		t.Error(err)
	}
	if output.String() != "a\nb\n" || s.answered != 2 {
		t.Errorf("%d answers: %q", s.answered, output.String())
	}
}

// TestStreamLateAnswer: what the submitter still has a result for is no loss.
func TestStreamLateAnswer(t *testing.T) {
	var output strings.Builder
	late := make(chan func([]byte, error), 1)
	s := &stream{
		check: func([]byte) error { return nil }, timeout: time.Millisecond, window: 8,
		submit:  func(_ []byte, done func([]byte, error)) { late <- done },
		abandon: func() { (<-late)([]byte("late"), nil) },
	}
	if err := s.run(t.Context(), strings.NewReader("a\n"), &output); err != nil {
		t.Fatal(err)
	}
	if output.String() != "late\n" {
		t.Errorf("got %q", output.String())
	}
}

// TestStreamIsInteractive: a result is shown although no other line follows yet.
func TestStreamIsInteractive(t *testing.T) {
	var underWay atomic.Int64
	input, keyboard := io.Pipe()
	screen, output := io.Pipe()
	done := make(chan error)
	go func() { done <- newStream(8, &underWay).run(t.Context(), input, output) }()
	answers := bufio.NewScanner(screen)
	for _, want := range []string{"1", "2", "3"} {
		fmt.Fprintln(keyboard, "add 1")
		if !answers.Scan() || answers.Text() != want {
			t.Fatalf("got %q, want %q", answers.Text(), want)
		}
	}
	keyboard.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestStreamSlowReader: an answer that nobody has looked at for long is an answer.
func TestStreamSlowReader(t *testing.T) {
	s := &stream{timeout: time.Minute, abandon: func() { t.Error("abandoned") }}
	for range 100 {
		l := line{time.Now().Add(-time.Hour), make(chan answer, 1)}
		l.answer <- answer{result: []byte("7")}
		if result, err := s.await(t.Context(), l); err != nil || string(result) != "7" {
			t.Fatalf("%q, %v", result, err)
		}
	}
}

// TestStreamIdleInterrupt: whoever types nothing can stop the stream, too.
func TestStreamIdleInterrupt(t *testing.T) {
	input, keyboard := io.Pipe()
	defer keyboard.Close()
	ctx, interrupt := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	interrupt(why)
	abandoned := false
	s := &stream{window: 8, timeout: time.Minute, abandon: func() { abandoned = true }}
	if err := s.run(ctx, input, io.Discard); err != why || !abandoned {
		t.Errorf("%v, abandoned: %v", err, abandoned)
	}
}

// A brokenWriter is a full disk.
type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

// TestStreamInputAndOutput: what the group is not to blame for is no noAnswer, and stops the
// stream.
func TestStreamInputAndOutput(t *testing.T) {
	var underWay atomic.Int64
	full := errors.New("disk full")
	s := newStream(8, &underWay)
	if err := s.run(t.Context(), strings.NewReader(strings.Repeat("add 1\n", 10_000)), brokenWriter{full}); err != full || s.answered == 10_000 {
		t.Errorf("full disk: %v after %d lines", err, s.answered)
	}
	var output strings.Builder
	s = newStream(8, &underWay)
	if err := s.run(t.Context(), strings.NewReader("add 1\n"+strings.Repeat("x", inputLineMax)), &output); !errors.Is(err, errLineTooLong) {
		t.Errorf("long line: %v", err)
	}
	if output.String() != "1\n" {
		t.Errorf("long line: got %q", output.String())
	}
}
