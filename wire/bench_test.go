package wire

import "testing"

func BenchmarkDecodeRequest(b *testing.B)   { benchmarkDecode(b, KindRequest) }
func BenchmarkDecodeReply(b *testing.B)     { benchmarkDecode(b, KindReply) }
func BenchmarkDecodePrepare(b *testing.B)   { benchmarkDecode(b, KindPrepare) }
func BenchmarkDecodePrepareOK(b *testing.B) { benchmarkDecode(b, KindPrepareOK) }
func BenchmarkDecodeCommit(b *testing.B)    { benchmarkDecode(b, KindCommit) }

func BenchmarkEncodeRequest(b *testing.B)   { benchmarkEncode(b, KindRequest) }
func BenchmarkEncodeReply(b *testing.B)     { benchmarkEncode(b, KindReply) }
func BenchmarkEncodePrepare(b *testing.B)   { benchmarkEncode(b, KindPrepare) }
func BenchmarkEncodePrepareOK(b *testing.B) { benchmarkEncode(b, KindPrepareOK) }

func benchmarkDecode(b *testing.B, k Kind) {
	var d Decoder
	packet := encode(sample(k))
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := d.Decode(packet); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkEncode(b *testing.B, k Kind) {
	var e Encoder
	m, h := sample(k), sampleHeader
	packet := e.Append(nil, &h, m)
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for b.Loop() {
		packet = e.Append(packet[:0], &h, m)
	}
}

func BenchmarkChainNext(b *testing.B) {
	var c Chain
	var scratch []byte
	e := sampleEntry
	b.ReportAllocs()
	for b.Loop() {
		c, scratch = c.Next(&e, scratch)
	}
}
