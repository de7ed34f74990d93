//go:build !linux

package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"vrnode/wire"
)

const (
	receiveSysctl = "kern.ipc.maxsockbuf"
	sendSysctl    = "kern.ipc.maxsockbuf"
)

// A Conn is a UDP socket of package net. A goroutine reads it into a batch, which the owner trades
// for the batch that it has finished with.
type Conn struct {
	conn   *net.UDPConn
	local  netip.AddrPort
	stats  Stats
	tooBig []TooBig
	lent   *batch
	wake   chan struct{}
	timer  *time.Timer
	done   chan struct{} // closed when the reader has ended

	mu        sync.Mutex
	room      sync.Cond // of the reader, when filling is full
	filling   *batch
	truncated uint64
	closed    bool
}

// bufferSize is more than wire.DatagramMax, so that longer datagrams can be told.
const bufferSize = wire.DatagramMax + 1

type batch struct {
	datagrams []wire.Datagram
	buffers   [BatchMax][bufferSize]byte
}

// OwnThread does nothing here: package net wakes goroutines, not threads.
func OwnThread() {}

// A Courtesy does nothing here.
type Courtesy struct{ Share float64 }

// StepBack does nothing here.
func (*Courtesy) StepBack() {}

// Listen opens a socket at addr; port 0 lets the kernel choose. The IPv6 wildcard address serves
// IPv4 too.
func Listen(addr netip.AddrPort) (*Conn, error) {
	if !addr.Addr().IsValid() {
		return nil, fmt.Errorf("udp: listen at %v: no address", addr)
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, fmt.Errorf("udp: listen at %v: %w", addr, err)
	}
	// What the kernel grants can not be read back through package net.
	_ = conn.SetReadBuffer(BufferWanted)
	_ = conn.SetWriteBuffer(BufferWanted)
	c := &Conn{
		conn:    conn,
		local:   unmapped(conn.LocalAddr().(*net.UDPAddr).AddrPort()),
		lent:    new(batch),
		filling: new(batch),
		wake:    make(chan struct{}, 1),
		timer:   time.NewTimer(time.Hour),
		done:    make(chan struct{}),
	}
	c.room.L = &c.mu
	go c.read()
	return c, nil
}

// read fills batches until the socket is closed. While the owner is slow it waits, and the kernel's
// buffer fills instead.
func (c *Conn) read() {
	defer close(c.done)
	b := make([]byte, bufferSize)
	for {
		n, from, err := c.conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		c.mu.Lock()
		if err != nil || n == bufferSize {
			c.truncated++
		} else {
			c.put(b[:n], from)
		}
		c.mu.Unlock()
		c.Wake()
	}
}

func (c *Conn) put(b []byte, from netip.AddrPort) {
	for len(c.filling.datagrams) == BatchMax && !c.closed {
		c.room.Wait()
	}
	if c.closed {
		return
	}
	f := c.filling
	into := f.buffers[len(f.datagrams)][:copy(f.buffers[len(f.datagrams)][:], b)]
	f.datagrams = append(f.datagrams, wire.Datagram{Addr: unmapped(from), Bytes: into})
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// LocalAddr returns the address that the socket is bound to.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// Spin does nothing here: it is the reader that waits for the kernel.
func (c *Conn) Spin(time.Duration) {}

// Buffers returns the sizes of the socket's buffers.
func (c *Conn) Buffers() Buffers { return Buffers{} }

// Stats returns the counters.
func (c *Conn) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Truncated = c.truncated
	return s
}

// ReadBatch returns the datagrams that have arrived, at most BatchMax and none if there are none.
// They are valid until the next call. An error means that the socket is of no more use.
func (c *Conn) ReadBatch() ([]wire.Datagram, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, net.ErrClosed
	}
	c.lent.datagrams = c.lent.datagrams[:0]
	c.lent, c.filling = c.filling, c.lent
	c.room.Signal()
	c.stats.Received += uint64(len(c.lent.datagrams))
	return c.lent.datagrams, nil
}

// WriteBatch sends datagrams, in their order. An error means that the socket is of no more use.
func (c *Conn) WriteBatch(batch []wire.Datagram) error {
	c.tooBig = c.tooBig[:0]
	for _, d := range batch {
		_, err := c.conn.WriteToUDPAddrPort(d.Bytes, d.Addr)
		switch {
		case err == nil:
			c.stats.Sent++
		case errors.Is(err, net.ErrClosed):
			return net.ErrClosed
		default:
			if errors.Is(err, errTooBig) && len(c.tooBig) < BatchMax {
				c.tooBig = append(c.tooBig, TooBig{d.Addr, len(d.Bytes)})
			}
			c.stats.Lost++
		}
	}
	return nil
}

// TooBig returns which datagrams of the last WriteBatch did not fit the path's first link, at most
// BatchMax of them. They count as lost. The answer is valid until the next WriteBatch.
func (c *Conn) TooBig() []TooBig { return c.tooBig }

// Wait sleeps until datagrams have arrived, Wake was called since the last Wait, or the timeout
// has passed. It may return early.
func (c *Conn) Wait(timeout time.Duration) {
	c.mu.Lock()
	readable := len(c.filling.datagrams) > 0
	c.mu.Unlock()
	if timeout <= 0 || readable {
		return
	}
	c.timer.Reset(timeout)
	select {
	case <-c.wake:
	case <-c.timer.C:
	}
}

// Wake ends the owner's present or next Wait. It may be called by any goroutine, even after Close.
func (c *Conn) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Close closes the socket and returns when its reader has ended. Only the owner may call it.
func (c *Conn) Close() error {
	err := c.conn.Close()
	c.mu.Lock()
	c.closed = true
	c.room.Signal()
	c.mu.Unlock()
	<-c.done
	return err
}
