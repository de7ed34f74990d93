package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"
)

// socketBuffer is asked for on both sides of every floor, so that 1024 datagrams fit.
const socketBuffer = 4 << 20

// DatagramMin is the smallest datagram of a floor: its number.
const DatagramMin = 8

// datagramMax is the largest that is received.
const datagramMax = 64 << 10

// Listen opens a UDP socket on a free port of the loopback interface.
func Listen() (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	// The kernel may grant less; then datagrams are lost, and that is counted.
	return conn, errors.Join(conn.SetReadBuffer(socketBuffer), conn.SetWriteBuffer(socketBuffer))
}

// Relay is one process of a floor. Without backups it sends every datagram back to its sender.
// With backups it is a primary: it passes a client's datagrams on to all backups, and to the
// client the first of the answers. It returns when conn is closed.
func Relay(conn *net.UDPConn, backups []netip.AddrPort) error {
	r := relay{conn: conn, backups: backups, waiting: make(map[uint64]netip.AddrPort)}
	buf := make([]byte, datagramMax)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if n >= DatagramMin {
			r.step(from, buf[:n])
		}
	}
}

type relay struct {
	conn    *net.UDPConn
	backups []netip.AddrPort
	// waiting holds the client of each datagram that no backup has answered. A client has few
	// outstanding, and repeats those that get lost.
	waiting map[uint64]netip.AddrPort
}

func (r *relay) step(from netip.AddrPort, datagram []byte) {
	number := binary.LittleEndian.Uint64(datagram)
	switch client, waits := r.waiting[number]; {
	case len(r.backups) == 0:
		r.send(from, datagram)
	case !r.isBackup(from):
		r.waiting[number] = from
		for _, b := range r.backups {
			r.send(b, datagram)
		}
	case waits:
		delete(r.waiting, number)
		r.send(client, datagram)
	}
}

func (r *relay) isBackup(a netip.AddrPort) bool {
	return slices.Contains(r.backups, a)
}

// send does what UDP does: what can not be sent is lost, and the client repeats it.
func (r *relay) send(to netip.AddrPort, datagram []byte) {
	r.conn.WriteToUDPAddrPort(datagram, to)
}

// floorPatience is how long the loop waits for an answer before it repeats what is outstanding.
const floorPatience = 200 * time.Millisecond

// Floor keeps datagrams of size bytes outstanding at a Relay for the duration.
func Floor(ctx context.Context, to netip.AddrPort, outstanding, size int, duration time.Duration) (Figures, error) {
	conn, err := Listen()
	if err != nil {
		return Figures{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	start := time.Now()
	f := floor{
		conn:     conn,
		to:       to,
		datagram: make([]byte, max(size, DatagramMin)),
		began:    make([]time.Time, outstanding),
		latest:   make([]uint64, outstanding),
		recorder: newRecorder(start, duration),
	}
	figures, err := f.run()
	if ctx.Err() != nil {
		return Figures{}, context.Cause(ctx)
	}
	return figures, err
}

// A floor is the client's end. Datagram number i travels in slot i mod outstanding.
type floor struct {
	conn     *net.UDPConn
	to       netip.AddrPort
	datagram []byte
	began    []time.Time // by slot
	latest   []uint64    // number outstanding in the slot
	recorder *recorder
}

func (f *floor) run() (Figures, error) {
	for slot := range f.latest {
		f.latest[slot] = uint64(slot)
		f.began[slot] = time.Now()
		if err := f.send(slot); err != nil {
			return Figures{}, err
		}
	}
	buf := make([]byte, datagramMax)
	for patience := time.Now(); ; {
		if now := time.Now(); now.After(patience) {
			patience = now.Add(floorPatience)
			if err := f.conn.SetReadDeadline(patience.Add(floorPatience)); err != nil {
				return Figures{}, err
			}
		}
		n, _, err := f.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = f.repeat()
		} else if err == nil && n >= DatagramMin {
			var more bool
			if more, err = f.receive(binary.LittleEndian.Uint64(buf)); !more {
				return f.recorder.figures(), err
			}
		}
		if err != nil {
			return Figures{}, err
		}
	}
}

// receive ends the operation that number belongs to and begins the next one of its slot.
func (f *floor) receive(number uint64) (more bool, err error) {
	slot := int(number % uint64(len(f.latest)))
	if f.latest[slot] != number {
		return true, nil // the answer to a repeat
	}
	now := time.Now()
	if !f.recorder.record(f.began[slot], now) {
		return false, nil
	}
	f.latest[slot] += uint64(len(f.latest))
	f.began[slot] = now
	return true, f.send(slot)
}

// repeat sends again all that is outstanding.
func (f *floor) repeat() error {
	if time.Now().After(f.recorder.until.Add(time.Second)) {
		return errors.New("the relay does not answer")
	}
	for slot := range f.latest {
		f.recorder.lost++
		if err := f.send(slot); err != nil {
			return err
		}
	}
	return nil
}

func (f *floor) send(slot int) error {
	binary.LittleEndian.PutUint64(f.datagram, f.latest[slot])
	_, err := f.conn.WriteToUDPAddrPort(f.datagram, f.to)
	return err
}
