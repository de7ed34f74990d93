package wire

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"vrnode/internal/golden"
)

// TestProtocolDocument checks the tables of PROTOCOL.md, and that no kind of message is left out.
func TestProtocolDocument(t *testing.T) {
	golden.Sections(t, "PROTOCOL.md", func(name string) string {
		switch name {
		case "types":
			return typesTable()
		case "values":
			return valuesTable()
		case "bounds":
			return boundsTable()
		case "header":
			return fieldsTable(Describe(0))
		}
		for _, s := range DescribeDatagram() {
			if s.Title == name {
				return s.Doc + "\n\n" + diagram(s) + "\n" + fieldsTable(s.Fields)
			}
		}
		k, ok := KindNamed(name)
		if !ok {
			t.Fatalf("nothing generates %q", name)
		}
		return fieldsTable(Describe(k))
	})

	text, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	for k := KindRegister; k <= KindMax; k++ {
		section := fmt.Sprintf("\n#### %d %v\n", k, k)
		if !strings.Contains(string(text), section) {
			t.Errorf("there is no section %q", strings.TrimSpace(section))
		}
		if len(Describe(k)) > 0 && !strings.Contains(string(text), "<!-- generated: "+k.String()+" -->") {
			t.Errorf("the fields of %v are missing", k)
		}
	}
	for _, s := range DescribeDatagram() {
		if !strings.Contains(string(text), "<!-- generated: "+s.Title+" -->") {
			t.Errorf("the fields of %s are missing", s.Title)
		}
	}
}

func fieldsTable(fields []Field) string {
	var s strings.Builder
	s.WriteString("| field | type | meaning |\n|---|---|---|\n")
	for _, f := range fields {
		fmt.Fprintf(&s, "| `%s` | %s | %s |\n", f.Name, f.Type, f.Doc)
	}
	return s.String()
}

func typesTable() string {
	var s strings.Builder
	s.WriteString("| type | bytes |\n|---|---|\n" +
		"| u8, u16, u32, u64 | an unsigned integer of 1, 2, 4 or 8 bytes |\n" +
		"| flag | a u8 that is 0 or 1 |\n" +
		"| cluster, cookie, digest | 16 bytes |\n" +
		"| bytes | as many as a length in front of them says |\n")
	for _, name := range []string{"members", "reports", "entries", "commands", "results", "chunks", "blocks", "runs", "parts"} {
		fmt.Fprintf(&s, "| %s | a %s that counts, and so many times: %s |\n", name, items[name].count, items[name].item)
	}
	return s.String()
}

func valuesTable() string {
	var s strings.Builder
	s.WriteString("| value | meanings |\n|---|---|\n")
	for _, v := range []struct {
		what  string
		names []string
	}{
		{"`kind` of an entry", entryKindNames[:]},
		{"`outcome` of a result", outcomeNames[:]},
		{"`why` of a Refused", refusalNames[:]},
		{"`status` of a ProbeReply", statusNames[:]},
		{"`phase` of a ProbeReply", transferPhaseNames[:]},
		{"`refused` of a TransferRefused", transferRefusalNames[:]},
	} {
		var meanings []string
		for i, name := range v.names {
			if name != "" {
				meanings = append(meanings, fmt.Sprintf("%d %s", i, name))
			}
		}
		fmt.Fprintf(&s, "| %s | %s |\n", v.what, strings.Join(meanings, ", "))
	}
	return s.String()
}

func boundsTable() string {
	return fmt.Sprintf(`| bound | value | of |
|---|---|---|
| MessageMax | %d | bytes of a message, its kind and header included |
| CommandMax | %d | bytes of a body: a command, a result, an entry |
| MembersMax | %d | items of a list of members or reports |
| ReplicaMax | %d | a replica's number |
| ManifestMax | %d | items of a list of chunks |
| BlocksMax | %d | items of a list of blocks, runs or parts |
| ChunkMax | %d | bytes of a body in a list of parts |
| DatagramBase | %d | bytes of a datagram that every path carries |
| DatagramMax | %d | bytes of a datagram |
| SingleMax | %d | bytes of a message that one DATA frame carries whole |
| LatestMax | %d | bytes of a message in a slot |
`, MessageMax, CommandMax, MembersMax, uint64(ReplicaMax), ManifestMax, BlocksMax, ChunkMax, DatagramBase, DatagramMax, SingleMax, LatestMax)
}
