package rest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// pipe writes size bytes in chunks of any length while read reads them.
func pipe(t *testing.T, s *spool, size int, read func()) {
	t.Helper()
	sent := make(chan []byte, 1)
	go func() {
		all := make([]byte, 0, size)
		for len(all) < size {
			c := s.chunk()
			for range 1 + rand.IntN(spoolChunk/8) {
				c = binary.BigEndian.AppendUint64(c, uint64(len(all)+len(c)))
			}
			all = append(all, c...)
			if err := s.put(c); err != nil {
				t.Error(err)
				break
			}
		}
		s.finish(nil)
		sent <- all
	}()
	var got []byte
	for {
		read()
		c, err := s.take()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c...)
		s.give(c)
	}
	if all := <-sent; !bytes.Equal(got, all) {
		t.Errorf("%d bytes came out of %d", len(got), len(all))
	}
	s.close()
	if n := s.files.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

func TestSpool(t *testing.T) {
	t.Parallel()
	var files atomic.Int64
	pipe(t, newSpool(&files), 8<<20, func() {})
	stopped := newSpool(&files)
	first := true
	pipe(t, stopped, 16<<20, func() {
		if !first {
			return
		}
		first = false
		stopped.mu.Lock()
		defer stopped.mu.Unlock()
		for !stopped.done { // the writer does not wait for the reader
			stopped.moved.Wait()
		}
	})
	if stopped.fileWritten < 14<<20 {
		t.Errorf("only %d bytes went through the file", stopped.fileWritten)
	}
	some := newSpool(&files) // a file that comes and goes
	n := 0
	pipe(t, some, 16<<20, func() {
		if n++; n%16 != 0 {
			return
		}
		some.mu.Lock()
		defer some.mu.Unlock()
		for some.end-some.start < 1<<20 && !some.done {
			some.moved.Wait()
		}
	})
	full := newSpool(&files) // no room but in memory
	full.most = 0
	pipe(t, full, 8<<20, func() {})
	if full.fileWritten != 0 {
		t.Errorf("%d bytes went through a file", full.fileWritten)
	}
}

func TestSpoolEnds(t *testing.T) {
	t.Parallel()
	var files atomic.Int64
	fill := func(s *spool) error {
		for range 64 {
			if err := s.put(make([]byte, spoolChunk)); err != nil {
				return err
			}
		}
		return nil
	}
	s := newSpool(&files)
	s.most, s.wait = spoolMemory, time.Millisecond
	if err := fill(s); !errors.Is(err, errSpoolFull) {
		t.Errorf("a full spool says %v", err)
	}
	s.abandon()
	if err := s.put([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("an abandoned spool says %v", err)
	}
	broken := errors.New("broken")
	s.finish(broken)
	if _, err := s.take(); !errors.Is(err, broken) {
		t.Errorf("the reader is told %v", err)
	}
	s.close()
	if n := files.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
	waiting := newSpool(&files)
	waiting.most = 0
	ended := make(chan error)
	go func() { ended <- fill(waiting) }()
	if _, err := waiting.take(); err != nil {
		t.Error(err)
	}
	waiting.abandon()
	if err := <-ended; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a waiting writer is told %v", err)
	}
}

// TestSpoolSmallRest: the short rest of a file leaves no buffer behind that is
// too small for what comes next.
func TestSpoolSmallRest(t *testing.T) {
	t.Parallel()
	var files atomic.Int64
	s := newSpool(&files)
	put := func(n int) {
		t.Helper()
		if err := s.put(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	take := func(want int) []byte {
		t.Helper()
		c, err := s.take()
		if err != nil || len(c) != want {
			t.Fatalf("%d bytes, %v, and not %d", len(c), err, want)
		}
		return c
	}
	for _, rest := range []int{100, 0} {
		put(spoolMemory) // what follows goes into the file
		put(2*spoolChunk + rest)
		take(spoolMemory)
		for rest > 0 && len(s.free) > 0 {
			s.chunk() // the writer takes the buffers
		}
		take(spoolChunk)
		take(spoolChunk)
		if rest > 0 {
			s.give(take(rest))
		}
	}
	s.close()
	if n := files.Load(); n != 0 {
		t.Error(n, "bytes are still counted")
	}
}

// panicking is a client's connection whose writing panics.
type panicking struct{ *httptest.ResponseRecorder }

func (panicking) Write([]byte) (int, error) { panic("no room") }

// A panic while an answer is sent ends that answer: its writer is told, the
// statement is cancelled, and the process lives on.
func TestDeliverPanics(t *testing.T) {
	t.Parallel()
	cancelled := false
	s := &stream{w: panicking{httptest.NewRecorder()}, spool: newSpool(new(atomic.Int64)), sent: make(chan struct{}), cancel: func() { cancelled = true }}
	defer s.spool.close()
	if err := s.spool.put([]byte("[")); err != nil {
		t.Fatal(err)
	}
	s.deliver(&answer{status: http.StatusOK, hasBody: true})
	<-s.sent
	if s.err == nil || !cancelled {
		t.Errorf("error %v, cancelled %t", s.err, cancelled)
	}
	if err := s.spool.put([]byte("]")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a further piece: %v", err)
	}
}
