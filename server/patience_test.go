package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
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

// TestStalledReader takes the beginning of a large answer and no more: it is
// cut off, and nothing waits for it.
//
//covers:rest 256
func TestStalledReader(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Ephemeral()
	cfg.REST.MaxRows = 0
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.patience = 100 * time.Millisecond
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := false
	t.Cleanup(func() {
		if !ended {
			_ = s.Shutdown(context.Background()) // the test has failed already
		}
	})
	db, err := pgx.Connect(t.Context(), s.DatabaseURL())
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(t.Context(), "create view large as select i, repeat('x', 1000) as fill from generate_series(1, 40000) i; grant select on large to anon, service_role; alter role service_role set statement_timeout = '60s'")
	if err := errors.Join(err, db.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /rest/v1/large HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\n\r\n", s.Keys().ServiceRoleKey)
	head := make([]byte, 15)
	if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 200 OK" {
		t.Fatal(string(head), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ended = true
	if err := s.Shutdown(ctx); err != nil { // it waits for requests under way
		t.Errorf("the answer is still being sent: %v", err)
	}
	rest, _ := io.ReadAll(conn) // a reset is as good as an end
	if len(rest) > 30_000_000 {
		t.Errorf("%d bytes came: nothing was cut off", len(rest))
	}
}
