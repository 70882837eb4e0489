package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/migrations"
)

// sqlClockPatience bounds how long the database may take to follow the clock.
const sqlClockPatience = 10 * time.Second

// validateSQLClock refuses what would leave a database with functions that are
// not PostgreSQL's own, and what SQL cannot follow.
func (c *Config) validateSQLClock() error {
	switch {
	case !c.SQLClock:
		return nil
	case c.Database.URL != "":
		return errors.New("SUPARUST_SQL_CLOCK replaces functions of PostgreSQL, and this database is not the server's own: take the setting away, " +
			"or let the server have a PostgreSQL of its own")
	case c.Database.DataDir != "":
		return errors.New("SUPARUST_SQL_CLOCK replaces functions of PostgreSQL, and this database is kept: take the setting away, and use it " +
			`with suparust exec, or for a branch: POST /branches {"sql_clock": true}`)
	case c.Now != nil:
		return errors.New("now() of SQL runs with the real clock and cannot follow Config.Now: take it or Config.SQLClock away, and move the server's clock with Set and Advance")
	}
	return nil
}

// followClock has the database's clock go with the server's from now on. What
// the database was made from may have left it anywhere.
func (s *Server) followClock(ctx context.Context) error {
	if !s.cfg.SQLClock {
		return nil
	}
	s.clock.moving.Lock()
	defer s.clock.moving.Unlock()
	s.clock.follow = s.moveSQLClock
	if ahead := s.clock.offset(); ahead != 0 || s.cfg.From != nil {
		return s.db.moveClock(ctx, ahead)
	}
	return nil
}

// moveSQLClock tells the database how far ahead the clock is, when nobody is
// replacing it.
func (s *Server) moveSQLClock(ahead time.Duration) error {
	s.restarts.Lock()
	defer s.restarts.Unlock()
	if s.ending.Err() != nil {
		return nil // there is nobody left to see it
	}
	return s.db.moveClock(s.ending, ahead)
}

func (d *database) moveClock(ctx context.Context, ahead time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, sqlClockPatience)
	defer cancel()
	move := func() error {
		return d.auth.With(ctx, func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, migrations.MoveSQLClock, ahead.Microseconds())
			return err
		})
	}
	err := move()
	if err != nil && ctx.Err() == nil {
		err = move() // the connection may have ended a moment ago
	}
	if err != nil {
		return fmt.Errorf("have now() of SQL follow the clock: %w", err)
	}
	return nil
}
