package tus

import (
	"net/http"
	"strings"
)

// PublicRoot is the address that a client has used, up to where the API
// begins: what a proxy before the server says it was, else what the request
// says. prefix is the path of the API, which a proxy may name as well.
func PublicRoot(r *http.Request, prefix string) string {
	proto, host := forwarded(r.Header.Get("Forwarded"))
	if p := r.Header.Get("X-Forwarded-Proto"); proto == "" && (p == "http" || p == "https") {
		proto = p
	}
	if h := r.Header.Get("X-Forwarded-Host"); host == "" && h != "" {
		host, _, _ = strings.Cut(h, ",")
		host = withPort(strings.TrimSpace(host), r.Header.Get("X-Forwarded-Port"))
	}
	switch {
	case proto != "":
	case r.TLS != nil:
		proto = "https"
	default:
		proto = "http"
	}
	if host == "" {
		host = r.Host
	}
	before := strings.TrimRight(r.Header.Get("X-Forwarded-Prefix"), "/")
	before = strings.TrimSuffix(before, prefix)
	if before != "" && !strings.HasPrefix(before, "/") {
		before = "/" + before
	}
	return proto + "://" + host + before + prefix
}

// forwarded reads the first proxy's part of a Forwarded header.
func forwarded(header string) (proto, host string) {
	first, _, _ := strings.Cut(header, ",")
	for part := range strings.SplitSeq(first, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		value = strings.Trim(value, `"`)
		switch {
		case strings.EqualFold(name, "host"):
			host = value
		case strings.EqualFold(name, "proto") && (value == "http" || value == "https"):
			proto = value
		}
	}
	return proto, host
}

// withPort gives a host the port that a proxy was asked at, unless it is one
// that goes without saying.
func withPort(host, port string) string {
	if port == "" || port == "80" || port == "443" || strings.Trim(port, "0123456789") != "" {
		return host
	}
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return host + ":" + port
}
