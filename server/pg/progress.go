package pg

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// bar shows progress: one that moves on a terminal, a line where output is kept, nothing at all when there is no writer.
type bar struct {
	b    *progressbar.ProgressBar
	quit chan struct{}
	done chan struct{}
}

// startBar shows how much of size bytes went through reader.
func startBar(w io.Writer, size int64, what string) *bar {
	if !moves(w, what) {
		return &bar{}
	}
	return &bar{b: progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what), progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())}
}

// startSpinner shows that something of unknown length goes on.
func startSpinner(w io.Writer, what string) *bar {
	if !moves(w, what) {
		return &bar{}
	}
	b := &bar{quit: make(chan struct{}), done: make(chan struct{})}
	b.b = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionSetElapsedTime(true), progressbar.OptionClearOnFinish())
	go func() {
		defer close(b.done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-b.quit:
				return
			case <-tick.C:
				_ = b.b.Add(1) // a progress bar that cannot be drawn is no reason to stop
			}
		}
	}()
	return b
}

// moves tells whether a bar can move on w; where it cannot, w gets a line instead.
func moves(w io.Writer, what string) bool {
	if w == nil {
		return false
	}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return true
		}
	}
	_, _ = fmt.Fprintf(w, "suparust: %s\n", what) // progress that cannot be shown is no reason to stop
	return false
}

func (b *bar) reader(r io.Reader) io.Reader {
	if b.b == nil {
		return r
	}
	return io.TeeReader(r, b.b)
}

func (b *bar) stop() {
	if b.b == nil {
		return
	}
	if b.quit != nil {
		close(b.quit)
		<-b.done
	}
	_ = b.b.Finish() // see above
}
