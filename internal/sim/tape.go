package sim

import (
	"fmt"
	"strconv"
	"strings"
)

// FormatTape writes choices for a file: numbers, with runs of one number as "number*count".
func FormatTape(choices []int) string {
	var b strings.Builder
	column := 0
	for i := 0; i < len(choices); {
		j := i + 1
		for j < len(choices) && choices[j] == choices[i] {
			j++
		}
		word := strconv.Itoa(choices[i])
		if j-i > 1 {
			word += "*" + strconv.Itoa(j-i)
		}
		switch {
		case column == 0:
		case column+len(word) > 98:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
		}
		b.WriteString(word)
		column += len(word) + 1
		i = j
	}
	b.WriteByte('\n')
	return b.String()
}

// tapeMax bounds the choices of a tape that is read.
const tapeMax = 1 << 24

// ParseTape reads what FormatTape wrote. Lines that begin with # are comments.
func ParseTape(text string) ([]int, error) {
	var choices []int
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for word := range strings.FieldsSeq(line) {
			number, times, repeated := strings.Cut(word, "*")
			count := 1
			c, err := strconv.Atoi(number)
			if err == nil && repeated {
				count, err = strconv.Atoi(times)
			}
			if err != nil || c < 0 || count < 1 || count > tapeMax-len(choices) {
				return nil, fmt.Errorf("tape: bad word %q", word)
			}
			for range count {
				choices = append(choices, c)
			}
		}
	}
	return choices, nil
}
