package suparusttest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/suparust/suparust/server"
)

// Snapshot is the database and the files of a server at one instant. It holds
// everything that the database holds, users and sessions among it, and the
// bytes of stored objects; it does not hold mails and the clock.
type Snapshot struct{ of *server.Snapshot }

// whole is the server when its PostgreSQL is its own; else tb fails.
func (s *Server) whole(tb testing.TB) *server.Server {
	tb.Helper()
	if s.drop != nil {
		tb.Fatalf("suparusttest: the test shares its PostgreSQL with others, and only a whole one can be saved, restored and reset: leave out WithSharedCluster")
	}
	return s.here(tb)
}

// Snapshot saves the database and the files as they are, for Restore. Nobody's
// connection ends. It is gone when tb ends.
func (s *Server) Snapshot(tb testing.TB) *Snapshot {
	tb.Helper()
	n := s.save(tb, "")
	tb.Cleanup(func() {
		if err := n.of.Remove(); err != nil {
			tb.Errorf("suparusttest: remove a snapshot: %v", err)
		}
	})
	return n
}

// SaveSnapshot saves the database and the files under a name, in the place of
// an older snapshot of that name. WithSnapshot and the commands suparust start
// --snapshot and suparust exec --snapshot begin with it, now and in a year.
func (s *Server) SaveSnapshot(tb testing.TB, name string) *Snapshot {
	tb.Helper()
	if name == "" {
		tb.Fatal("suparusttest: SaveSnapshot needs a name; Snapshot takes one without")
	}
	return s.save(tb, name)
}

func (s *Server) save(tb testing.TB, name string) *Snapshot {
	tb.Helper()
	n, err := s.whole(tb).Snapshot(tb.Context(), name)
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	if n.Restarted() {
		s.renewPool()
	}
	return &Snapshot{n}
}

// NamedSnapshot finds a snapshot that was saved under a name, by whomever.
func (s *Server) NamedSnapshot(tb testing.TB, name string) *Snapshot {
	tb.Helper()
	n, err := s.whole(tb).OpenSnapshot(name)
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	return &Snapshot{n}
}

// Restore brings the database and the files back to a snapshot. The server
// stays where it is; requests that come meanwhile wait. Connections to the
// database end, those of Pool are opened anew. Mails and the clock stay as they
// are.
func (s *Server) Restore(tb testing.TB, n *Snapshot) {
	tb.Helper()
	s.replace(tb, func(ctx context.Context) error { return s.srv.RestoreSnapshot(ctx, n.of) })
}

// Reset brings the server back to what it was when Start returned: the database
// and the files with what WithSQL and WithFixtures have put there, no mails,
// the clock of that time. It costs what a Start costs, and Start costs no more
// for it.
func (s *Server) Reset(tb testing.TB) {
	tb.Helper()
	s.replace(tb, func(ctx context.Context) error { return s.srv.Reset(ctx) })
}

// mark notes what Reset goes back to.
func (s *Server) mark(tb testing.TB) {
	tb.Helper()
	restarted := false
	err := s.Pool(tb).AcquireFunc(tb.Context(), func(c *pgxpool.Conn) (err error) {
		restarted, err = s.srv.Mark(tb.Context(), c.Conn())
		return err
	})
	if err != nil {
		tb.Fatalf("suparusttest: note what Reset goes back to: %v", err)
	}
	if restarted {
		s.renewPool()
	}
}

func (s *Server) replace(tb testing.TB, how func(context.Context) error) {
	tb.Helper()
	s.whole(tb)
	err := how(tb.Context())
	s.renewPool()
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
}

// renewPool has Pool forget the connections to a PostgreSQL that has ended.
func (s *Server) renewPool() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool != nil {
		s.pool.Reset()
	}
}
