package blob

import (
	"context"
	"errors"
	"hash"
	"io"
	"sync"
)

// bufferSize is how many bytes are read, written and summed at a time.
const bufferSize = 256 << 10

// newBuffer is for the pool that transfer takes its buffers from.
func newBuffer() any {
	b := make([]byte, bufferSize)
	return &b
}

// transfer copies r to w and sum, which may be nil, and returns how many bytes
// w has taken. It holds one buffer, whatever the size, and a second one where
// there is more than one to copy: what was written is summed, which takes the
// longest, while the next bytes come.
func transfer(ctx context.Context, bufs *sync.Pool, w io.Writer, sum hash.Hash, r io.Reader, limit int64) (size int64, err error) {
	buf := bufs.Get().(*[]byte)
	defer func() { bufs.Put(buf) }()
	s := summer{sum: sum, bufs: bufs}
	defer s.close()
	for {
		if err := ctx.Err(); err != nil {
			return size, &ReadError{Err: err}
		}
		n, err := fill(r, *buf)
		if int64(n) > limit-size {
			return size, ErrTooLarge
		}
		if n > 0 {
			m, werr := w.Write((*buf)[:n])
			size += int64(m)
			if werr != nil {
				return size, werr
			}
			buf = s.add(buf, n, err != nil)
		}
		switch {
		case errors.Is(err, io.EOF):
			return size, nil
		case err != nil:
			return size, &ReadError{Err: err}
		}
	}
}

// summer sums one buffer while its owner fills another.
type summer struct {
	sum   hash.Hash // nil sums nothing
	bufs  *sync.Pool
	other *[]byte       // the one that is or was summed
	ready chan struct{} // sent to when that is done
	busy  bool
}

// add sums the first n bytes of buf and returns the buffer to fill next. The
// last ones are summed when it returns.
func (s *summer) add(buf *[]byte, n int, last bool) (next *[]byte) {
	s.wait()
	switch {
	case s.sum == nil:
		return buf
	case last:
		s.sum.Write((*buf)[:n])
		return buf
	case s.other == nil:
		s.other, s.ready = s.bufs.Get().(*[]byte), make(chan struct{}, 1)
	}
	next, s.other, s.busy = s.other, buf, true
	go func() {
		s.sum.Write((*buf)[:n])
		s.ready <- struct{}{}
	}()
	return next
}

// wait returns when everything is summed.
func (s *summer) wait() {
	if s.busy {
		<-s.ready
		s.busy = false
	}
}

func (s *summer) close() {
	s.wait()
	if s.other != nil {
		s.bufs.Put(s.other)
	}
}

// fill reads until buf is full or r ends. Its error is io.EOF only at the
// reader's own end: an io.ErrUnexpectedEOF of a broken body stays one.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}
