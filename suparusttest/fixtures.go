package suparusttest

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"testing"
	"time"

	"github.com/suparust/suparust/fixtures"
)

type fixtureSet struct {
	fsys  fs.FS
	names []string
}

// Load loads the named fixture sets of fsys, as WithFixtures does. Their rows
// may refer to those of sets loaded before.
func (s *Server) Load(tb testing.TB, fsys fs.FS, names ...string) {
	tb.Helper()
	s.load(tb, []fixtureSet{{fsys, names}})
}

func (s *Server) load(tb testing.TB, sets []fixtureSet) {
	tb.Helper()
	for _, set := range sets {
		loaded, err := fixtures.Load(tb.Context(), fixtures.Target{
			DB: s.Pool(tb), URL: s.URL, ServiceKey: s.ServiceKey,
			HTTP: &http.Client{Transport: s.http, Timeout: time.Minute},
		}, s.loaded, set.fsys, set.names...)
		if err != nil {
			tb.Fatalf("suparusttest: %v", err)
		}
		s.loaded = loaded
	}
}

// Row decodes a row of a fixture that has a name, such as orders/first or
// auth.users/ann, into the value that to points to: its columns as JSON has
// them, as they were when it was loaded.
func (s *Server) Row(tb testing.TB, ref string, to any) {
	tb.Helper()
	row := s.loaded.Row(ref)
	if row == nil {
		tb.Fatalf("suparusttest: no fixture has a row %s", ref)
	}
	if err := json.Unmarshal(row, to); err != nil {
		tb.Fatalf("suparusttest: the row %s: %v", ref, err)
	}
}

// Key is the primary key of a row of a fixture, as text.
func (s *Server) Key(tb testing.TB, ref string) string {
	tb.Helper()
	key := s.loaded.Key(ref)
	if key == "" {
		tb.Fatalf("suparusttest: no fixture has a row %s with a primary key of one column", ref)
	}
	return key
}

// UserNamed signs in the user of that name in a fixture's auth.users, whatever
// the password, in a new session.
func (s *Server) UserNamed(tb testing.TB, name string) *User {
	tb.Helper()
	return s.CreateSession(tb, s.Key(tb, "auth.users/"+name))
}
