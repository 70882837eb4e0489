package storage

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/session"
)

const (
	// shareChannel is where a process asks the others for an upload.
	shareChannel = "suparust_uploads"
	// shareRetry is how often a process tries to get an upload from another,
	// and shareAsk how often it asks for it.
	shareRetry = 50 * time.Millisecond
	shareAsk   = time.Second
	// shareTimeout bounds one statement of the locks' connection.
	shareTimeout = 5 * time.Second
)

// sharedLocks keep other processes on the same database from the uploads that
// this one changes: advisory locks, all of them held by one connection, which
// also hears when another process waits for one. A process that ends, however
// it does, ends its connection and so gives its uploads back.
type sharedLocks struct {
	connect func(context.Context) (*pgx.Conn, error)
	asked   func(version string)
	log     *slog.Logger

	mu     sync.Mutex
	conn   *lockConn // nil before the first lock
	closed bool
}

// lockConn is the connection as long as it lives.
type lockConn struct {
	pgx      *pgx.Conn
	commands chan lockCommand
	ended    context.Context // is done when the locks are lost
	end      context.CancelFunc
	done     chan struct{}

	mu   sync.Mutex
	wake context.CancelFunc // ends the wait for notifications
}

type lockCommand struct {
	sql, arg string
	answer   chan lockAnswer
}

type lockAnswer struct {
	yes bool
	err error
}

// connected is the connection, a new one when the one before has ended.
func (s *sharedLocks) connected(ctx context.Context) (*lockConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, session.ErrClosed
	}
	if s.conn != nil && s.conn.ended.Err() == nil {
		return s.conn, nil
	}
	pc, err := s.connect(ctx)
	if err != nil {
		return nil, &session.ConnectError{Err: err}
	}
	// the locks of a machine that is gone are given back soon
	_, err = pc.Exec(ctx, "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3; listen "+shareChannel)
	if err != nil {
		_ = pc.Close(ctx) // it is of no use
		return nil, &session.ConnectError{Err: err}
	}
	c := &lockConn{pgx: pc, commands: make(chan lockCommand, 64), done: make(chan struct{}), wake: func() {}}
	c.ended, c.end = context.WithCancel(context.WithoutCancel(ctx))
	s.conn = c
	go c.run(s)
	return c, nil
}

// close gives all locks back.
func (s *sharedLocks) close() {
	s.mu.Lock()
	s.closed = true
	c := s.conn
	s.mu.Unlock()
	if c != nil {
		c.end()
		<-c.done
	}
}

// run executes commands and hears of other processes until the connection, or
// its use, ends.
func (c *lockConn) run(s *sharedLocks) {
	defer close(c.done)
	err := c.serve(s.asked)
	if c.ended.Err() == nil {
		s.log.Warn("the connection that keeps other servers from uploads was lost; those under way are interrupted", "error", err)
	}
	c.end()
	closing, cancel := context.WithTimeout(context.WithoutCancel(c.ended), time.Second)
	defer cancel()
	_ = c.pgx.Close(closing) // the locks end with it in any case
}

func (c *lockConn) serve(asked func(version string)) error {
	for {
		waiting, wake := context.WithCancel(c.ended)
		c.mu.Lock()
		c.wake = wake // before the look at commands: one that comes later ends the wait
		c.mu.Unlock()
		select {
		case cmd := <-c.commands:
			cmd.answer <- c.execute(cmd)
		default:
			n, err := c.pgx.WaitForNotification(waiting)
			switch {
			case err == nil && n.PID != c.pgx.PgConn().PID():
				asked(n.Payload)
			case err != nil && (waiting.Err() == nil || c.pgx.IsClosed()):
				wake()
				return err
			}
		}
		wake()
		if err := c.ended.Err(); err != nil {
			return err
		}
		if c.pgx.IsClosed() {
			return errLockLost
		}
	}
}

func (c *lockConn) execute(cmd lockCommand) (a lockAnswer) {
	ctx, cancel := context.WithTimeout(c.ended, shareTimeout)
	defer cancel()
	a.err = c.pgx.QueryRow(ctx, cmd.sql, cmd.arg).Scan(&a.yes)
	return a
}

// do executes a command. It waits for the answer whatever happens to the
// request, because what the database has locked is to be known.
func (c *lockConn) do(sql, arg string) (bool, error) {
	cmd := lockCommand{sql, arg, make(chan lockAnswer, 1)}
	select {
	case c.commands <- cmd:
	case <-c.done:
		return false, &session.ConnectError{Err: errLockLost}
	}
	c.mu.Lock()
	c.wake() // after the command is there, see serve
	c.mu.Unlock()
	select {
	case a := <-cmd.answer:
		return a.yes, a.err
	case <-c.done:
		return false, &session.ConnectError{Err: errLockLost}
	}
}

const (
	shareLock   = `select pg_try_advisory_lock(hashtextextended('upload ' || $1::text, 0))`
	shareUnlock = `select pg_advisory_unlock(hashtextextended('upload ' || $1::text, 0))`
	shareNotify = `select pg_notify('` + shareChannel + `', $1) is not null`
)

// try takes an upload, unless another process has it.
func (s *sharedLocks) try(ctx context.Context, version string) (c *lockConn, got bool, err error) {
	if c, err = s.connected(ctx); err != nil {
		return nil, false, err
	}
	got, err = c.do(shareLock, version)
	return c, got, err
}

// acquire takes an upload after asking a process that has it.
func (s *sharedLocks) acquire(ctx context.Context, version string) (*lockConn, error) {
	tick := time.NewTicker(shareRetry)
	defer tick.Stop()
	var asked time.Time
	for {
		c, got, err := s.try(ctx, version)
		if err != nil || got {
			return c, err
		}
		if now := time.Now(); now.Sub(asked) >= shareAsk {
			if _, err := c.do(shareNotify, version); err != nil {
				return nil, err
			}
			asked = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// unlock gives an upload back. When that fails the connection ends, and the
// lock with it.
func (c *lockConn) unlock(version string) {
	if _, err := c.do(shareUnlock, version); err != nil {
		c.end()
	}
}
