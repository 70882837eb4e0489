package suparusttest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/suparust/suparust/suparusttest"
)

// noBranches waits until a server lists none.
func noBranches(t *testing.T, c *suparusttest.Client) {
	t.Helper()
	eventually(t, patience, func() error {
		var l struct{ Branches []branch }
		c.Get(t, "/branches").WantStatus(t, http.StatusOK).JSON(t, &l)
		if len(l.Branches) > 0 {
			return fmt.Errorf("%d branches are listed", len(l.Branches))
		}
		return nil
	})
}

// TestBranchThatEnds: from the moment that a branch is ended it has no more
// lease that could be renewed, although a request of it still takes its time;
// and who has its token can do nothing to its parent.
func TestBranchThatEnds(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject())
	c := srv.Control(t)
	var b branch
	c.Post(t, "/branches", `{"lease":"1h"}`).WantStatus(t, http.StatusCreated).JSON(t, &b)
	own := &suparusttest.Client{HTTP: c.HTTP, URL: c.URL, Header: http.Header{"Authorization": {"Bearer " + b.ControlToken}}}
	own.Get(t, "/branches").WantStatus(t, http.StatusUnauthorized)

	branch := b.attach(t, srv)
	branch.Exec(t, "create function slow() returns void language sql as 'select pg_sleep(2)'; notify pgrst")
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { branch.ServiceClient().Post(t, "/rest/v1/rpc/slow", "{}").WantStatus(t, http.StatusNoContent) })
	pool := branch.Pool(t)
	eventually(t, patience, func() error {
		var runs bool
		err := pool.QueryRow(t.Context(), "select exists (select from pg_stat_activity where query like '%slow%' and state = 'active' and pid <> pg_backend_pid())").Scan(&runs)
		if err == nil && !runs {
			err = errors.New("the request does not run")
		}
		return err
	})
	wg.Go(func() { c.Delete(t, "/branches/"+b.ID).WantStatus(t, http.StatusNoContent) })
	noBranches(t, c)
	c.Post(t, "/branches/"+b.ID+"/renew", `{"lease":"1h"}`).WantStatus(t, http.StatusNotFound)
	if err := pool.Ping(t.Context()); err != nil {
		t.Errorf("the branch had ended before: nothing is shown: %v", err)
	}
	c.Delete(t, "/branches/"+b.ID).WantStatus(t, http.StatusNoContent) // it waits for the first
	if err := pool.Ping(t.Context()); err == nil {
		t.Error("something of the branch is left")
	}
}

// TestBranchNobodyWaitsFor: who goes away while a branch is being made leaves
// nothing.
func TestBranchNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject())
	c := srv.Control(t)
	for _, from := range []string{`{"hold":true}`, `{"hold":true,"from":"current"}`} {
		for wait := time.Millisecond; wait < 200*time.Millisecond; wait *= 2 {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/branches", strings.NewReader(from))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = c.Header
			if res, err := http.DefaultClient.Do(req); err == nil {
				res.Body.Close()
			}
			cancel()
		}
	}
	noBranches(t, c)
}

// TestBranchOfChangedMigrations: a branch begins with the migrations as they
// are now.
func TestBranchOfChangedMigrations(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, sql string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(sql), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("20240101000000_one.sql", "create table one (n int)")
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithMigrations(os.DirFS(dir)))
	c := srv.Control(t)
	var first, second branch
	c.Post(t, "/branches", `{}`).WantStatus(t, http.StatusCreated).JSON(t, &first)
	first.attach(t, srv).ServiceClient().Get(t, "/rest/v1/one").WantStatus(t, http.StatusOK)
	write("20240102000000_two.sql", "create table two (n int)")
	c.Post(t, "/branches", `{}`).WantStatus(t, http.StatusCreated).JSON(t, &second)
	second.attach(t, srv).ServiceClient().Get(t, "/rest/v1/two").WantStatus(t, http.StatusOK)
}

// TestBranchOfAChangedProject: a branch begins with the project's migrations
// as they are now.
func TestBranchOfAChangedProject(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, sql string) {
		t.Helper()
		file := filepath.Join(dir, "supabase", "migrations", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(sql), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("20240101000000_one.sql", "create table one (n int)")
	srv := suparusttest.Start(t, suparusttest.WithProject(dir))
	c := srv.Control(t)
	var first, second branch
	c.Post(t, "/branches", `{}`).WantStatus(t, http.StatusCreated).JSON(t, &first)
	first.attach(t, srv).ServiceClient().Get(t, "/rest/v1/one").WantStatus(t, http.StatusOK)
	write("20240102000000_two.sql", "create table two (n int)")
	c.Post(t, "/branches", `{}`).WantStatus(t, http.StatusCreated).JSON(t, &second)
	second.attach(t, srv).ServiceClient().Get(t, "/rest/v1/two").WantStatus(t, http.StatusOK)
}
