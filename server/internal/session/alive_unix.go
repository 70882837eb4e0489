//go:build unix

package session

import (
	"errors"
	"net"
	"syscall"
)

// gone tells that the server has ended an idle connection: it was restarted, or
// the connection was terminated. Nothing is sent; what the socket holds is
// looked at. An idle connection that holds anything at all is of no further use.
// It is not read: the driver may still be, after it has once written slowly, and
// a second reader would wait for the first.
func (c *conn) gone() bool {
	var nc net.Conn = c.pg.PgConn().Conn()
	if wrapped, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS
		nc = wrapped.NetConn()
	}
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR) // nothing to read, or not looked
	})
	return gone || err != nil
}
