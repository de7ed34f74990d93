//go:build linux

package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/xtaci/kcp-go/v5"
)

// A transport makes streams of bytes.
type transport struct {
	listen func(addr string) (accept func() (io.ReadWriter, error), err error)
	dial   func(ctx context.Context, addr string) (io.ReadWriter, error)
}

var transports = map[string]transport{
	"tcp":  {listenTCP, dialTCP},
	"quic": {listenQUIC, dialQUIC},
	"kcp":  {listenKCP, dialKCP},
}

func listenTCP(addr string) (func() (io.ReadWriter, error), error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return func() (io.ReadWriter, error) { return l.Accept() }, nil
}

func dialTCP(ctx context.Context, addr string) (io.ReadWriter, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

// QUIC has one stream in its connection. The certificate is made up, and believed.

const protocol = "linkbench"

func listenQUIC(addr string) (func() (io.ReadWriter, error), error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		return nil, err
	}
	l, err := quic.ListenAddr(addr, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
		NextProtos:   []string{protocol},
	}, nil)
	if err != nil {
		return nil, err
	}
	return func() (io.ReadWriter, error) {
		c, err := l.Accept(context.Background())
		if err != nil {
			return nil, err
		}
		return c.AcceptStream(context.Background())
	}, nil
}

func dialQUIC(ctx context.Context, addr string) (io.ReadWriter, error) {
	c, err := quic.DialAddr(ctx, addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}, nil)
	if err != nil {
		return nil, err
	}
	return c.OpenStreamSync(ctx)
}

// KCP is set up as its documentation has it for speed, with windows and socket buffers of 4 MiB,
// without encryption and forward error correction. About one of its connections in ten delivers
// nothing for seconds at first; that is in the figures.

const (
	kcpMTU    = 1472
	kcpWindow = 4096 // datagrams
	kcpBuffer = 4 << 20
)

func listenKCP(addr string) (func() (io.ReadWriter, error), error) {
	l, err := kcp.ListenWithOptions(addr, nil, 0, 0)
	if err != nil {
		return nil, err
	}
	_, _ = l.SetReadBuffer(kcpBuffer), l.SetWriteBuffer(kcpBuffer)
	return func() (io.ReadWriter, error) {
		s, err := l.AcceptKCP()
		if err != nil {
			return nil, err
		}
		return tuned(s), nil
	}, nil
}

func dialKCP(_ context.Context, addr string) (io.ReadWriter, error) {
	s, err := kcp.DialWithOptions(addr, nil, 0, 0)
	if err != nil {
		return nil, err
	}
	_, _ = s.SetReadBuffer(kcpBuffer), s.SetWriteBuffer(kcpBuffer)
	return tuned(s), nil
}

func tuned(s *kcp.UDPSession) *kcp.UDPSession {
	s.SetNoDelay(1, 10, 2, 1)
	s.SetWindowSize(kcpWindow, kcpWindow)
	s.SetMtu(kcpMTU)
	s.SetACKNoDelay(true)
	return s
}
