package httpx

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const shortPatience = 50 * time.Millisecond

// patient serves h and opens a connection to it.
func patient(t *testing.T, h http.HandlerFunc) net.Conn {
	t.Helper()
	srv := httptest.NewServer(Patient(h, shortPatience))
	t.Cleanup(srv.Close)
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal(what)
		panic("unreachable")
	}
}

func TestPatienceWithABodyThatStops(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	c := patient(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := ReadBody(w, r, 1<<20)
		failed <- err
		w.WriteHeader(http.StatusRequestTimeout)
	})
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
	if err := receive(t, failed, "the body is waited for without end"); !errors.Is(err, ErrStalled) {
		t.Errorf("the error is %v", err)
	}
	if got, err := io.ReadAll(c); err != nil || !bytes.HasPrefix(got, []byte("HTTP/1.1 408 ")) {
		t.Errorf("%q and then %v", got, err)
	}
}

// A body that no handler reads is waited for by the server itself.
func TestPatienceWithABodyThatNobodyReads(t *testing.T) {
	t.Parallel()
	c := patient(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
	ended := make(chan string, 1)
	go func() {
		got, err := io.ReadAll(c)
		ended <- fmt.Sprint(string(got), err)
	}()
	if got := receive(t, ended, "the connection stays open"); !strings.HasPrefix(got, "HTTP/1.1 401 ") || !strings.HasSuffix(got, "<nil>") {
		t.Error(got)
	}
}

func TestPatienceWithAnAnswerThatNobodyTakes(t *testing.T) {
	t.Parallel()
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<30); err != nil {
		t.Fatal(err)
	}
	for name, send := range map[string]func(http.ResponseWriter) error{
		"written": func(w http.ResponseWriter) error { _, err := w.Write(make([]byte, 64<<20)); return err },
		"from a file": func(w http.ResponseWriter) error {
			f, err := os.Open(large)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = io.Copy(w, io.LimitReader(f, 1<<30))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failed := make(chan error, 1)
			c := patient(t, func(w http.ResponseWriter, _ *http.Request) { failed <- send(w) })
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
			if err := receive(t, failed, "the client is waited for without end"); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// Neither a handler that takes its time nor the next request on the same
// connection is hurt by deadlines that have passed.
func TestPatienceWithASlowHandler(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("x"), 3<<20+7)
	c := patient(t, func(w http.ResponseWriter, r *http.Request) {
		got, err := ReadBody(w, r, 1<<20)
		if err != nil {
			t.Error(err)
		}
		select {
		case <-r.Context().Done():
			t.Error("the request was given up")
		case <-time.After(4 * shortPatience):
		}
		if string(got) == "file" {
			_, err = io.Copy(w, io.LimitReader(bytes.NewReader(body), int64(len(body))))
		} else {
			_, err = w.Write(body)
		}
		if err != nil {
			t.Error(err)
		}
	})
	in := bufio.NewReader(c)
	for _, what := range []string{"data", "file", "data"} {
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n%s", what)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: %d bytes of %d, %v", what, len(got), len(body), err)
		}
	}
}
