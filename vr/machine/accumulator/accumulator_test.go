package accumulator

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestApply(t *testing.T) {
	const (
		most  = "9223372036854775807"
		least = "-9223372036854775808"
	)
	tests := []struct {
		name string
		run  []string // command, result, command, result …
	}{
		{"starts at zero", []string{"read", "0"}},
		{"arithmetic", []string{"add 5", "5", "subtract 7", "-2", "multiply -21", "42", "read", "42", "clear", "0"}},
		{"signs and zeros", []string{"add +5", "5", "add -5", "0", "add 0000000000007", "7", "add -0", "7"}},
		{"spaces", []string{"add    5   ", "5", "read  ", "5", "clear ", "0"}},
		{"add overflows", []string{"add " + most, most, "add 1", "error: overflow", "read", most}},
		{"add underflows", []string{"add " + least, least, "add -1", "error: overflow", "read", least}},
		{"subtract overflows", []string{"subtract " + most, "-" + most, "subtract 1", least, "subtract 1", "error: overflow"}},
		{"subtract the least", []string{"subtract " + least, "error: overflow", "add -1", "-1", "subtract " + least, most}},
		{"multiply overflows", []string{"add 4294967296", "4294967296", "multiply 2147483648", "error: overflow", "multiply -2147483648", least}},
		{"multiply the least", []string{"add " + least, least, "multiply 1", least, "multiply -1", "error: overflow", "multiply 0", "0"}},
		{"errors change nothing", []string{"add 3", "3", "add", `error: add needs a number, as in "add 5"`, "read", "3"}},
		{"unknown word", []string{"divide 2", `error: unknown operation "divide": want add, subtract, multiply, clear or read`}},
		{"words are lower case", []string{"ADD 2", `error: unknown operation "ADD": want add, subtract, multiply, clear or read`}},
		{"nothing", []string{"", `error: unknown operation "": want add, subtract, multiply, clear or read`}},
		{"leading space", []string{" read", `error: unknown operation "": want add, subtract, multiply, clear or read`}},
		{"not a number", []string{"add five", `error: add: "five" is not a decimal number`}},
		{"two numbers", []string{"add 1 2", `error: add: "1 2" is not a decimal number`}},
		{"underscores", []string{"add 1_000", `error: add: "1_000" is not a decimal number`}},
		{"too big", []string{"add 9223372036854775808", `error: add: "9223372036854775808" does not fit into 64 bits`}},
		{"too long", []string{"add " + strings.Repeat("1", 33), `error: add: "` + strings.Repeat("1", 32) + `"… is too long for a number`}},
		{"number for read", []string{"read 5", `error: read takes no number, got "5"`}},
		{"binary", []string{"add\x00\xff", `error: unknown operation "add\x00\xff": want add, subtract, multiply, clear or read`}},
	}
	for _, test := range tests {
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

// TestModel compares the machine with integers that have no bounds.
func TestModel(t *testing.T) {
	operand := rapid.OneOf(
		rapid.Int64(),
		rapid.Int64Range(-3, 3),
		rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64, 1 << 31, 1 << 32, -1 << 31}),
	)
	rapid.Check(t, func(t *rapid.T) {
		var m Machine
		value := new(big.Int)
		for range rapid.IntRange(1, 50).Draw(t, "length") {
			c := Command{Operation: rapid.SampledFrom([]Operation{Add, Subtract, Multiply, Clear, Read}).Draw(t, "operation")}
			if c.Operation.takesOperand() {
				c.Operand = operand.Draw(t, "operand")
			}
			next := model(value, c)
			want := "error: overflow"
			if next.IsInt64() {
				value, want = next, next.String()
			}
			if got := string(m.Apply(1, []byte(c.String()))); got != want {
				t.Fatalf("%v of %v: got %q, want %q", c, value, got, want)
			}
		}
	})
}

func model(value *big.Int, c Command) *big.Int {
	next, operand := new(big.Int).Set(value), big.NewInt(c.Operand)
	switch c.Operation {
	case Add:
		next.Add(value, operand)
	case Subtract:
		next.Sub(value, operand)
	case Multiply:
		next.Mul(value, operand)
	case Clear:
		next.SetInt64(0)
	}
	return next
}

func TestApplyDoesNotAllocate(t *testing.T) {
	commands := [][]byte{
		[]byte("add 9223372036854775807"), []byte("subtract 9223372036854775807"), []byte("multiply -7"),
		[]byte("read"), []byte("add 1" + strings.Repeat(" ", 59)), []byte("clear"),
		[]byte("add -9223372036854775808"), []byte("add -1"), []byte("clear"),
	}
	var m Machine
	if n := testing.AllocsPerRun(100, func() {
		for _, c := range commands {
			m.Apply(1, c)
		}
	}); n != 0 {
		t.Errorf("%v allocations for %d valid commands, want 0", n, len(commands))
	}
}

// FuzzApply: no command makes the machine panic or answer at length, an error changes nothing,
// and what Parse understood it understands again in its own words.
func FuzzApply(f *testing.F) {
	for _, seed := range []string{"add 5", "subtract -5 ", "multiply  9223372036854775807", "clear", "read 1", "", "add \xff"} {
		f.Add(int64(7), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, value int64, command []byte) {
		m := Machine{value: value}
		result := string(m.Apply(1, command))
		if failed := strings.HasPrefix(result, "error: "); failed && m.value != value {
			t.Fatalf("%q: answered %q, but the value went from %d to %d", command, result, value, m.value)
		} else if !failed && result != strconv.FormatInt(m.value, 10) {
			t.Fatalf("%q: answered %q with the value %d", command, result, m.value)
		}
		if len(result) > 256 {
			t.Fatalf("%q: an answer of %d bytes", command, len(result))
		}
		c, err := Parse(command)
		if err != nil {
			return
		}
		if again, err := Parse([]byte(c.String())); err != nil || again != c {
			t.Fatalf("%q: %v became %v, %v", command, c, again, err)
		}
	})
}

func BenchmarkApply(b *testing.B) {
	var m Machine
	command := []byte("add 1")
	b.ReportAllocs()
	for b.Loop() {
		m.Apply(1, command)
	}
}
