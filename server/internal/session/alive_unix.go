//go:build unix

package session

import (
	"errors"
	"net"
	"syscall"
)

// peek looks at what a connection's socket holds. It is made once for each
// connection, for every request looks.
type peek struct {
	raw  syscall.RawConn // nil where there is no socket to look at
	look func(fd uintptr)
	buf  [1]byte
	gone bool
}

func newPeek(nc net.Conn) *peek {
	p := &peek{}
	if wrapped, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS
		nc = wrapped.NetConn()
	}
	if sc, ok := nc.(syscall.Conn); ok {
		p.raw, _ = sc.SyscallConn() // nil when it is closed already: its first statement tells
	}
	p.look = func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), p.buf[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		p.gone = !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR) // nothing to read, or not looked
	}
	return p
}

// ended tells that the server has ended an idle connection: it was restarted, or
// the connection was terminated. Nothing is sent; what the socket holds is
// looked at. An idle connection that holds anything at all is of no further use.
// It is not read: the driver may still be, after it has once written slowly, and
// a second reader would wait for the first.
func (p *peek) ended() bool {
	if p.raw == nil {
		return false
	}
	p.gone = false
	err := p.raw.Control(p.look)
	return p.gone || err != nil
}
