package wire

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

func ranges(a Ack) []Range {
	var all []Range
	for r := (Range{}); a.Next(&r); {
		all = append(all, r)
	}
	return all
}

func TestAckRoundTrip(t *testing.T) {
	many := []Range{{1000, 1000}}
	for n := uint64(998); len(many) < AckRangesMax; n -= 2 {
		many = append(many, Range{n, n})
	}
	for _, c := range []struct {
		name       string
		give, want []Range
	}{
		{"one number", []Range{{5, 5}}, nil},
		{"number 0", []Range{{0, 0}}, nil},
		{"down to 0", []Range{{10, 12}, {0, 8}}, nil},
		{"several", []Range{{100, 120}, {90, 98}, {7, 7}}, nil},
		{"as many as there may be", many, nil},
		{"the largest numbers", []Range{{1<<64 - 5, 1<<64 - 1}}, nil},
		{"a gap that is too wide", []Range{{1 << 20, 1 << 20}, {1, 5}}, []Range{{1 << 20, 1 << 20}}},
		{"the widest gap", []Range{{1<<16 + 10, 1<<16 + 10}, {1, 10}}, nil},
		{"a range that is too long", []Range{{1 << 20, 1 << 20}, {5, 1<<20 - 2}}, []Range{{1 << 20, 1 << 20}}},
	} {
		want := c.want
		if want == nil {
			want = c.give
		}
		b := AppendAck(nil, 70*time.Microsecond, c.give)
		var f Frame
		rest, err := DecodeFrame(append(bytes.Clone(b), 77), &f)
		if err != nil || len(rest) != 1 || f.Type != FrameAck {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := ranges(f.Ack); !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", c.name, got, want)
		}
		if f.Ack.Delay != 70*time.Microsecond || len(b) != AckSize(len(want)) {
			t.Errorf("%s: delay %v, %d bytes", c.name, f.Ack.Delay, len(b))
		}
	}
	var f Frame
	for give, want := range map[time.Duration]time.Duration{-time.Second: 0, time.Microsecond: 0, time.Hour: 65535 * ackDelayUnit} {
		if _, err := DecodeFrame(AppendAck(nil, give, []Range{{1, 1}}), &f); err != nil || f.Ack.Delay != want {
			t.Errorf("a delay of %v becomes %v", give, f.Ack.Delay)
		}
	}
}

// A frameCase is a frame that must be accepted or refused.
type frameCase struct {
	name string
	b    []byte
	good bool
}

func frameCases() []frameCase {
	data := func(change func(d *Data)) []byte {
		d := Data{Lane: 1, ID: 4, Cell: 2, Total: 1165, Bytes: make([]byte, 2*CellSize)}
		change(&d)
		return AppendData(nil, &d)
	}
	ack := AppendAck(nil, 0, []Range{{100, 120}, {90, 98}})
	patch := func(b []byte, at int, v byte) []byte {
		b = bytes.Clone(b)
		b[at] = v
		return b
	}
	latest := AppendLatest(nil, &Latest{Key: 31, Seq: 1, Bytes: []byte("x")})
	challenge := AppendChallenge(nil, 77)
	return []frameCase{
		{"fragment", data(func(d *Data) {}), true},
		{"end of the message", data(func(d *Data) { d.Cell, d.Bytes = 17, make([]byte, 77) }), true},
		{"whole message", data(func(d *Data) { *d = Data{Bare: true, ID: 1, Total: 3, Bytes: []byte("abc")} }), true},
		{"a compressed message", data(func(d *Data) {
			*d = Data{Lane: 3, Bare: true, Compressed: true, ID: 1, Total: 5, Bytes: []byte("\x03\x08abc")}
		}), true},
		{"a fragment of a compressed message", data(func(d *Data) { d.Compressed = true }), true},
		{"compressed on lane 0", data(func(d *Data) { d.Lane, d.Compressed = 0, true }), false},
		{"compressed on lane 2", data(func(d *Data) { d.Lane, d.Compressed = 2, true }), false},
		{"id 0", data(func(d *Data) { d.ID = 0 }), false},
		{"no bytes", data(func(d *Data) { d.Bytes = nil }), false},
		{"not whole cells", data(func(d *Data) { d.Bytes = d.Bytes[1:] }), false},
		{"beyond the end", data(func(d *Data) { d.Cell = 18 }), false},
		{"far beyond the end", data(func(d *Data) { d.Cell = 1<<32 - 1 }), false},
		{"too long", data(func(d *Data) { d.Total = MessageMax + TrailerSize + 1 }), false},
		{"longest", data(func(d *Data) { d.Total = MessageMax + TrailerSize }), true},
		{"longest and bare", data(func(d *Data) { d.Bare, d.Total = true, MessageMax }), true},
		{"too long and bare", data(func(d *Data) { d.Bare, d.Total = true, MessageMax+1 }), false},
		{"nothing but a trailer", data(func(d *Data) { *d = Data{ID: 1, Total: 8, Bytes: make([]byte, 8)} }), false},
		{"fragment of a bare message", data(func(d *Data) { d.Bare = true }), true},
		{"not whole cells of a bare message", data(func(d *Data) { d.Bare, d.Bytes = true, d.Bytes[1:] }), false},
		{"short and bare", data(func(d *Data) { *d = Data{Bare: true, ID: 1, Total: 8, Bytes: make([]byte, 8)} }), true},
		{"reserved bit", patch(data(func(d *Data) {}), 1, 1<<2), false},
		{"slot", latest, true},
		{"slot 32", patch(latest, 1, 32), false},
		{"seq 0", patch(latest, 4, 0), false},
		{"ack", ack, true},
		{"first range empty", patch(ack, 12, 0), false},
		{"first range too long", patch(ack, 12, 122), false},
		{"gap 0", patch(ack, 16, 0), false},
		{"empty range", patch(ack, 18, 0), false},
		{"below 0", patch(ack, 18, 100), false},
		{"range down to 0", patch(ack, 18, 99), true},
		{"too many ranges", patch(append(bytes.Clone(ack), make([]byte, 400)...), 1, AckRangesMax), false},
		{"type 0", []byte{0}, false},
		{"challenge", challenge, true},
		{"response", AppendResponse(nil, 1<<63), true},
		{"a challenge with token 0", AppendChallenge(nil, 0), false},
		{"a response with token 0", AppendResponse(nil, 0), false},
		{"a challenge with a first zero that is none", patch(challenge, 1, 1), false},
		{"a challenge with a last zero that is none", patch(challenge, 3, 1), false},
		{"type 7", []byte{7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, false},
	}
}

func TestFrameErrors(t *testing.T) {
	for _, c := range frameCases() {
		var f Frame
		if rest, err := DecodeFrame(c.b, &f); (err == nil) != c.good || c.good && len(rest) != 0 {
			t.Errorf("%s: %v", c.name, err)
		}
		for n := 1; n < len(c.b) && c.good; n++ {
			if _, err := DecodeFrame(c.b[:n], &f); err == nil {
				t.Errorf("%s: cut to %d bytes, and taken", c.name, n)
			}
		}
	}
}

func FuzzFrames(f *testing.F) {
	for _, s := range datagramSamples()[3:] {
		f.Add(s.b[DatagramHeaderSize:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var frame Frame
		for len(b) > 0 {
			rest, err := DecodeFrame(b, &frame)
			if err != nil {
				return
			}
			taken := b[:len(b)-len(rest)]
			var again []byte
			switch frame.Type {
			case FramePing:
				again = AppendPing(nil)
			case FrameData:
				again = AppendData(nil, &frame.Data)
			case FrameLatest:
				again = AppendLatest(nil, &frame.Latest)
			case FrameChallenge:
				again = AppendChallenge(nil, frame.Token)
			case FrameResponse:
				again = AppendResponse(nil, frame.Token)
			case FrameAck:
				all := ranges(frame.Ack)
				for i, r := range all {
					if r.Low > r.High || i > 0 && all[i-1].Low <= r.High+1 {
						t.Fatalf("ranges %v", all)
					}
				}
				again = AppendAck(nil, frame.Ack.Delay, all)
			}
			if !bytes.Equal(again, taken) {
				t.Fatalf("encoding what was decoded gives\n%x, not\n%x", again, taken)
			}
			b = rest
		}
	})
}
