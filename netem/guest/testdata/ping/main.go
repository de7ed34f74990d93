// Ping measures a way with UDP datagrams. "ping echo ADDRESS" answers, "ping ADDRESS COUNT" sends
// one a millisecond and prints what came of them.
package main

import (
	"encoding/binary"
	"encoding/json"
	"log"
	"net"
	"os"
	"slices"
	"strconv"
	"time"
)

func main() {
	if os.Args[1] == "echo" {
		echo(os.Args[2])
	}
	count, err := strconv.Atoi(os.Args[2])
	check(err)
	check(json.NewEncoder(os.Stdout).Encode(ping(os.Args[1], count)))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func echo(address string) {
	conn, err := net.ListenPacket("udp4", address)
	check(err)
	b := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(b)
		check(err)
		_, err = conn.WriteTo(b[:n], from)
		check(err)
	}
}

// report is what a test reads. Round trips are sorted.
type report struct {
	Sent, Answered, Twice, Overtaken int
	Trips                            []time.Duration
}

func ping(address string, count int) *report {
	conn, err := net.Dial("udp4", address)
	check(err)
	start := time.Now()
	go func() {
		b := make([]byte, 100)
		for i := range count {
			binary.LittleEndian.PutUint64(b, uint64(i))
			binary.LittleEndian.PutUint64(b[8:], uint64(time.Since(start)))
			conn.Write(b) // refused until the other end is there
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second) // for answers under way
		conn.SetReadDeadline(time.Now())
	}()
	r := &report{Sent: count}
	seen, highest := make([]bool, count), uint64(0)
	b := make([]byte, 1500)
	for {
		if _, err := conn.Read(b); os.IsTimeout(err) {
			slices.Sort(r.Trips)
			return r
		} else if err != nil {
			continue
		}
		i := binary.LittleEndian.Uint64(b)
		switch {
		case seen[i]:
			r.Twice++
			continue
		case i < highest:
			r.Overtaken++
		}
		seen[i], highest = true, max(highest, i)
		r.Answered++
		r.Trips = append(r.Trips, time.Since(start)-time.Duration(binary.LittleEndian.Uint64(b[8:])))
	}
}
