package kv

import (
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestApply(t *testing.T) {
	long := strings.Repeat("v", ValueMax)
	for _, test := range []struct {
		name string
		run  []string // command, result, command, result …
	}{
		{"a value", []string{"get a", "absent", "put a 1", "ok", "get a", `"1"`, "put a 2", "ok", "get a", `"2"`, "delete a", "ok", "get a", "absent", "delete a", "absent"}},
		{"words", []string{`put "a b" "\x00\"\n"`, "ok", `get "a b"`, `"\x00\"\n"`, `put c ""`, "ok", "get   c  ", `""`, "put ä ö", "ok", `get "ä"`, `"ö"`}},
		{"swap", []string{"swap a 1 2", "absent", "put a 1", "ok", "swap a 3 2", `"1"`, "swap a 1 2", "ok", "get a", `"2"`}},
		{"increment", []string{"increment n 5", `"5"`, "increment n -7", `"-2"`, "get n", `"-2"`, "increment n 9223372036854775807", `"9223372036854775805"`,
			"increment n 3", "error: increment: overflow", "put n x", "ok", "increment n 1", `error: increment: the value "x" is not a decimal number`}},
		{"range", []string{`range "" "" 9`, "absent", "put b 2", "ok", "put a 1", "ok", "put c 3", "ok", `range "" "" 9`, `"a"="1" "b"="2" "c"="3"`,
			"range a c 9", `"a"="1" "b"="2"`, `range b "" 1`, `"b"="2" more "c"`, `range "" "" 3`, `"a"="1" "b"="2" "c"="3"`, "range c a 9", "absent"}},
		{"long", []string{"put a " + long, "ok", "put b " + long + "v", "error: put: the value has 7169 bytes, more than 7168",
			"put " + strings.Repeat("k", KeyMax+1) + " v", "error: put: the key has 1025 bytes, more than 1024", "get a", `"` + long + `"`}},
		{"mistakes", []string{
			"", `error: unknown operation "": want get, put, delete, swap, increment or range`,
			"PUT a b", `error: unknown operation "PUT": want get, put, delete, swap, increment or range`,
			"put a", "error: put: a word is missing: want put KEY VALUE",
			"get a b", `error: get: there is more than it takes, "b": want get KEY`,
			`get "a`, "error: get: a word in quotes is not as in Go: want get KEY",
			`get "a"b`, "error: get: there is no space after a word in quotes: want get KEY",
			`get ""`, "error: get: the key is empty",
			"increment a b", `error: increment: "b" is not a decimal number`,
			"increment a 9223372036854775808", `error: increment: "9223372036854775808" does not fit into 64 bits`,
			"range a b 0", "error: range: the limit 0 is not between 1 and 10000",
			"range a b 10001", "error: range: the limit 10001 is not between 1 and 10000",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var m Machine
			for i := 0; i < len(test.run); i += 2 {
				if got := string(m.Apply(uint64(i/2+1), []byte(test.run[i]))); got != test.run[i+1] {
					t.Fatalf("%q: got %q, want %q", test.run[i], got, test.run[i+1])
				}
			}
		})
	}
}

// TestCommandsAreNotKept: of a command nothing stays but its key and value, also where it writes over
// what was there.
func TestCommandsAreNotKept(t *testing.T) {
	const keys = 60 // in one node of the tree: what is split keeps more for a while
	old := strings.Repeat("v", ValueMax)
	var m Machine
	heap := func() int64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	before := heap()
	for _, command := range []func(string) []byte{
		func(key string) []byte { return Put(key, old) },
		func(key string) []byte { return Swap(key, old, "short") },
	} {
		for i := range keys {
			if got := string(m.Apply(1, command(strconv.Itoa(i)))); got != "ok" {
				t.Fatal(got)
			}
		}
	}
	if grown := heap() - before; grown > keys*ValueMax/4 {
		t.Errorf("%d keys with short values take %d bytes", keys, grown)
	}
	runtime.KeepAlive(&m)
}

// TestFull: at the bound nothing more is taken, but what needs no more room is.
func TestFull(t *testing.T) {
	var m Machine
	m.Apply(1, Put("a", "1"))
	m.bytes = StateMax
	for command, want := range map[string]string{
		"put b 1": "error: there is no room for more", "put a 12": "error: there is no room for more", "increment n 1": "error: there is no room for more",
		"put a 2": "ok",
	} {
		if got := string(m.Apply(2, []byte(command))); got != want {
			t.Errorf("%s: %s, want %s", command, got, want)
		}
	}
}

// TestLongest: what is longest once it is escaped still fits into commands and results.
func TestLongest(t *testing.T) {
	key, value := strings.Repeat("\x00", KeyMax-1), strings.Repeat("\x01", ValueMax)
	var m Machine
	for i := range 3 {
		if got := string(m.Apply(1, Put(key+strconv.Itoa(i), value))); got != "ok" {
			t.Fatal(got)
		}
	}
	for _, command := range [][]byte{Swap(key+"0", value, value), Range("", "", RangeMax)} {
		result := m.Apply(2, command)
		if len(command) > resultMax || len(result) > resultMax || strings.HasPrefix(string(result), "error") {
			t.Errorf("a command of %d bytes, a result of %d", len(command), len(result))
		}
	}
	if got, want := string(m.Apply(3, Range("", "", RangeMax))), " more "+strconv.Quote(key+"1"); !strings.HasSuffix(got, want) {
		t.Error("a range that is too long does not tell where to go on")
	}
}

// TestModel compares the machine with a map.
func TestModel(t *testing.T) {
	word := rapid.OneOf(rapid.SampledFrom([]string{"a", "b", "c", "ab"}), rapid.StringN(1, 8, 16))
	rapid.Check(t, func(t *rapid.T) {
		var m Machine
		model := map[string]string{}
		apply := func(command []byte) string { return string(m.Apply(1, command)) }
		expect := func(command []byte, want string) {
			if got := apply(command); got != want {
				t.Fatalf("%q: %q, want %q", command, got, want)
			}
		}
		told := func(key string) string {
			if value, found := model[key]; found {
				return strconv.Quote(value)
			}
			return "absent"
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				key, value := word.Draw(t, "key"), word.Draw(t, "value")
				expect(Put(key, value), "ok")
				model[key] = value
			},
			"delete": func(t *rapid.T) {
				key := word.Draw(t, "key")
				want := "absent"
				if _, found := model[key]; found {
					want = "ok"
				}
				expect(Delete(key), want)
				delete(model, key)
			},
			"swap": func(t *rapid.T) {
				key, old, value := word.Draw(t, "key"), word.Draw(t, "old"), word.Draw(t, "value")
				if is, found := model[key]; found && is == old {
					expect(Swap(key, old, value), "ok")
					model[key] = value
				} else {
					expect(Swap(key, old, value), told(key))
				}
			},
			"range": func(t *rapid.T) {
				from, to := word.Draw(t, "from"), word.Draw(t, "to")
				var want []string
				for _, key := range slices.Sorted(maps.Keys(model)) {
					if key >= from && key < to {
						want = append(want, strconv.Quote(key)+"="+told(key))
					}
				}
				if want == nil {
					want = []string{"absent"}
				}
				expect(Range(from, to, RangeMax), strings.Join(want, " "))
			},
			"": func(t *rapid.T) {
				bytes := int64(0)
				for key, value := range model {
					expect(Get(key), told(key))
					bytes += size(key, value)
				}
				if m.values.Len() != len(model) || m.bytes != bytes {
					t.Fatalf("%d keys in %d bytes, want %d in %d", m.values.Len(), m.bytes, len(model), bytes)
				}
			},
		})
	})
}

// FuzzApply: whatever somebody sends, there is a result that is short enough, and an error changes
// nothing.
func FuzzApply(f *testing.F) {
	for _, command := range [][]byte{Get("a"), Put("a", "\x00"), Swap("a", "1", "2"), Increment("n", -5), Range("", "z", 10), []byte(`put "\u00e4" "`)} {
		f.Add(command)
	}
	f.Fuzz(func(t *testing.T, command []byte) {
		var m Machine
		m.Apply(1, Put("a", "1"))
		m.Apply(2, Increment("n", 5))
		result := string(m.Apply(3, command))
		if result == "" || len(result) > resultMax {
			t.Errorf("a result of %d bytes", len(result))
		}
		if isError := strings.HasPrefix(result, "error: "); isError != (Check(command) != nil) && !strings.HasPrefix(result, "error: increment") {
			t.Errorf("%q: %s, but Check says %v", command, result, Check(command))
		} else if isError && m.values.Len() != 2 {
			t.Errorf("%q: %s, but there are %d keys", command, result, m.values.Len())
		}
		if c, err := Parse(command); err == nil && c.Operation == OpPut {
			if again, err := Parse(Put(c.Key, c.Value)); err != nil || again != c {
				t.Errorf("%+v is written as %q", c, Put(c.Key, c.Value))
			}
		}
	})
}
