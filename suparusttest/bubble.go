package suparusttest

import (
	"bytes"
	"runtime"
	"testing"
)

// inBubble tells whether the caller's goroutine is in a testing/synctest
// bubble. Nothing but the head of its stack says so.
func inBubble() bool {
	var b [128]byte
	head, _, _ := bytes.Cut(b[:runtime.Stack(b[:], false)], []byte("\n"))
	return bytes.Contains(head, []byte("synctest bubble"))
}

// outside fails tb in a bubble, where a connection would be waited for without
// end.
func outside(tb testing.TB, what string) {
	tb.Helper()
	if inBubble() {
		tb.Fatalf("suparusttest: %s does not work inside of a testing/synctest bubble, which would wait for its connection without end: do it in a test without one", what)
	}
}
