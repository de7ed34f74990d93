package kv

import (
	"strconv"
	"strings"

	"github.com/tidwall/btree"
)

const (
	// StateMax bounds the bytes of all keys and values, with overhead for each key. At the bound
	// what would need more is an error.
	StateMax = 8 << 30
	overhead = 64
	// resultMax is how long a result may get: what a Reply carries of one.
	resultMax = 64 << 10
)

// Machine is the keys and values. Its zero value is ready to use and holds none.
type Machine struct {
	values btree.Map[string, string]
	bytes  int64 // of the state, as StateMax counts
	result []byte
}

// Apply executes one command. The result is valid until the next call.
func (m *Machine) Apply(_ uint64, command []byte) []byte {
	m.result = m.result[:0]
	c, err := Parse(command)
	if err != nil {
		return m.fail(err.Error())
	}
	switch c.Operation {
	case OpGet:
		value, found := m.values.Get(c.Key)
		return m.tell(value, found)
	case OpPut:
		return m.put(c.Key, c.Value)
	case OpDelete:
		return m.delete(c.Key)
	case OpSwap:
		value, found := m.values.Get(c.Key)
		if !found || value != c.Value {
			return m.tell(value, found)
		}
		return m.put(c.Key, c.New)
	case OpIncrement:
		return m.increment(c.Key, c.Number)
	}
	return m.scan(c.Key, c.Value, int(c.Number))
}

func (m *Machine) say(what string) []byte {
	m.result = append(m.result, what...)
	return m.result
}

func (m *Machine) fail(why string) []byte { return m.say("error: " + why) }

// tell answers with a value.
func (m *Machine) tell(value string, found bool) []byte {
	if !found {
		return m.say("absent")
	}
	m.result = strconv.AppendQuote(m.result, value)
	return m.result
}

func (m *Machine) put(key, value string) []byte {
	if !m.set(key, value) {
		return m.fail("there is no room for more")
	}
	return m.say("ok")
}

// set gives a key a value, if there is room for it.
func (m *Machine) set(key, value string) bool {
	more := size(key, value)
	old, found := m.values.Get(key)
	if found {
		more -= size(key, old)
	}
	if more > 0 && m.bytes+more > StateMax {
		return false
	}
	// Both are parts of the command, which would be kept with either. That goes for a key that is there
	// already, too: the tree takes the new one in its place.
	m.values.Set(strings.Clone(key), strings.Clone(value))
	m.bytes += more
	return true
}

func size(key, value string) int64 { return int64(len(key) + len(value) + overhead) }

func (m *Machine) delete(key string) []byte {
	old, found := m.values.Delete(key)
	if !found {
		return m.say("absent")
	}
	m.bytes -= size(key, old)
	return m.say("ok")
}

func (m *Machine) increment(key string, n int64) []byte {
	value, found := m.values.Get(key)
	was := int64(0)
	if found {
		var err error
		if was, err = number(value); err != nil {
			return m.fail("increment: the value " + err.Error())
		}
	}
	is := was + n
	if (n >= 0) != (is >= was) {
		return m.fail("increment: overflow")
	}
	value = strconv.FormatInt(is, 10)
	if !m.set(key, value) {
		return m.fail("there is no room for more")
	}
	return m.tell(value, true)
}

// scan answers with a range. Where the result has no room for more, or the limit is reached, it tells
// at which key to go on; there is always room for that, and for one key and its value.
func (m *Machine) scan(from, to string, limit int) []byte {
	m.values.Ascend(from, func(key, value string) bool {
		if to != "" && key >= to {
			return false
		}
		before := len(m.result)
		if before > 0 {
			m.result = append(m.result, ' ')
		}
		m.result = strconv.AppendQuote(m.result, key)
		m.result = append(m.result, '=')
		m.result = strconv.AppendQuote(m.result, value)
		if limit == 0 || len(m.result) > resultMax-more {
			m.result = append(m.result[:before], " more "...)
			m.result = strconv.AppendQuote(m.result, key)
			return false
		}
		limit--
		return true
	})
	if len(m.result) == 0 {
		return m.say("absent")
	}
	return m.result
}

// more is how long the end of a range may get that is cut short: an escaped byte is four long.
const more = len(` more ""`) + 4*KeyMax
