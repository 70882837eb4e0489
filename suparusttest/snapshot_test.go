package suparusttest_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

const openBucket = `
insert into storage.buckets (id, name, public) values ('files', 'files', true);
create policy all_files on storage.objects for all to public using (true) with check (true);`

const notesTable = `
create table notes (id bigint generated always as identity primary key, body text, key uuid default gen_random_uuid(), at timestamptz default now());
insert into notes (body) values ('one'), ('two');`

func upload(tb testing.TB, srv *suparusttest.Server, name, content string) {
	tb.Helper()
	srv.ServiceClient().Post(tb, "/storage/v1/object/files/"+name, []byte(content)).WantStatus(tb, http.StatusOK)
}

func download(tb testing.TB, srv *suparusttest.Server, name string) string {
	tb.Helper()
	r := srv.Client().Get(tb, "/storage/v1/object/public/files/"+name)
	if r.Status != http.StatusOK {
		return fmt.Sprint(r.Status)
	}
	return string(r.Body)
}

// everything is what the three APIs tell of a server.
func everything(tb testing.TB, srv *suparusttest.Server) string {
	tb.Helper()
	var all []string
	for _, path := range []string{"/rest/v1/notes?order=id", "/auth/v1/admin/users", "/rest/v1/?select=*"} {
		r := srv.ServiceClient().Get(tb, path)
		all = append(all, fmt.Sprint(r.Status, string(r.Body)))
	}
	for _, name := range []string{"a.txt", "b.txt", "c.txt"} {
		all = append(all, name+" "+download(tb, srv, name))
	}
	return strings.Join(all, "\n")
}

// change does something to everything.
func change(tb testing.TB, srv *suparusttest.Server) {
	tb.Helper()
	srv.ServiceClient().Post(tb, "/rest/v1/notes", `{"body":"new"}`).WantStatus(tb, http.StatusCreated)
	srv.ServiceClient().Delete(tb, "/rest/v1/notes?id=eq.1").WantStatus(tb, http.StatusNoContent)
	srv.CreateUser(tb, fmt.Sprintf("someone-%d@example.com", time.Now().UnixNano()))
	srv.ServiceClient().Do(tb, http.MethodPut, "/storage/v1/object/files/a.txt", []byte("overwritten"), nil).WantStatus(tb, http.StatusOK)
	srv.ServiceClient().Delete(tb, "/storage/v1/object/files/b.txt").WantStatus(tb, http.StatusOK)
	upload(tb, srv, "c.txt", "c")
	srv.Exec(tb, "alter table notes add column extra text; create table other (n int)")
	srv.Client().Get(tb, "/rest/v1/other").WantStatus(tb, http.StatusOK)
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithSQL(notesTable, openBucket))
	upload(t, srv, "a.txt", "a")
	upload(t, srv, "b.txt", "b")
	ann := srv.CreateUser(t, "ann@example.com")
	address := srv.DatabaseURL
	want1 := everything(t, srv)
	snap := srv.Snapshot(t)
	want(t, "after the snapshot", everything(t, srv), want1)
	for range 3 {
		change(t, srv)
		srv.Restore(t, snap)
		want(t, "after the restore", everything(t, srv), want1)
		srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, http.StatusOK)
		var n int
		if err := srv.Pool(t).QueryRow(t.Context(), "select count(*) from notes").Scan(&n); err != nil || n != 2 {
			t.Errorf("the pool counts %d: %v", n, err)
		}
	}
	want(t, "the database's address", srv.DatabaseURL, address)

	t.Run("another one, and back and forth", func(t *testing.T) {
		change(t, srv)
		want2 := everything(t, srv)
		second := srv.Snapshot(t)
		srv.Restore(t, snap)
		want(t, "the first", everything(t, srv), want1)
		srv.Restore(t, second)
		want(t, "the second", everything(t, srv), want2)
		srv.Restore(t, snap)
		want(t, "the first again", everything(t, srv), want1)
	})
	t.Run("mails and the clock stay", func(t *testing.T) {
		srv.Clock.Advance(time.Hour)
		ahead := srv.Clock.Now()
		srv.Restore(t, snap)
		if srv.Clock.Now().Before(ahead) {
			t.Error("the clock was set back")
		}
	})
}

// TestSnapshotFilesAreNeverWritten: whatever is done to an object, the bytes
// that a snapshot shares with the store stay as they are.
func TestSnapshotFilesAreNeverWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := suparusttest.Start(t, suparusttest.WithSQL(openBucket), suparusttest.WithConfig(func(c *server.Config) { c.SnapshotDir = dir }))
	upload(t, srv, "a.txt", "the first content of a")
	srv.SaveSnapshot(t, "shared")
	snap := srv.Snapshot(t) // shares them through links
	c := srv.ServiceClient()
	c.Do(t, http.MethodPut, "/storage/v1/object/files/a.txt", []byte("x"), nil).WantStatus(t, http.StatusOK)
	srv.Restore(t, snap)
	c.Post(t, "/storage/v1/object/copy", `{"bucketId":"files","sourceKey":"a.txt","destinationKey":"copy.txt"}`).WantStatus(t, http.StatusOK)
	c.Do(t, http.MethodPut, "/storage/v1/object/files/copy.txt", []byte("longer than it was before, by far"), nil).WantStatus(t, http.StatusOK)
	c.Post(t, "/storage/v1/object/move", `{"bucketId":"files","sourceKey":"a.txt","destinationKey":"moved.txt"}`).WantStatus(t, http.StatusOK)
	c.Delete(t, "/storage/v1/object/files/moved.txt").WantStatus(t, http.StatusOK)
	want(t, "a removed object", download(t, srv, "a.txt"), "400")
	srv.Restore(t, snap)
	want(t, "the snapshot's object", download(t, srv, "a.txt"), "the first content of a")
	srv.Restore(t, srv.NamedSnapshot(t, "shared"))
	want(t, "the named snapshot's object", download(t, srv, "a.txt"), "the first content of a")
}

func TestNamedSnapshot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here := suparusttest.WithConfig(func(c *server.Config) { c.SnapshotDir = dir })
	srv := suparusttest.Start(t, here, suparusttest.WithSQL(notesTable, openBucket))
	upload(t, srv, "a.txt", "a")
	upload(t, srv, "b.txt", "b")
	srv.CreateUser(t, "ann@example.com")
	want1 := everything(t, srv)
	srv.SaveSnapshot(t, "base")

	t.Run("started from", func(t *testing.T) {
		other := suparusttest.Start(t, here, suparusttest.WithSnapshot("base"))
		same := func(s string) string { return strings.ReplaceAll(s, srv.URL, other.URL) }
		hosts := func(s string) string {
			return strings.ReplaceAll(s, strings.TrimPrefix(srv.URL, "http://"), strings.TrimPrefix(other.URL, "http://"))
		}
		want(t, "the other", everything(t, other), hosts(same(want1)))
		change(t, other)
		other.Reset(t)
		want(t, "the other, reset", everything(t, other), hosts(same(want1)))
		want(t, "this one", everything(t, srv), want1)
	})
	t.Run("replaced", func(t *testing.T) {
		change(t, srv)
		want2 := everything(t, srv)
		srv.SaveSnapshot(t, "base")
		srv.Reset(t)
		want(t, "a file after the reset", download(t, srv, "a.txt"), "400")
		srv.Restore(t, srv.NamedSnapshot(t, "base"))
		want(t, "this one", everything(t, srv), want2)
	})
	t.Run("with another secret", func(t *testing.T) {
		other := suparusttest.Start(t, here, suparusttest.WithSnapshot("base"), suparusttest.WithConfig(func(c *server.Config) {
			c.Keys = server.Keys{JWTSecret: strings.Repeat("another secret ", 3)}
			c.Database.Password = "other"
		}))
		var secret string
		if err := other.Pool(t).QueryRow(t.Context(), "select current_setting('app.settings.jwt_secret')").Scan(&secret); err != nil || secret != other.JWTSecret {
			t.Errorf("the secret in the database is %q: %v", secret, err)
		}
	})
	t.Run("there is none", func(t *testing.T) {
		said := fatal(t, func(tb testing.TB) { suparusttest.Start(tb, here, suparusttest.WithSnapshot("bose")) })
		want(t, "what is said", said, "suparusttest: there is no snapshot of the name bose in "+dir+"; there are: base")
		for _, name := range []string{".", "..", "a/b", "-x", strings.Repeat("x", 65)} {
			fatal(t, func(tb testing.TB) { srv.SaveSnapshot(tb, name) })
		}
	})
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the directory: %v %v", entries, err)
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]suparusttest.Option{
		"without anything":     {},
		"WithSQL":              {suparusttest.WithSQL(notesTable, openBucket)},
		"WithFixtures":         {suparusttest.WithFixtures(os.DirFS("testdata/fixtures"), "people")},
		"with another secret":  {suparusttest.WithConfig(func(c *server.Config) { c.Keys = server.Keys{JWTSecret: strings.Repeat("another secret ", 3)} })},
		"with unlogged tables": {suparusttest.WithSQL(notesTable, "create unlogged table people as select 1 as id")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := suparusttest.Start(t, opts...)
			people := func() string { return string(srv.ServiceClient().Get(t, "/rest/v1/people").Body) }
			before := people()
			want1 := everything(t, srv)
			for range 2 {
				srv.Clock.Advance(time.Hour)
				srv.CreateUser(t, "ann@example.com")
				if name == "WithSQL" {
					upload(t, srv, "a.txt", "a")
					upload(t, srv, "b.txt", "b")
					change(t, srv)
				}
				srv.Exec(t, "create table left_over (n int)")
				srv.Client().Post(t, "/auth/v1/otp", `{"email":"bob@example.com"}`).WantStatus(t, http.StatusOK)
				srv.Reset(t)
				want(t, "everything", everything(t, srv), want1)
				want(t, "people", people(), before)
				if d := time.Until(srv.Clock.Now()); d > time.Minute {
					t.Errorf("the clock is %s ahead", d)
				}
				if mails := srv.Mail.All(); len(mails) != 0 {
					t.Errorf("%d mails are left", len(mails))
				}
			}
		})
	}
}

// Requests that come while the database is brought back wait for it.
func TestRequestsWaitForRestore(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithSQL(notesTable))
	snap := srv.Snapshot(t)
	srv.ServiceClient().Get(t, "/rest/v1/notes").WantStatus(t, http.StatusOK)
	var stop atomic.Bool
	var asked, early atomic.Int64
	var restoring atomic.Bool
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for !stop.Load() {
				during := restoring.Load()
				r := srv.ServiceClient().Get(t, "/rest/v1/notes?select=count")
				asked.Add(1)
				// what was under way when the restore began may fail; what came later may not
				if r.Status != http.StatusOK && during {
					t.Errorf("%d %s", r.Status, r.Body)
				}
				if r.Status != http.StatusOK {
					early.Add(1)
				}
			}
		})
	}
	for range 5 {
		srv.Restore(t, snap)
	}
	restoring.Store(true)
	last := asked.Load()
	for asked.Load() < last+20 {
		srv.ServiceClient().Get(t, "/rest/v1/notes").WantStatus(t, http.StatusOK)
	}
	stop.Store(true)
	wg.Wait()
	if n := early.Load(); n > 5*3 {
		t.Errorf("%d requests failed: more than were under way", n)
	}
}

func TestSnapshotNeedsItsOwnDatabase(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithDatabaseURL(external(t)))
	for name, do := range map[string]func(tb testing.TB){
		"Snapshot": func(tb testing.TB) { srv.Snapshot(tb) },
		"Reset":    func(tb testing.TB) { srv.Reset(tb) },
	} {
		if said := fatal(t, do); !strings.Contains(said, "those of the external database") {
			t.Errorf("%s says %q", name, said)
		}
	}
}

// Writers in two tables and in Storage go on at full speed while a snapshot is
// saved: it holds a moment of theirs, and every object's bytes.
func TestSnapshotUnderWriters(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithSQL(openBucket, "create table debit (n bigint); create table credit (n bigint);"+
		"create function pay(n bigint) returns void language sql as 'insert into debit values (n); insert into credit values (n)';"))
	var stop atomic.Bool
	var writes atomic.Int64
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			c := srv.ServiceClient()
			for n := w; !stop.Load(); n += 2 {
				c.Post(t, "/rest/v1/rpc/pay", fmt.Sprintf(`{"n":%d}`, n)).WantStatus(t, http.StatusNoContent)
				c.Do(t, http.MethodPost, fmt.Sprintf("/storage/v1/object/files/w%d", w), bytes.Repeat([]byte{byte('a' + n%26)}, 100+n%50), http.Header{"X-Upsert": {"true"}}).WantStatus(t, http.StatusOK)
				if n%5 == 0 {
					c.Delete(t, fmt.Sprintf("/storage/v1/object/files/w%d", w)).WantStatus(t, http.StatusOK)
				}
				writes.Add(1)
			}
		})
	}
	var snaps []*suparusttest.Snapshot
	for range 4 {
		for last := writes.Load(); writes.Load() < last+10 && !t.Failed(); {
			srv.ServiceClient().Get(t, "/rest/v1/debit?select=count")
		}
		snaps = append(snaps, srv.Snapshot(t))
	}
	stop.Store(true)
	wg.Wait()
	for _, snap := range snaps {
		srv.Restore(t, snap)
		want(t, "debits and credits", rows(t, srv.ServiceClient(), "/rest/v1/debit?select=n&order=n"), rows(t, srv.ServiceClient(), "/rest/v1/credit?select=n&order=n"))
		var objects []struct {
			Name     string
			Metadata struct{ Size int }
		}
		srv.ServiceClient().Post(t, "/storage/v1/object/list/files", `{"prefix":""}`).WantStatus(t, http.StatusOK).JSON(t, &objects)
		for _, o := range objects {
			if got := download(t, srv, o.Name); len(got) != o.Metadata.Size {
				t.Errorf("%s has %d bytes, its row says %d: %.50s", o.Name, len(got), o.Metadata.Size, got)
			}
		}
	}
}

// What a replaced state had of files goes with it.
func TestRestoreLeavesNothing(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithSQL(openBucket))
	upload(t, srv, "a.txt", "a")
	snap := srv.Snapshot(t)
	stored := func() (n int) {
		files, err := filepath.Glob(filepath.Join(srv.ClusterDir(), "storage", "objects", "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	for i := range 20 {
		upload(t, srv, fmt.Sprintf("b%d.txt", i), "b")
		srv.Restore(t, snap)
	}
	deadline := time.Now().Add(10 * time.Second)
	for stored() > 1 && time.Now().Before(deadline) {
		srv.Client().Get(t, "/rest/v1/")
	}
	want(t, "stored files", fmt.Sprint(stored()), "1")
	want(t, "the object", download(t, srv, "a.txt"), "a")
	dirs, err := filepath.Glob(filepath.Join(srv.ClusterDir(), "data*"))
	if err != nil || len(dirs) > 2 {
		t.Errorf("data directories: %q %v", dirs, err)
	}
}

// A branch is a server of its own that begins where another one is.
func TestBranch(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithSQL(notesTable, openBucket))
	upload(t, srv, "a.txt", "a")
	from := srv.Snapshot(t)
	branch := suparusttest.Start(t, suparusttest.WithConfig(func(c *server.Config) { c.From = from.Of() }))
	if err := from.Of().Remove(); err != nil { // a branch does not need it
		t.Fatal(err)
	}
	upload(t, branch, "b.txt", "b")
	branch.Exec(t, "delete from notes")
	want(t, "the trunk's notes", rows(t, srv.ServiceClient(), "/rest/v1/notes?select=count"), `[{"count":2}]`)
	want(t, "the trunk's file", download(t, srv, "b.txt"), "400")
	branch.Reset(t)
	want(t, "the branch's notes", rows(t, branch.ServiceClient(), "/rest/v1/notes?select=count"), `[{"count":2}]`)
	want(t, "the branch's files", download(t, branch, "a.txt")+download(t, branch, "b.txt"), "a400")
}
