package kv

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds. A command beyond them is an error.
const (
	// KeyMax is the length of the longest key, ValueMax that of the longest value. Every command
	// with them, and every result, is short enough for the group, whatever is escaped in it.
	KeyMax   = 1 << 10
	ValueMax = 7 << 10
	// RangeMax is the most that a range may ask for.
	RangeMax = 10_000
)

// An Operation is what a command does.
type Operation uint8

// The operations.
const (
	OpGet Operation = iota
	OpPut
	OpDelete
	OpSwap
	OpIncrement
	OpRange
)

var operations = [...]struct {
	name string
	// words are what the operation takes: k a key, v a value, n a number, e the end of a range.
	words string
	usage string
}{
	OpGet:       {"get", "k", "get KEY"},
	OpPut:       {"put", "kv", "put KEY VALUE"},
	OpDelete:    {"delete", "k", "delete KEY"},
	OpSwap:      {"swap", "kvv", "swap KEY OLD NEW"},
	OpIncrement: {"increment", "kn", "increment KEY N"},
	OpRange:     {"range", "een", "range FROM TO LIMIT"},
}

func (o Operation) String() string { return operations[o].name }

// A Command is one command, understood.
type Command struct {
	Operation Operation
	Key       string // FROM, of a range
	Value     string // OLD, of a swap; TO, of a range
	New       string // of a swap
	Number    int64  // N or LIMIT
}

// Get writes the command that reads a key.
func Get(key string) []byte { return write(OpGet, key) }

// Put writes the command that gives a key a value.
func Put(key, value string) []byte { return write(OpPut, key, value) }

// Delete writes the command that removes a key.
func Delete(key string) []byte { return write(OpDelete, key) }

// Swap writes the command that gives a key another value if it has the old one.
func Swap(key, old, value string) []byte { return write(OpSwap, key, old, value) }

// Increment writes the command that adds to the number that is the value of a key.
func Increment(key string, n int64) []byte {
	return write(OpIncrement, key, strconv.FormatInt(n, 10))
}

// Range writes the command that reads at most limit keys, from one up to, and without, another, which
// is after all keys if it is empty.
func Range(from, to string, limit int) []byte {
	return write(OpRange, from, to, strconv.Itoa(limit))
}

func write(o Operation, words ...string) []byte {
	return Words(append([]string{o.String()}, words...))
}

// Words writes the command of these words, which may be any.
func Words(words []string) []byte {
	var b []byte
	for i, w := range words {
		if i > 0 {
			b = append(b, ' ')
		}
		if isBare(w) {
			b = append(b, w...)
		} else {
			b = strconv.AppendQuote(b, w)
		}
	}
	return b
}

// isBare tells whether a word needs no quotes.
func isBare(w string) bool {
	for _, r := range w {
		if r == ' ' || r == '"' || r == '\\' || !strconv.IsPrint(r) || r == '\uFFFD' {
			return false
		}
	}
	return w != ""
}

// Check tells what is wrong with a command, so that a client can refuse it before it is sent.
func Check(command []byte) error {
	_, err := Parse(command)
	return err
}

// Parse understands a command. The error names what is wrong with it.
func Parse(command []byte) (Command, error) {
	name, rest, _ := strings.Cut(string(command), " ")
	for o := range Operation(len(operations)) {
		if name == operations[o].name {
			return parseWords(o, rest)
		}
	}
	return Command{}, fmt.Errorf("unknown operation %s: want get, put, delete, swap, increment or range", quote(name))
}

func parseWords(o Operation, rest string) (c Command, err error) {
	c.Operation = o
	texts := [...]*string{&c.Key, &c.Value, &c.New}
	for i, kind := range operations[o].words {
		var word string
		if word, rest, err = cutWord(rest); err != nil {
			return Command{}, fmt.Errorf("%v: %w: want %s", o, err, operations[o].usage)
		}
		if kind == 'n' {
			c.Number, err = number(word)
		} else {
			*texts[i] = word
			err = check(byte(kind), word)
		}
		if err != nil {
			return Command{}, fmt.Errorf("%v: %w", o, err)
		}
	}
	if rest = strings.Trim(rest, " "); rest != "" {
		return Command{}, fmt.Errorf("%v: there is more than it takes, %s: want %s", o, quote(rest), operations[o].usage)
	}
	if o == OpRange && (c.Number < 1 || c.Number > RangeMax) {
		return Command{}, fmt.Errorf("range: the limit %d is not between 1 and %d", c.Number, RangeMax)
	}
	return c, nil
}

var (
	errTooFew  = errors.New("a word is missing")
	errQuote   = errors.New("a word in quotes is not as in Go")
	errNoSpace = errors.New("there is no space after a word in quotes")
)

// cutWord takes the first word from a text.
func cutWord(text string) (word, rest string, err error) {
	text = strings.TrimLeft(text, " ")
	if text == "" {
		return "", "", errTooFew
	}
	if text[0] != '"' {
		word, rest, _ = strings.Cut(text, " ")
		return word, rest, nil
	}
	quoted, err := strconv.QuotedPrefix(text)
	if err == nil {
		word, err = strconv.Unquote(quoted)
	}
	rest = strings.TrimPrefix(text, quoted)
	switch {
	case err != nil:
		return "", "", errQuote
	case rest != "" && rest[0] != ' ':
		return "", "", errNoSpace
	}
	return word, rest, nil
}

func check(kind byte, word string) error {
	switch {
	case kind == 'k' && word == "":
		return errors.New("the key is empty")
	case kind != 'v' && len(word) > KeyMax:
		return fmt.Errorf("the key has %d bytes, more than %d", len(word), KeyMax)
	case len(word) > ValueMax:
		return fmt.Errorf("the value has %d bytes, more than %d", len(word), ValueMax)
	}
	return nil
}

func number(word string) (int64, error) {
	n, err := strconv.ParseInt(word, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%s does not fit into 64 bits", quote(word))
	case err != nil:
		return 0, fmt.Errorf("%s is not a decimal number", quote(word))
	}
	return n, nil
}

// quote quotes the beginning of what somebody sent, so that an answer stays short.
func quote(text string) string {
	const most = 32
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}
