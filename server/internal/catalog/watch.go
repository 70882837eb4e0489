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
	// Always says that there is more to reload than a fingerprint tells.
	Always bool
	// Retry is the first pause after a lost connection, 0 means 100 ms; it doubles up to 32 times.
	Retry time.Duration
}

// Run listens until ctx ends. What notifications told of before it did may be
// lost: with its first connection it reloads if the schema is no longer the one
// that was read, which it asks there, and with a later one whatever it is.
func (w *Watcher) Run(ctx context.Context) {
	retry := w.Retry
	if retry <= 0 {
		retry = 100 * time.Millisecond
	}
	pause, lost := retry, w.Always
	for ctx.Err() == nil {
		connected, err := w.listen(ctx, lost)
		if ctx.Err() != nil {
			return
		}
		if lost = true; connected {
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
		case <-w.Restarted: // what is cached was read or replaced since
			pause, lost = retry, w.Always
			continue
		case <-time.After(pause):
		}
		pause = min(2*pause, 32*retry)
	}
}

// listen listens on a connection of its own until that ends. lost says that
// notifications were.
func (w *Watcher) listen(ctx context.Context, lost bool) (connected bool, err error) {
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
	select {
	case <-w.Restarted: // before there was this connection
	default:
	}
	if !lost {
		if lost, err = w.stale(ctx, conn); err != nil {
			return true, err
		}
	}
	// A burst of notifications is one reload; one that comes while a reload
	// runs makes another afterwards.
	dirty := make(chan struct{}, 1)
	if lost {
		dirty <- struct{}{}
	}
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

// stale asks the database whether it has gone on since the schema was read. A
// load under way is waited for: it may have begun before the listening. One that
// begins later reads what it has to.
func (w *Watcher) stale(ctx context.Context, conn *pgx.Conn) (bool, error) {
	s, err := w.Cache.Settled(ctx)
	if s == nil || err != nil {
		return false, err
	}
	var fingerprint []byte
	if err := conn.QueryRow(ctx, s.FingerprintSQL(), pgx.QueryExecModeSimpleProtocol).Scan(&fingerprint); err != nil {
		return false, err
	}
	return !s.Is(fingerprint), nil
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
