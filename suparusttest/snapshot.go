package suparusttest

import (
	"context"
	"testing"

	"github.com/suparust/suparust/server"
)

// Snapshot is the database and the files of a server at one instant. It holds
// everything that the database holds, users and sessions among it, and the
// bytes of stored objects; it does not hold mails and the clock.
type Snapshot struct {
	of   *server.Snapshot // nil when the server runs elsewhere
	name string           // "" when it has none, in this process
}

// Snapshot saves the database and the files as they are, for Restore. Nobody's
// connection ends. It is gone when tb ends.
func (s *Server) Snapshot(tb testing.TB) *Snapshot {
	tb.Helper()
	n := s.save(tb, "")
	tb.Cleanup(func() {
		if err := s.powers.remove(context.Background(), n); err != nil {
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
	n, restarted, err := s.powers.save(tb.Context(), name)
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	if restarted {
		s.renewPool()
	}
	return n
}

// NamedSnapshot finds a snapshot that was saved under a name, by whomever.
func (s *Server) NamedSnapshot(tb testing.TB, name string) *Snapshot {
	tb.Helper()
	n, err := s.powers.find(tb.Context(), name)
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	return n
}

// Restore brings the database and the files back to a snapshot. The server
// stays where it is; requests that come meanwhile wait. Connections to the
// database end, those of Pool are opened anew. Mails and the clock stay as they
// are.
func (s *Server) Restore(tb testing.TB, n *Snapshot) {
	tb.Helper()
	s.replace(tb, func(ctx context.Context) error { return s.powers.restore(ctx, n) })
}

// Reset brings the server back to what it was when Start or Attach returned: the
// database and the files with what WithSQL and WithFixtures have put there, no
// mails, the clock of that time. It costs what a Start costs, and Start costs no
// more for it. A server that keeps its data cannot be reset.
func (s *Server) Reset(tb testing.TB) {
	tb.Helper()
	s.replace(tb, s.powers.reset)
}

// prepare puts there what the options ask for, and notes that Reset goes back to
// it.
func (s *Server) prepare(tb testing.TB, o *options) {
	tb.Helper()
	for _, sql := range o.sql {
		s.Exec(tb, sql)
	}
	s.load(tb, o.fixtures)
	if len(o.sql)+len(o.fixtures) == 0 {
		return
	}
	resets, err := s.powers.resets(tb.Context())
	restarted := false
	if err == nil && resets {
		restarted, err = s.powers.mark(tb.Context(), s.Pool(tb))
	}
	if err != nil {
		tb.Fatalf("suparusttest: note what Reset goes back to: %v", err)
	}
	if restarted {
		s.renewPool()
	}
}

// replace puts another state into the place of the server's.
func (s *Server) replace(tb testing.TB, how func(context.Context) error) {
	tb.Helper()
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
