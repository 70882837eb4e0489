package suparusttest_test

import (
	"flag"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/suparust/suparust/internal/leaktest"
	"github.com/suparust/suparust/suparusttest"
)

// childEnv names what a child of a test does.
const childEnv = "SUPARUST_FIXTURE_CHILD"

func TestMain(m *testing.M) {
	sideBySide()
	switch os.Getenv(childEnv) {
	case "without Main":
		os.Exit(m.Run())
	case "serve":
		os.Exit(serveAlone())
	}
	var opts []suparusttest.Option
	if os.Getenv(childEnv) == "defaults" {
		opts = append(opts, suparusttest.WithSQL("create table everywhere (i int)"), suparusttest.WithFixedCode("123123"))
	}
	os.Exit(leaktest.Main(func() int { return suparusttest.Main(m, opts...) }))
}

// sideBySide has more tests run at once than there are processors, unless the
// command says how many: they wait for other processes most of the time.
func sideBySide() {
	flag.Parse()
	const most = "test.parallel"
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == most })
	if asked {
		return
	}
	if err := flag.Set(most, strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
}

const notes = `
create table public.notes (id bigint generated always as identity primary key, owner uuid not null default auth.uid(), body text not null);
alter table public.notes enable row level security;
create policy own on public.notes to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
insert into storage.buckets (id, name, public) values ('files', 'files', true);
create policy mine on storage.objects to authenticated using (owner_id = auth.uid()::text) with check (owner_id = auth.uid()::text);
`

// TestApp is the whole path of an app: sign up, write rows under RLS, store a
// file and read it back.
func TestApp(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithSQL(notes))
	ann, bob := srv.CreateUser(t, "ann@example.com"), srv.CreateUser(t, "bob@example.com")

	srv.ClientAs(ann).Post(t, "/rest/v1/notes", map[string]string{"body": "mine"}).WantStatus(t, http.StatusCreated)
	for _, c := range []struct {
		name   string
		client *suparusttest.Client
		want   int
	}{
		{"the owner", srv.ClientAs(ann), 1},
		{"another user", srv.ClientAs(bob), 0},
		{"a visitor", srv.Client(), 0},
		{"the service", srv.ServiceClient(), 1},
	} {
		var rows []struct{ Body string }
		c.client.Get(t, "/rest/v1/notes?select=body").WantStatus(t, http.StatusOK).JSON(t, &rows)
		if len(rows) != c.want {
			t.Errorf("%s sees %d rows, want %d", c.name, len(rows), c.want)
		}
	}

	srv.ClientAs(ann).Do(t, http.MethodPost, "/storage/v1/object/files/a/b.txt", "bytes", http.Header{"Content-Type": {"text/plain"}}).
		WantStatus(t, http.StatusOK)
	got := srv.Client().Get(t, "/storage/v1/object/public/files/a/b.txt").WantStatus(t, http.StatusOK)
	if string(got.Body) != "bytes" {
		t.Errorf("the file reads %q", got.Body)
	}
}
