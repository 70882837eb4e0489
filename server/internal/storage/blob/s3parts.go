package blob

import (
	"context"
	"errors"
	"hash"
	"io"
)

// partSource cuts what r yields into parts of size bytes, but for the last.
type partSource struct {
	ctx   context.Context
	r     io.Reader
	limit int64
	size  int64
	sum   hash.Hash
	read  int64
	ended bool // the part that next returned is the last
	buf   []byte
	over  []byte // the byte that was read to know whether more comes
}

// firstBuffer is what a small upload takes of memory.
const firstBuffer = 32 << 10

// next reads a part, which is good until the next call.
func (p *partSource) next() ([]byte, error) {
	p.buf = append(p.buf[:0], p.over...)
	for {
		if err := p.ctx.Err(); err != nil {
			return nil, &ReadError{Err: err}
		}
		if int64(len(p.buf)) > p.size { // one byte more than the part: there is another
			p.over = append(p.over[:0], p.buf[p.size:]...)
			part := p.buf[:p.size]
			p.sum.Write(part)
			return part, nil
		}
		if len(p.buf) == cap(p.buf) {
			grown := make([]byte, len(p.buf), min(max(2*int64(cap(p.buf)), firstBuffer), p.size+1))
			copy(grown, p.buf)
			p.buf = grown
		}
		n, err := p.r.Read(p.buf[len(p.buf):cap(p.buf)])
		p.buf = p.buf[:len(p.buf)+n]
		if p.read += int64(n); p.read > p.limit {
			return nil, ErrTooLarge
		}
		switch {
		case errors.Is(err, io.EOF):
			if int64(len(p.buf)) > p.size {
				continue // the byte more is a part of its own
			}
			p.ended = true
			p.sum.Write(p.buf)
			return p.buf, nil
		case err != nil:
			return nil, &ReadError{Err: err}
		}
	}
}
