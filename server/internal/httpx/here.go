package httpx

import (
	"net"
	"net/url"
	"strings"
)

// Here tells that a host, with or without a port, is this machine, whoever
// resolves its name: what only this machine may read is refused to a page of
// the web that asks for it by a name of its own, which leads to loopback. The
// last name is how a container calls the machine it runs on.
func Here(host string) bool {
	u := url.URL{Host: host}
	name := strings.ToLower(u.Hostname())
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback() || name == "localhost" || strings.HasSuffix(name, ".localhost") || name == "host.docker.internal"
}
