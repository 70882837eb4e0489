package container_test

import (
	"net/http"
	"os"
	"testing"

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
	image := os.Getenv("SUPARUST_TEST_SERVER_IMAGE")
	if image == "" {
		t.Skip("SUPARUST_TEST_SERVER_IMAGE names no image of the server")
	}
	srv := container.Start(t, container.WithServerImage(image), container.WithProject("testdata/project"))
	app(t, srv.Server)
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
