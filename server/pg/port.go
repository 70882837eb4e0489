package pg

import (
	"fmt"
	"net"
)

// freePort asks the kernel for a port nobody uses.
func freePort(listen string) (int, error) {
	host := listen
	if host == "*" {
		host = ""
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, fmt.Errorf("no TCP port to listen on at %q: %w", listen, err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	return port, ln.Close()
}
