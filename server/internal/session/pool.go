// Package session is the only door to the database for API traffic: a small
// pool of connections that log in as one role, and transactions that run under
// a caller's settings.
//
// Do sends the settings and the statements of a request in one round trip
// without BEGIN: up to the Sync PostgreSQL treats them as one transaction, the
// settings end with it, and an error in any of them undoes all. Statements are
// prepared once per connection, role and search path, because a plan made for
// one role or path is thrown away when the next one uses it.
package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// Config of a DB.
type Config struct {
	// ConnConfig says where to connect and as which login role; required.
	ConnConfig *pgx.ConnConfig
	// First, when not nil, is a connection of the same kind that is already
	// open and becomes the pool's.
	First *pgx.Conn
	// MaxConns bounds the connections, 0 means 8.
	MaxConns int
	// AcquireTimeout bounds the wait for a free connection, 0 means 10 s.
	AcquireTimeout time.Duration
	// MaxIdle is how long a connection may stand unused, MaxLifetime how old
	// one may become; 0 does not bound them.
	MaxIdle, MaxLifetime time.Duration
	// MaxMessage bounds what one row may bring, in bytes; 0 means 256 MiB. A
	// larger one costs the connection and is a *pgproto3.ExceededMaxBodyLenErr.
	MaxMessage int
	// Trace is told of every statement, but not of the settings of a caller,
	// nor of the transactions of the First connection; nil is not.
	Trace  Tracer
	Logger *slog.Logger
}

// ErrPoolTimeout says that no connection became free in time.
var ErrPoolTimeout = errors.New("timed out waiting for a free database connection")

// ErrClosed says that the pool was used after Close.
var ErrClosed = errors.New("the database pool is closed")

// ConnectError says that a connection could not be opened.
type ConnectError struct{ Err error }

func (e *ConnectError) Error() string { return fmt.Sprintf("connect to the database: %v", e.Err) }

// Unwrap returns the driver's error.
func (e *ConnectError) Unwrap() error { return e.Err }

// DB is a bounded pool of connections for one login role. The connection used
// last is used next, because its statements are prepared.
type DB struct {
	cfg     *pgx.ConnConfig
	timeout time.Duration
	maxMsg  int
	log     *slog.Logger
	trace   Tracer
	slots   chan struct{} // one token per connection that may be in use
	limits  lifeLimits

	unprepared atomic.Bool
	stats      poolStats

	mu     sync.Mutex
	idle   []*conn
	reaper *time.Timer // runs while a connection stands that may become too old
	closed bool
	busy   sync.WaitGroup
}

// New makes a DB. It opens no connection.
func New(c Config) *DB {
	if c.MaxConns <= 0 {
		c.MaxConns = 8
	}
	if c.AcquireTimeout <= 0 {
		c.AcquireTimeout = 10 * time.Second
	}
	if c.MaxMessage <= 0 {
		c.MaxMessage = 256 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	cfg := c.ConnConfig.Copy()
	// A cancelled request cancels its query and keeps the connection; a server
	// that does not answer the cancel loses it.
	cfg.BuildContextWatcherHandler = func(pc *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: pc, DeadlineDelay: 2 * time.Second}
	}
	if c.Trace != nil {
		cfg.Tracer = c.Trace
	}
	db := &DB{cfg: cfg, timeout: c.AcquireTimeout, maxMsg: c.MaxMessage, log: c.Logger, trace: c.Trace, slots: make(chan struct{}, c.MaxConns),
		limits: lifeLimits{idle: c.MaxIdle, age: c.MaxLifetime}}
	if c.First != nil {
		db.idle = append(db.idle, db.newConn(c.First))
	}
	return db
}

// Close waits for transactions under way and closes every connection.
func (db *DB) Close() {
	db.mu.Lock()
	db.closed = true
	idle := db.idle
	db.idle = nil
	if db.reaper != nil {
		db.reaper.Stop()
	}
	db.mu.Unlock()
	db.closeAll(idle)
	db.busy.Wait()
}

// Renew drops the connections that nobody uses: the server they lead to is
// another now. Those in use end by themselves. first, when not nil, is a
// connection to the new one that becomes the pool's.
func (db *DB) Renew(first *pgx.Conn) {
	dropped := db.takeIdle()
	if first != nil {
		db.mu.Lock()
		closed := db.closed
		if !closed {
			db.keepUntil(db.newConn(first), time.Now())
		}
		db.mu.Unlock()
		if closed {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = first.Close(ctx) // nobody has used it
			cancel()
		}
	}
	db.closeAll(dropped)
}

func (db *DB) closeAll(conns []*conn) {
	if len(conns) == 0 {
		return
	}
	db.stats.open.Add(-int64(len(conns)))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for _, c := range conns {
		_ = c.pg.Close(ctx) // closing; the server notices either way
	}
}

func (db *DB) acquire(ctx context.Context) (*conn, error) {
	if err := db.takeSlot(ctx); err != nil {
		return nil, err
	}
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		<-db.slots
		return nil, ErrClosed
	}
	db.busy.Add(1)
	var dropped []*conn
	for len(db.idle) > 0 {
		c := db.idle[len(db.idle)-1]
		db.idle = db.idle[:len(db.idle)-1]
		if !c.pg.IsClosed() && !db.limits.tooOld(c, time.Now()) && !c.socket.ended() {
			db.mu.Unlock()
			return c, nil
		}
		dropped = append(dropped, c)
	}
	db.mu.Unlock()
	db.closeAll(dropped)
	pc, err := pgx.ConnectConfig(ctx, db.cfg)
	if err != nil {
		<-db.slots
		db.busy.Done()
		return nil, &ConnectError{Err: err}
	}
	return db.newConn(pc), nil
}

func (db *DB) newConn(pc *pgx.Conn) *conn {
	pc.PgConn().Frontend().SetMaxBodyLen(db.maxMsg)
	db.stats.open.Add(1)
	c := newConn(pc)
	c.db, c.opened, c.used = db, time.Now(), time.Now()
	return c
}

func (db *DB) takeSlot(ctx context.Context) error {
	select {
	case db.slots <- struct{}{}:
		return nil
	default:
	}
	db.stats.waiting.Add(1)
	defer db.stats.waiting.Add(-1)
	t := time.NewTimer(db.timeout)
	defer t.Stop()
	select {
	case db.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		db.stats.timeouts.Add(1)
		return ErrPoolTimeout
	}
}

// release gives c back. A connection that is broken, not between transactions,
// or has an answer that nobody has read, is closed, and with a broken one the idle ones that broke with
// it, so that a killed server process costs one request.
func (db *DB) release(c *conn) {
	defer db.busy.Done()
	defer func() { <-db.slots }()
	good := !c.pg.IsClosed() && !c.pg.PgConn().IsBusy() && c.pg.PgConn().TxStatus() == 'I'
	if good && db.keep(c) {
		return
	}
	drop := []*conn{c}
	if !good {
		for _, i := range db.takeIdle() { // asked outside of the lock: an answer may take a second
			if !i.alive() || !db.keep(i) {
				drop = append(drop, i)
			}
		}
	}
	db.closeAll(drop)
}

// keep puts c among the idle connections; it refuses when the pool is closed.
func (db *DB) keep(c *conn) bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return false
	}
	db.keepUntil(c, time.Now())
	return true
}

func (db *DB) takeIdle() []*conn {
	db.mu.Lock()
	defer db.mu.Unlock()
	idle := db.idle
	db.idle = nil
	return idle
}

// alive asks whether the server still answers on an idle connection.
func (c *conn) alive() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return !c.pg.IsClosed() && c.pg.Ping(ctx) == nil
}

// With borrows a connection for statements that each are their own
// transaction, under the login role itself.
func (db *DB) With(ctx context.Context, fn func(*pgx.Conn) error) error {
	c, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer db.release(c)
	return fn(c.pg)
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }
