package httpx_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/httpx"
)

// A shutdown waits for a request under way, not for connections on which none came.
func TestCloseUnused(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked, answer := make(chan struct{}), make(chan struct{})
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		_, _ = io.WriteString(w, "whole")
	})}
	httpx.CloseUnused(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()

	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	used, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	if _, err := io.WriteString(used, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-asked // the silent connection was accepted before

	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // net/http gives such a connection five
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(ctx) }()
	if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection without a request: %v", err)
	}
	select {
	case err := <-ended:
		t.Errorf("the shutdown ended before the request under way did: %v", err)
	default:
	}
	close(answer)
	body, err := io.ReadAll(used)
	if err != nil || string(body[len(body)-5:]) != "whole" {
		t.Errorf("the request under way: %q, %v", body, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
