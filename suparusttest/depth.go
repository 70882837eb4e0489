package suparusttest

import (
	"runtime"
	"time"
)

// depth is how many databases of one template wait for the next tests: one
// where tests follow each other, more where several begin at once, none when
// nobody has asked for long.
type depth struct {
	n     int
	spare int // Starts in a row that found more than they needed
}

const (
	// spareStarts is after how many Starts in a row that found more than they
	// needed one database less is kept ready.
	spareStarts = 4
	// idleAfter is when none is kept ready any more: the process has other
	// tests, or is near its end.
	idleAfter = 30 * time.Second
)

// deepest bounds the depth: more than what the processors can start at once
// waits in vain.
func deepest() int { return max(2, min(2*runtime.GOMAXPROCS(0), 8)) }

// found learns from a Start: whether a database was ready for it, how many
// more there were, and how many Starts wait for theirs.
func (d *depth) found(hit bool, left, waiting int) {
	switch {
	case d.n == 0: // the first one, for which none could be ready
		d.n = 1
	case !hit:
		d.n, d.spare = min(max(d.n+1, waiting), deepest()), 0
	case left == 0:
		d.spare = 0
	default:
		if d.spare++; d.spare >= spareStarts {
			d.n, d.spare = max(d.n-1, 1), 0
		}
	}
}
