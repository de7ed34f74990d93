package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// A stream answers operations, one a line, in the order of the lines.
type stream struct {
	// check finds what is wrong with a command; such a line is answered and not sent.
	check func(command []byte) error
	// submit takes a command, and calls done once with its end. It keeps nothing of command.
	submit func(command []byte, done func(result []byte, err error))
	// timeout is how long a line may wait for its answer.
	timeout time.Duration
	// abandon makes everything under way end at once, and what is submitted later never begin.
	// It may be called more than once.
	abandon func()
	// window is how many lines may be under way.
	window int

	answered int // lines with an answer
	failed   int // answers that say "error: …"
}

// A line is one line of input under way.
type line struct {
	since  time.Time
	answer chan answer
}

type answer struct {
	result []byte
	err    error // there is no result
}

// run reads input to its end and answers every line on output. At the first line that gets no
// result it stops and returns a noAnswer; every other error is that of input, output or ctx.
func (s *stream) run(ctx context.Context, input io.Reader, output io.Writer) error {
	results := bufio.NewWriter(output)
	defer results.Flush()
	stop := make(chan struct{})
	defer close(stop)
	lines := make(chan line, s.window-1) // and one that is being answered
	var readErr error
	go func() {
		defer close(lines)
		readErr = s.read(input, lines, stop)
	}()
	for {
		l, ok := s.next(ctx, lines)
		if !ok {
			break
		}
		if len(l.answer) == 0 {
			results.Flush() // before a wait, show what there is
		}
		result, err := s.await(ctx, l)
		if err != nil {
			return err
		}
		s.count(result)
		if _, err := results.Write(append(result, '\n')); err != nil {
			return err // nobody would see the results of the lines to come
		}
		if len(lines) == 0 {
			results.Flush()
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(readErr, results.Flush())
}

// next returns the next line, unless input or ctx end before there is one.
func (s *stream) next(ctx context.Context, lines <-chan line) (l line, ok bool) {
	select {
	case l, ok = <-lines:
		return l, ok
	case <-ctx.Done():
	}
	s.abandon() // so that whatever may have been executed is in lines by now
	select {
	case l, ok = <-lines:
	default:
	}
	return l, ok
}

// inputLineMax bounds a line of input; a longer one is an error.
const inputLineMax = 1 << 20

var errLineTooLong = fmt.Errorf("standard input: a line is longer than %d bytes", inputLineMax)

func (s *stream) read(input io.Reader, lines chan<- line, stop <-chan struct{}) error {
	scanner := bufio.NewScanner(input)
	scanner.Buffer(nil, inputLineMax)
	for scanner.Scan() {
		l := line{time.Now(), make(chan answer, 1)}
		select {
		case lines <- l:
		case <-stop:
			return nil
		}
		command := bytes.TrimSpace(scanner.Bytes())
		if err := s.check(command); err != nil {
			l.answer <- answer{result: []byte("error: " + err.Error())}
			continue
		}
		s.submit(command, func(result []byte, err error) {
			l.answer <- answer{bytes.Clone(result), err}
		})
	}
	if errors.Is(scanner.Err(), bufio.ErrTooLong) {
		return errLineTooLong
	}
	return scanner.Err()
}

// await returns the result of a line. If there is none, the error is a noAnswer.
func (s *stream) await(ctx context.Context, l line) ([]byte, error) {
	left := s.timeout - time.Since(l.since)
	if len(l.answer) > 0 {
		left = s.timeout // not the answer was slow, but whoever reads the output
	}
	var why error
	select {
	case a := <-l.answer:
		return a.get(cmp.Or(context.Cause(ctx), a.err))
	case <-ctx.Done():
		why = context.Cause(ctx)
	case <-time.After(left):
		why = fmt.Errorf("no answer within %v", s.timeout)
	}
	s.abandon()
	a := <-l.answer // perhaps it came after all
	return a.get(why)
}

// get returns the result, or else a noAnswer that says what ended the wait for it.
func (a answer) get(why error) ([]byte, error) {
	if a.err == nil {
		return a.result, nil
	}
	return nil, &noAnswer{why, a.err}
}

// A noAnswer is the end of a line without a result: what ended the wait, and what the submitter
// then knew of the outcome.
type noAnswer struct {
	why     error
	outcome error
}

func (e *noAnswer) Error() string { return e.why.Error() }
func (e *noAnswer) Unwrap() error { return e.outcome }

func (s *stream) count(result []byte) {
	s.answered++
	if failed(result) {
		s.failed++
	}
}

// failed tells whether a result is an error that the state machine returned.
func failed(result []byte) bool { return strings.HasPrefix(string(result), "error:") }
