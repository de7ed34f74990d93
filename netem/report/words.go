package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// short writes a duration with three digits, as "1.25 s"; none is "–".
func short(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d.Abs() >= unit.size {
			return digits(float64(d)/float64(unit.size)) + " " + unit.name
		}
	}
	return strconv.FormatInt(int64(d), 10) + " ns"
}

// bare is short without zeros that tell nothing.
func bare(d time.Duration) string {
	number, unit, found := strings.Cut(short(d), " ")
	if !found {
		return number
	}
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return number + " " + unit
}

// moment writes a point in time.
func moment(at time.Duration) string { return fmt.Sprintf("%.3f s", at.Seconds()) }

// plain writes a point in time as a number of seconds.
func plain(at time.Duration) string {
	return strconv.FormatFloat(math.Round(at.Seconds()*1000)/1000, 'f', -1, 64)
}

// digits writes a number with three digits, or more if its whole part has more.
func digits(x float64) string {
	magnitude := 0
	if x != 0 {
		magnitude = int(math.Floor(math.Log10(math.Abs(x))))
	}
	return strconv.FormatFloat(x, 'f', min(max(2-magnitude, 0), 2), 64)
}

// count writes a whole number with thin spaces between thousands.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u2009" + s[i:]
	}
	return s
}

// percent writes a share.
func percent(x float64) string {
	if x == 0 {
		return "0 %"
	}
	return digits(100*x) + " %"
}

// size writes a number of bytes.
func size(n int64) string {
	if n == 0 {
		return "–"
	}
	return digits(float64(n)/(1<<20)) + " MiB"
}

// plural writes a number of things.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// ellipsis shortens a text to n characters.
func ellipsis(s string, n int) string {
	r := []rune(s)
	switch {
	case len(r) <= n:
		return s
	case n < 1:
		return ""
	}
	return string(r[:n-1]) + "…"
}

// charWidth is about how wide a character of a label is. Labels are set at a fixed size, so that
// what they need can be known without a font.
const charWidth length = 6.1

// textWidth returns about how wide a label is.
func textWidth(s string) length { return charWidth * length(len([]rune(s))) }
