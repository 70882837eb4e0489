package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestStalledBody sends each API the beginning of a body and no more.
//
//covers:rest 255
func TestStalledBody(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Ephemeral()
	cfg.Quickstart = true
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.patience = 100 * time.Millisecond
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	for _, c := range []struct {
		name, path string
		status     int
		body       string
	}{
		{"REST", "/rest/v1/users", http.StatusRequestTimeout, `"code":"PGRST102"`},
		{"Auth", "/auth/v1/signup", http.StatusRequestTimeout, `"error_code":"request_timeout"`},
		{"Storage, JSON", "/storage/v1/bucket", http.StatusRequestTimeout, `"code":"InvalidRequest"`},
		{"Storage, bytes", "/storage/v1/object/b/x", http.StatusRequestTimeout, `"code":"InvalidRequest"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "Storage, bytes" {
				post(t, s, "/storage/v1/bucket", `{"name":"b"}`, 12, http.StatusOK, "")
			}
			post(t, s, c.path, `{"name":`, 100, c.status, c.body)
		})
	}
}

// post sends body as the whole, or the beginning, of one of that length.
func post(t *testing.T, s *Server, path, body string, length, status int, want string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, s.Keys().ServiceRoleKey, length, body)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status || !strings.Contains(string(got), want) {
		t.Errorf("%d %s %v, want %d %s", res.StatusCode, got, err, status, want)
	}
}
