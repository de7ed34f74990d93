package wire

// A Section is a part of PROTOCOL.md about datagrams: one layout.
type Section struct {
	Title  string
	Doc    string
	Fields []Field
}

// DescribeDatagram returns the layouts of the datagram header, of the handshake and of the
// frames. Frame fields of a fixed size are before those of a variable size, as on the wire.
func DescribeDatagram() []Section {
	return []Section{
		{"Datagram header", "In front of every datagram. What follows is of Length bytes; the rest is padding.", []Field{
			{"vt", "u8", "high half: version, 1; low half: type: 0 DATA, 1 HELLO, 2 HELLO_ACK, 3 DENIAL, 4 RESET"},
			{"flags", "u8", "bit 0: acknowledge at once; bits 3–4: phase of the key, in sealed DATA only; bit 7: secure mode; the others are reserved and zero"},
			{"length", "u16", "bytes after the header without the padding"},
			{"to", "u32", "the receiver's index of the session, 0 in HELLO, DENIAL and RESET"},
			{"number", "u64", "DATA: one more than in the datagram before; HELLO: the attempt; HELLO_ACK: as in the HELLO; else 0"},
			{"sum", "u64", "xxhash64 of the whole datagram with the binding in this place; sealed DATA does not have it"},
		}},
		{"HELLO", "What a HELLO begins with. It is padded to 1200 bytes, and a HELLO_ACK to the length of the HELLO.", describe(new(Greeting).walk)},
		{"HELLO and HELLO_ACK", "What a HELLO ends with, and all of a HELLO_ACK.", describe(new(Hello).walk)},
		{"DENIAL", "Says why a HELLO is not answered with a HELLO_ACK.", describe(new(Denial).walk)},
		{"RESET", "Answers a datagram of a session that is not known, unless that is shorter.", append(describe(new(Reset).walk),
			Field{"mac", "bytes", "secure mode: 16 bytes that show that the sender has the key; plain mode: none"})},
		{"Frame 1: PING", "Asks for an acknowledgement.", []Field{
			{"type", "u8", "1"},
		}},
		{"Frame 2: ACK", "Acknowledges datagrams of a session. It needs no acknowledgement itself.", []Field{
			{"type", "u8", "2"},
			{"n", "u8", "pairs at the end, at most 63"},
			{"delay", "u16", "how long the acknowledgement of largest was held back, in units of 2 µs"},
			{"largest", "u64", "highest number that is acknowledged"},
			{"first", "u32", "how many numbers are acknowledged from largest downwards, itself included"},
			{"ranges", "pairs", "n pairs of u16: so many numbers below are missing, so many after them are acknowledged"},
		}},
		{"Frame 3: DATA", "A message or a run of its cells.", []Field{
			{"type", "u8", "3"},
			{"flags", "u8", "bits 0–1: lane; bit 4: compressed, on lanes 1 and 3 only; bit 5: the message has no trailer; the others are zero"},
			{"length", "u16", "of bytes, not 0; a multiple of 64 except at the end of the message"},
			{"id", "u64", "number of the message within session, direction and lane, from 1"},
			{"cell", "u32", "position of bytes in the message, in units of 64"},
			{"total", "u32", "length of the message, or of what it is compressed to, with its trailer if it has one"},
			{"bytes", "bytes", "of the message, or of what it is compressed to; if bit 5 is not set, the last 8 of the message are its xxhash64"},
		}},
		{"Frame 4: LATEST", "The newest message of a slot.", []Field{
			{"type", "u8", "4"},
			{"key", "u8", "the slot, 0–31"},
			{"length", "u16", "of bytes"},
			{"seq", "u64", "increases with every message of the slot, from 1 or above"},
			{"bytes", "bytes", "the message"},
		}},
		{"Frame 5: PATH_CHALLENGE", "Asks whether the peer gets what is sent to an address.", pathFields("5", "drawn at random for each address, not 0")},
		{"Frame 6: PATH_RESPONSE", "Answers a PATH_CHALLENGE.", pathFields("6", "as in the PATH_CHALLENGE")},
	}
}

func pathFields(number, token string) []Field {
	return []Field{{"type", "u8", number}, {"zero", "u8", "0"}, {"zeros", "u16", "0"}, {"token", "u64", token}}
}

func describe(walk func(*coder)) []Field {
	c := coder{mode: describing}
	walk(&c)
	return c.fields
}
