package container_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/suparusttest"
	"github.com/suparust/suparust/suparusttest/container"
)

func TestMain(m *testing.M) { os.Exit(suparusttest.Main(m)) }

// notes needs an extension that only the platform's image has.
const notes = `
create extension vector schema extensions;
create table public.notes (id int primary key, owner uuid not null default auth.uid(), place extensions.vector(2) not null);
alter table public.notes enable row level security;
create policy own on public.notes to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
create function public.nearest(n int) returns setof public.notes language sql stable set search_path = public, extensions as
	'select * from notes order by place <-> ''[0,0]'' limit n';
insert into storage.buckets (id, name, public) values ('files', 'files', true);`

func TestStart(t *testing.T) {
	t.Parallel()
	srv := container.Start(t, container.WithServer(suparusttest.WithSQL(notes)))
	app(t, srv.Server)
}

// TestStartServerImage needs an image of this release: make one and name it in
// SUPARUST_TEST_SERVER_IMAGE. It has no vectors.
func TestStartServerImage(t *testing.T) {
	t.Parallel()
	if image == "" {
		t.Skip("SUPARUST_TEST_SERVER_IMAGE names no image of the server")
	}
	srv := container.Start(t, container.WithServerImage(image), container.WithProject("testdata/project"))
	app(t, srv.Server)
	powers(t, srv.Server)
}

// app is an app's way through every API.
func app(t *testing.T, srv *suparusttest.Server) {
	t.Helper()
	ann, bob := srv.CreateUser(t, "ann@example.com"), srv.CreateUser(t, "bob@example.com")
	srv.ClientAs(ann).Post(t, "/rest/v1/notes", `[{"id":1,"place":[3,4]},{"id":2,"place":[1,1]}]`).WantStatus(t, http.StatusCreated)
	for _, c := range []struct {
		name   string
		client *suparusttest.Client
		want   string
	}{
		{"the owner", srv.ClientAs(ann), `[{"id":2}]`},
		{"another user", srv.ClientAs(bob), `[]`},
	} {
		if got := string(c.client.Get(t, "/rest/v1/rpc/nearest?n=1&select=id").WantStatus(t, http.StatusOK).Body); got != c.want {
			t.Errorf("%s gets %s, want %s", c.name, got, c.want)
		}
	}
	text := http.Header{"Content-Type": {"text/plain"}}
	srv.ServiceClient().Do(t, http.MethodPost, "/storage/v1/object/files/a.txt", "bytes", text).WantStatus(t, http.StatusOK)
	if got := string(srv.Client().Get(t, "/storage/v1/object/public/files/a.txt").WantStatus(t, http.StatusOK).Body); got != "bytes" {
		t.Errorf("the file reads %q", got)
	}
}

// powers are those of the handle of a server with the control API, on what app
// has left. They bring the server back to its beginning.
func powers(t *testing.T, srv *suparusttest.Server) {
	t.Helper()
	srv.Client().Post(t, "/auth/v1/recover", `{"email":"ann@example.com"}`).WantStatus(t, http.StatusOK)
	m := srv.Mail.Wait(t, "ann@example.com")
	if len(m.Code) != 6 || !strings.HasPrefix(m.Link, srv.URL+"/auth/v1/verify?") {
		t.Errorf("of the server at %s: %+v", srv.URL, m)
	}
	opened := srv.Client() // a browser, which stays where it is sent to the app
	opened.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	opened.Get(t, strings.TrimPrefix(m.Link, srv.URL)).WantStatus(t, http.StatusSeeOther)
	ann := srv.SignIn(t, "ann@example.com", suparusttest.Password)
	srv.Clock.Advance(2 * time.Hour)
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, http.StatusForbidden)
	ann = srv.CreateSession(t, "ann@example.com")
	srv.Fault(t, suparusttest.Fault{Path: "/rest/v1", Status: http.StatusServiceUnavailable})
	srv.ClientAs(ann).Get(t, "/rest/v1/notes").WantStatus(t, http.StatusServiceUnavailable)
	srv.Disconnect(t)
	notes := func() string {
		t.Helper()
		return string(srv.ServiceClient().Get(t, "/rest/v1/notes?select=id").WantStatus(t, http.StatusOK).Body)
	}
	before := notes()
	n := srv.Snapshot(t)
	srv.SaveSnapshot(t, "seeded")
	for _, back := range []func() *suparusttest.Snapshot{
		func() *suparusttest.Snapshot { return n },
		func() *suparusttest.Snapshot { return srv.NamedSnapshot(t, "seeded") },
	} {
		srv.Exec(t, "truncate notes")
		srv.Restore(t, back())
		if got := notes(); got != before || got == "[]" {
			t.Errorf("restored to %s, not %s", got, before)
		}
	}
	srv.Reset(t)
	if got := notes(); got != "[]" {
		t.Errorf("after the reset there is %s", got)
	}
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, http.StatusForbidden)
}
