package catalog

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// Channel is where the database announces schema and configuration changes.
const Channel = "pgrst"

// Watcher reloads the cache when the database says so.
type Watcher struct {
	Cache *Cache
	// Connect opens the connection that listens; it is used for nothing else.
	Connect func(context.Context) (*pgx.Conn, error)
	// Channel to listen on, "" means pgrst.
	Channel string
	Logger  *slog.Logger
	// Restarting, when not nil, tells that the database is just started anew,
	// so that a lost connection is no news; Restarted then has the next one
	// opened at once.
	Restarting func() bool
	Restarted  <-chan struct{}
	// Heard, when not nil, is called for every notification, and when the
	// connection was opened: then some may have been lost.
	Heard func()
	// Retry is the first pause after a lost connection, 0 means 100 ms; it doubles up to 32 times.
	Retry time.Duration
}

// Run listens until ctx ends. Whenever it has connected it reloads once,
// because notifications may have been lost before.
func (w *Watcher) Run(ctx context.Context) {
	retry := w.Retry
	if retry <= 0 {
		retry = 100 * time.Millisecond
	}
	pause := retry
	for ctx.Err() == nil {
		connected, err := w.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if connected {
			pause = retry
		}
		level := slog.LevelWarn
		if w.Restarting != nil && w.Restarting() {
			level = slog.LevelDebug
		}
		w.Logger.LogAttrs(ctx, level, "the schema listener lost its connection and connects again", slog.Any("error", err))
		select {
		case <-ctx.Done():
			return
		case <-w.Restarted:
			pause = retry
			continue
		case <-time.After(pause):
		}
		pause = min(2*pause, 32*retry)
	}
}

func (w *Watcher) listen(ctx context.Context) (connected bool, err error) {
	conn, err := w.Connect(ctx)
	if err != nil {
		return false, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, conn.Close(closing))
	}()
	channel := w.Channel
	if channel == "" {
		channel = Channel
	}
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return false, err
	}
	heard := w.Heard
	if heard == nil {
		heard = func() {}
	}
	heard()
	// A burst of notifications is one reload; one that comes while a reload
	// runs makes another afterwards.
	dirty := make(chan struct{}, 1)
	dirty <- struct{}{}
	working, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-dirty:
				w.refresh(working)
			case <-working.Done():
				return
			}
		}
	}()
	defer func() { stop(); <-done }()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return true, err
		}
		heard()
		switch n.Payload {
		case "", "reload schema", "reload config":
			select {
			case dirty <- struct{}{}:
			default:
			}
		}
	}
}

// refresh reloads; a failure keeps the old snapshot, and the next request
// that finds it stale tries again.
func (w *Watcher) refresh(ctx context.Context) {
	if w.Cache.current.Load() == nil {
		return // nothing is cached that could be stale
	}
	if err := w.Cache.Refresh(ctx); err != nil && ctx.Err() == nil {
		w.Logger.LogAttrs(ctx, slog.LevelError, "the schema could not be read; the previous one stays in use", slog.Any("error", err))
	}
}
