// Package accumulator is the smallest useful state machine: one signed 64-bit integer that starts
// at 0. Its commands are words, so that captures and traces can be read:
//
//	add N         value + N
//	subtract N    value - N
//	multiply N    value * N
//	clear         0
//	read          the value as it is
//
// N is a decimal integer of 64 bits with an optional sign. Spaces may stand between the words and
// after the last one. The result of every command is the new value in decimal, or
//
//	error: REASON
//
// and then the value has not changed. A result that does not fit into 64 bits is such an error;
// nothing ever wraps around.
package accumulator

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
)

// Machine is the accumulator. Its zero value is ready to use and holds 0.
type Machine struct {
	value  int64
	result []byte // of the last Apply, for its memory
}

// Apply executes one command. The result is valid until the next call.
func (m *Machine) Apply(_ uint64, command []byte) []byte {
	c, err := Parse(command)
	if err == nil {
		err = m.execute(c)
	}
	if err != nil {
		m.result = append(append(m.result[:0], "error: "...), err.Error()...)
	} else {
		m.result = strconv.AppendInt(m.result[:0], m.value, 10)
	}
	return m.result
}

var errOverflow = errors.New("overflow")

func (m *Machine) execute(c Command) error {
	value, fits := m.value, true
	switch c.Operation {
	case Add:
		value += c.Operand
		fits = (c.Operand >= 0) == (value >= m.value)
	case Subtract:
		value -= c.Operand
		fits = (c.Operand >= 0) == (value <= m.value)
	case Multiply:
		value, fits = product(m.value, c.Operand)
	case Clear:
		value = 0
	}
	if !fits {
		return errOverflow
	}
	m.value = value
	return nil
}

// product multiplies, and tells whether the result fits into 64 bits.
func product(x, y int64) (int64, bool) {
	high, low := bits.Mul64(magnitude(x), magnitude(y))
	if (x < 0) != (y < 0) {
		return -int64(low), high == 0 && low <= -math.MinInt64
	}
	return int64(low), high == 0 && low <= math.MaxInt64
}

// magnitude returns |x|, also of the one number whose magnitude no int64 holds.
func magnitude(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

// An Operation is what a command does.
type Operation uint8

// The operations.
const (
	Add Operation = iota
	Subtract
	Multiply
	Clear
	Read
)

var operations = [...]string{Add: "add", Subtract: "subtract", Multiply: "multiply", Clear: "clear", Read: "read"}

func (o Operation) String() string { return operations[o] }

func (o Operation) takesOperand() bool { return o <= Multiply }

// A Command is one command, understood. Operand belongs to Add, Subtract and Multiply.
type Command struct {
	Operation Operation
	Operand   int64
}

// String writes the command as Parse reads it.
func (c Command) String() string {
	if c.Operation.takesOperand() {
		return c.Operation.String() + " " + strconv.FormatInt(c.Operand, 10)
	}
	return c.Operation.String()
}

// Check tells what is wrong with a command, so that a client can refuse it before it is sent.
func Check(command []byte) error {
	_, err := Parse(command)
	return err
}

// Parse understands a command. The error names what is wrong with it.
func Parse(command []byte) (Command, error) {
	word, operand, _ := bytes.Cut(command, space)
	operand = bytes.Trim(operand, " ")
	for o := range Operation(len(operations)) {
		if string(word) == operations[o] {
			return parseOperand(o, operand)
		}
	}
	return Command{}, fmt.Errorf("unknown operation %s: want add, subtract, multiply, clear or read", quote(word))
}

var space = []byte(" ")

// operandMax is longer than any number that is not mostly zeros.
const operandMax = 32

func parseOperand(o Operation, operand []byte) (Command, error) {
	if !o.takesOperand() {
		if len(operand) > 0 {
			return Command{}, fmt.Errorf("%v takes no number, got %s", o, quote(operand))
		}
		return Command{Operation: o}, nil
	}
	if len(operand) == 0 {
		return Command{}, fmt.Errorf("%v needs a number, as in %q", o, o.String()+" 5")
	}
	if len(operand) > operandMax {
		return Command{}, fmt.Errorf("%v: %s is too long for a number", o, quote(operand))
	}
	n, err := strconv.ParseInt(string(operand), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return Command{}, fmt.Errorf("%v: %s does not fit into 64 bits", o, quote(operand))
	}
	if err != nil {
		return Command{}, fmt.Errorf("%v: %s is not a decimal number", o, quote(operand))
	}
	return Command{o, n}, nil
}

// quote quotes the beginning of what somebody sent, so that an answer stays short.
func quote(b []byte) string {
	if len(b) > operandMax {
		return strconv.Quote(string(b[:operandMax])) + "…"
	}
	return strconv.Quote(string(b))
}
