package frag

import (
	"bytes"

	"github.com/klauspost/compress/s2"

	"vrnode/wire"
)

// What replicas say to each other on the lanes of the log is compressed where it arrives earlier
// for that: if it is longer than a datagram, shrinks, and goes over a path that has shown to be so
// slow that the bytes that are saved take longer to send than to save. Nothing that a client sends
// or gets is compressed. Which bytes a message becomes is the library's choice and may differ
// between kinds of processors; all of them make the same message of it again.

// A compressor makes blocks of messages. It remembers the last one, because what a replica says it
// often says to several others in a row.
type compressor struct {
	message []byte
	// saved is by how much its sample shrank, in percent.
	saved int64
	// block is what became of it; empty if it was never worth it.
	block []byte
}

// pays tells whether it takes less time to compress than to send what is saved, at a rate in bytes
// per second and for so many percent. A rate of 0 is not known, so it does not.
func pays(rate, saved int64) bool { return rate > 0 && rate*100 < saved*compressSpeed }

// compress returns the block of a message for a path of that rate, if it pays. It is the
// compressor's until the next call.
func (c *compressor) compress(message []byte, rate int64) (block []byte, ok bool) {
	if len(message) <= wire.SingleMax || !pays(rate, 100) {
		return nil, false
	}
	if !bytes.Equal(message, c.message) {
		c.message = append(c.message[:0], message...)
		sample := message[:min(len(message), compressSample)]
		c.block = c.encode(sample)
		c.saved = 100 - int64(100*len(c.block)/len(sample))
		if len(sample) < len(message) {
			c.block = c.block[:0]
		}
	}
	if c.saved < compressLeast || !pays(rate, c.saved) {
		return nil, false
	}
	if len(c.block) == 0 {
		c.block = c.encode(message)
	}
	return c.block, len(c.block) < len(message)
}

func (c *compressor) encode(b []byte) []byte { return s2.Encode(c.block[:cap(c.block)], b) }

// mayCompress tells whether a message of the lane between this end and the peer may be compressed. In
// secure mode none is: by how much commands of different clients shrink together, one who is a client
// and sees the lengths could guess at what the others write.
func (e *Endpoint) mayCompress(p *peer, lane Lane) bool {
	return wire.MayCompress(uint8(lane)) && !p.isClient() && !e.self.IsClient() && !e.IsSecure()
}

// body returns what goes out for a message: the message, or a block of it.
func (e *Endpoint) body(p *peer, lane Lane, message []byte) (_ []byte, compressed bool) {
	if p.session.active && e.mayCompress(p, lane) {
		if block, ok := e.compressor.compress(message, p.session.control.bottleneck()); ok {
			return block, true
		}
	}
	return message, false
}

// deliverBlock delivers the message of a block, or says why not. A block of a few bytes can stand
// for the longest message, so what is made of blocks counts, until the effects are reset, together
// with what is incomplete.
func (e *Endpoint) deliverBlock(p *peer, block []byte, out *Effects) Reason {
	n, err := s2.DecodedLen(block)
	if err != nil || n == 0 || n > MessageMax {
		return ReasonBlock
	}
	if used, budget := e.receivingFor(p); *used+out.unpacked+classSize(classOf(n)) > budget {
		return ReasonBudget
	}
	buffer := e.pool.take(n)
	if _, err := s2.Decode(buffer, block); err != nil {
		e.pool.give(buffer)
		return ReasonBlock
	}
	out.unpacked += cap(buffer)
	out.deliver(p.id, buffer, &e.pool, buffer)
	return 0
}
