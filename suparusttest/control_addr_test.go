package suparusttest_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// TestControlAddr: on a port of its own it is there alone, whoever reaches the
// APIs; where others reach that port it has a token that somebody has chosen.
func TestControlAddr(t *testing.T) {
	t.Parallel()
	const token = "nobody can guess this one"
	for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithConfig(func(c *server.Config) {
			c.BindAddr, c.ControlAddr, c.ControlToken = "0.0.0.0", addr, token
		}))
		srv.Clock.Advance(time.Hour)
		c := srv.Control(t)
		want(t, "a port of its own", strings.HasPrefix(c.URL, srv.URL), false)
		c.Get(t, "/clock").WantStatus(t, http.StatusOK)
		srv.ServiceClient().Get(t, "/_suparust/v1/clock").WantStatus(t, http.StatusNotFound)
		other := *c
		other.URL = strings.TrimSuffix(c.URL, "/_suparust/v1")
		other.Get(t, "/rest/v1/").WantStatus(t, http.StatusNotFound)
		c.Do(t, "GET", "/clock", nil, http.Header{"Authorization": {"Bearer another"}}).WantStatus(t, http.StatusUnauthorized)
		c.Do(t, "GET", "/clock", nil, http.Header{"Origin": {"https://example.com"}}).WantStatus(t, http.StatusForbidden)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.URL+"/clock", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header, req.Host = c.Header, "docker:3001"
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		want(t, addr+" by another name", res.StatusCode == http.StatusOK, addr == "0.0.0.0:0")
		srv.Branch(t).Client().Get(t, "/auth/v1/health").WantStatus(t, http.StatusOK) // asked for by this machine
	}

	for _, bad := range []struct {
		addr, token, says string
		off               bool
	}{
		{addr: "0.0.0.0:3001", says: "SUPARUST_CONTROL_TOKEN"},
		{addr: "[::]:3001", says: "SUPARUST_CONTROL_TOKEN"},
		{addr: "0.0.0.0:3001", token: "short", says: "at least 16"},
		{addr: "127.0.0.1", says: "an IP address and a port"},
		{addr: "example.com:3001", token: token, says: "an IP address and a port"},
		{addr: ":3001", token: token, says: "an IP address and a port"},
		{addr: "127.0.0.1:3000", says: "choose another"},
		{addr: "127.0.0.1:70000", says: "choose another"},
		{addr: "127.0.0.1:3001", off: true, says: "SUPARUST_CONTROL=true"},
	} {
		c := server.DefaultConfig()
		c.Keys.JWTSecret, c.Control, c.ControlAddr, c.ControlToken = server.DemoJWTSecret, !bad.off, bad.addr, bad.token
		if _, err := server.New(c); err == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestControlAddrTaken: a server whose control API cannot listen does not
// start, and leaves its own port.
func TestControlAddrTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var lc net.ListenConfig
	probe, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := probe.Addr().(*net.TCPAddr).Port
	probe.Close()
	said := fatal(t, func(tb testing.TB) {
		suparusttest.Start(tb, suparusttest.WithoutProject(), suparusttest.WithConfig(func(c *server.Config) {
			c.Port, c.ControlAddr = port, taken.Addr().String()
		}))
	})
	if !strings.Contains(said, "choose another address with SUPARUST_CONTROL_ADDR") {
		t.Errorf("%q", said)
	}
	if again, err := lc.Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
		t.Errorf("the port of the APIs: %v", err)
	} else {
		again.Close()
	}
}
