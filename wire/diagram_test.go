package wire

import (
	"fmt"
	"strings"
)

// bitsOf says what the bits of a byte are, the highest first, where they are more than a number.
var bitsOf = map[string][]bits{
	"Datagram header vt":    {{4, "1"}, {4, "type"}},
	"Datagram header flags": {{1, "S"}, {2, "0"}, {2, "ph"}, {2, "0"}, {1, "A"}},
	"Frame 3: DATA flags":   {{2, "0"}, {1, "W"}, {1, "C"}, {2, "0"}, {2, "lane"}},
}

// bits are a run of bits, and what to call it in two columns a bit.
type bits struct {
	count int
	name  string
}

const (
	diagramHead = "  0               1               2               3\n" +
		"  7 6 5 4 3 2 1 0 7 6 5 4 3 2 1 0 7 6 5 4 3 2 1 0 7 6 5 4 3 2 1 0\n"
	rowBits = 32
)

// diagram draws a layout, four bytes a row. It stops before the first field of a variable size,
// which takes the last row.
func diagram(s Section) string {
	var out strings.Builder
	out.WriteString("```\n" + diagramHead)
	row := ""
	used := 0
	edge := func(columns int) { out.WriteString(" +" + strings.Repeat("-+", columns) + "\n") }
	end := func() {
		out.WriteString(" |" + row + "\n")
		edge(used)
		row, used = "", 0
	}
	put := func(count int, name string) {
		row += centred(name, 2*count-1) + "|"
		if used += count; used > rowBits {
			panic(s.Title + ": a field goes across two rows")
		}
	}
	edge(min(rowBits, bitsIn(s.Fields)))
	for _, f := range s.Fields {
		size := fieldBits[f.Type]
		switch parts, ok := bitsOf[s.Title+" "+f.Name]; {
		case ok:
			for _, p := range parts {
				put(p.count, p.name)
			}
		case size == 0:
			put(rowBits, f.Name+" …")
		case size > rowBits:
			name := f.Name
			for ; size > rowBits; size -= rowBits {
				out.WriteString(" |" + centred(name, 2*rowBits-1) + "|\n +" + strings.Repeat(" ", 2*rowBits-1) + "+\n")
				name = ""
			}
			put(rowBits, "")
		default:
			put(size, f.Name)
		}
		if used == rowBits {
			end()
		}
	}
	if used > 0 {
		end()
	}
	return out.String() + "```\n"
}

var fieldBits = map[string]int{"u8": 8, "u16": 16, "u32": 32, "u64": 64, "cookie": 128}

// bitsIn returns the bits of the fields of a fixed size.
func bitsIn(fields []Field) (n int) {
	for _, f := range fields {
		n += fieldBits[f.Type]
	}
	return n
}

func centred(name string, width int) string {
	left := (width - len([]rune(name))) / 2
	return fmt.Sprintf("%*s%s%*s", left, "", name, width-left-len([]rune(name)), "")
}
