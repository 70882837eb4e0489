package pg

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Bar shows progress: one that moves on a terminal, a line where output is kept, nothing at all when there is no writer.
type Bar struct {
	b     *progressbar.ProgressBar
	begun bool // a step of Count
	quit  chan struct{}
	done  chan struct{}
}

// startBar shows how much of size bytes went through reader.
func startBar(w io.Writer, size int64, what string) *Bar {
	if !moves(w, what) {
		return &Bar{}
	}
	return &Bar{b: progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what), progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())}
}

// Spin shows that something of unknown length goes on.
func Spin(w io.Writer, what string) *Bar {
	if !moves(w, what) {
		return &Bar{}
	}
	b := &Bar{quit: make(chan struct{}), done: make(chan struct{})}
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

// Count shows how many of n steps are done, where a bar can move, and nothing elsewhere: there each step tells of itself.
func Count(w io.Writer, n int, what string) *Bar {
	if !Moves(w) {
		return &Bar{}
	}
	return &Bar{b: progressbar.NewOptions(n, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())}
}

// Step begins a step, which is called what, and counts the one before.
func (b *Bar) Step(what string) {
	if b.b == nil {
		return
	}
	b.b.Describe(what)
	if b.begun {
		_ = b.b.Add(1) // see Spin
	}
	b.begun = true
}

// Moves tells whether a bar can move on w: it is a terminal.
func Moves(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// moves tells whether a bar can move on w; where it cannot, w gets a line instead.
func moves(w io.Writer, what string) bool {
	if w == nil || Moves(w) {
		return w != nil
	}
	_, _ = fmt.Fprintf(w, "suparust: %s\n", what) // progress that cannot be shown is no reason to stop
	return false
}

func (b *Bar) reader(r io.Reader) io.Reader {
	if b.b == nil {
		return r
	}
	return io.TeeReader(r, b.b)
}

// Stop takes the bar away.
func (b *Bar) Stop() {
	if b.b == nil {
		return
	}
	if b.quit != nil {
		close(b.quit)
		<-b.done
	}
	_ = b.b.Finish() // see above
}
