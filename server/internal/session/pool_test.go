package session_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/session"
)

// A request that goes away takes its query with it, and the connection stays.
func TestCancel(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 1)
	pid := one(t, db, nil, "select pg_backend_pid()")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := db.Do(ctx, as("service_role", ""), session.Options{}, session.Statement{SQL: "select pg_sleep(60)"})
		done <- err
	}()
	running := func() bool {
		var n int
		q := "select count(*) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"
		if err := srv.Pool(t).QueryRow(t.Context(), q).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
	for !running() {
		if t.Context().Err() != nil {
			t.Fatal("the query never ran")
		}
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("the query ended well")
	}
	if running() {
		t.Error("the query still runs")
	}
	if got := one(t, db, nil, "select pg_backend_pid()"); got != pid {
		t.Logf("the connection was replaced: %s, %s", pid, got)
	}
}

func TestPool(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 2)
	t.Run("bounded", func(t *testing.T) {
		release := make(chan struct{})
		var busy, held sync.WaitGroup
		for range 2 {
			busy.Add(1)
			held.Go(func() {
				_ = db.With(t.Context(), func(*pgx.Conn) error { busy.Done(); <-release; return nil })
			})
		}
		busy.Wait()
		if err := db.With(t.Context(), func(*pgx.Conn) error { return nil }); !errors.Is(err, session.ErrPoolTimeout) {
			t.Errorf("a third connection: %v", err)
		}
		close(release)
		held.Wait()
	})
	t.Run("killed connections cost one request", func(t *testing.T) {
		srv.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'")
		failed := 0
		for range 6 {
			if _, err := db.Do(t.Context(), nil, session.Options{}, session.Statement{SQL: "select 1"}); err != nil {
				failed++
			}
		}
		if failed > 1 {
			t.Errorf("%d requests failed", failed)
		}
	})
	t.Run("closed", func(t *testing.T) {
		db.Close()
		if err := db.With(t.Context(), func(*pgx.Conn) error { return nil }); !errors.Is(err, session.ErrClosed) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("no server", func(t *testing.T) {
		cfg, err := pgx.ParseConfig("host=" + t.TempDir() + " user=x dbname=x")
		if err != nil {
			t.Fatal(err)
		}
		gone := session.New(session.Config{ConnConfig: cfg})
		defer gone.Close()
		_, err = gone.Do(t.Context(), nil, session.Options{}, session.Statement{SQL: "select 1"})
		var ce *session.ConnectError
		if !errors.As(err, &ce) || !strings.Contains(err.Error(), "connect to the database") {
			t.Errorf("error %v", err)
		}
	})
}
