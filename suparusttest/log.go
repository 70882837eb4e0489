package suparusttest

import (
	"io"
	"log/slog"
	"sync"
)

// logTail keeps the end of a server's log for the test that fails. It belongs
// to no test: background work may still write when the test has ended.
type logTail struct {
	mu  sync.Mutex
	buf []byte
}

// logTailBytes is how much of the log is kept.
const logTailBytes = 16 << 10

func newLogTail() *logTail { return &logTail{} }

func (l *logTail) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(io.Writer(l), &slog.HandlerOptions{Level: level}))
}

// Write appends a record and forgets the oldest ones beyond the limit.
func (l *logTail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, p...)
	if over := len(l.buf) - logTailBytes; over > logTailBytes {
		l.buf = append([]byte(nil), l.buf[over:]...)
	}
	return len(p), nil
}

// String is the kept end, from the start of a line on.
func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buf
	if over := len(b) - logTailBytes; over > 0 {
		b = b[over:]
		for len(b) > 0 && b[0] != '\n' {
			b = b[1:]
		}
		if len(b) > 0 {
			b = b[1:]
		}
	}
	return string(b)
}
