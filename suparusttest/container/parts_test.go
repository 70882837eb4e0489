package container

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/suparust/suparust/internal/pgtest"
	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// imageLike is a PostgreSQL with schemas as the platform's image has them: of
// the platform's names, and years behind.
func imageLike(t *testing.T) string {
	t.Helper()
	c := pgtest.Start(t, `
		alter role supabase_admin password 'postgres';
		create role postgres superuser login;
		create role supabase_auth_admin noinherit createrole login;
		create schema auth authorization supabase_auth_admin;
		create table auth.users (instance_id uuid, id uuid primary key, email varchar(255));
		create function auth.uid() returns uuid language sql as 'select null::uuid';
		create schema storage;
		create table storage.buckets (id text primary key, name text not null);
		create table storage.objects (id uuid primary key, bucket_id text references storage.buckets);`)
	return databaseURL(fmt.Sprintf("127.0.0.1:%d", c.Port()), superuser)
}

// TestServerOnImage is what Start does once the container is ready.
func TestServerOnImage(t *testing.T) {
	t.Parallel()
	admin := imageLike(t)
	if err := clearPlatform(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	srv := suparusttest.Start(t, suparusttest.WithDatabaseURL(admin), suparusttest.WithProject("testdata/project"))
	ann := srv.CreateUser(t, "ann@example.com")
	srv.ClientAs(ann).Post(t, "/rest/v1/notes", `{"id":1,"place":[3,4]}`).WantStatus(t, 201)
	srv.ServiceClient().Post(t, "/storage/v1/bucket", `{"name":"more"}`).WantStatus(t, 200)
	if got, want := srv.DatabaseURL, strings.Replace(admin, superuser, "postgres", 1); got != want {
		t.Errorf("DatabaseURL is %s, want %s", got, want)
	}
	if err := clearPlatform(t.Context(), admin); err == nil || !strings.Contains(err.Error(), "has users already") {
		t.Errorf("a database with users: got the error %v", err)
	}
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, 200)

	srv.Client().Post(t, "/auth/v1/recover", `{"email":"ann@example.com"}`).WantStatus(t, 200)
	srv.Mail.Wait(t, "ann@example.com")
	srv.Fault(t, suparusttest.Fault{Path: "/auth/v1", Status: 503})
	srv.Client().Get(t, "/auth/v1/health").WantStatus(t, 503)
	srv.Clock.Advance(2 * time.Hour)
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, 403)
	for name, use := range map[string]func(testing.TB){
		"Snapshot":   func(tb testing.TB) { srv.Snapshot(tb) },
		"Reset":      func(tb testing.TB) { srv.Reset(tb) },
		"Disconnect": func(tb testing.TB) { srv.Disconnect(tb) },
		"Branch":     func(tb testing.TB) { srv.Branch(tb) },
	} {
		if said := refused(t, use); !strings.Contains(said, "external database") && !strings.Contains(said, "the database is not the server's own") {
			t.Errorf("%s says %q", name, said)
		}
	}
}

// refusing is a testing.TB that another test lets fail.
type refusing struct {
	testing.TB
	said string
}

func (r *refusing) Fatalf(format string, args ...any) {
	r.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// refused is what use fails with.
func refused(t *testing.T, use func(testing.TB)) string {
	t.Helper()
	r := &refusing{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		use(r)
	}()
	<-done
	return r.said
}

// TestServerEnv reads the container's environment as the server does.
func TestServerEnv(t *testing.T) {
	t.Parallel()
	keys, err := server.Keys{JWTSecret: server.DemoJWTSecret}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	env := serverEnv(keys, "the token of a test")
	known := map[string]bool{}
	for _, s := range server.Settings() {
		known[s.Name] = true
	}
	for name := range env {
		if !known[name] {
			t.Errorf("the server knows no setting %s", name)
		}
	}
	c := server.DefaultConfig()
	if _, err := c.LoadProject("testdata/project", func(string) (string, bool) { return "", false }); err != nil {
		t.Fatal(err)
	}
	if err := c.FromEnv(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, nil); err != nil {
		t.Fatal(err)
	}
	if c.Keys != keys {
		t.Error("the server has other keys than the handle")
	}
	if c.BindAddr != "0.0.0.0" || c.Port != 3000 || c.Database.ListenAddr != "0.0.0.0" || c.Database.Port != 13000 {
		t.Errorf("it listens on %s:%d and %s:%d", c.BindAddr, c.Port, c.Database.ListenAddr, c.Database.Port)
	}
	if c.Database.Password != password || c.Quickstart || !c.Auth.AnonymousSignIns {
		t.Errorf("password %q, quickstart %t, anonymous %t", c.Database.Password, c.Quickstart, c.Auth.AnonymousSignIns)
	}
	if c.Database.DataDir != "" || c.Storage.Root != "" {
		t.Errorf("data in %s and %s", c.Database.DataDir, c.Storage.Root)
	}
	if !c.Control || c.ControlAddr != "0.0.0.0:3001" || c.ControlToken != "the token of a test" {
		t.Errorf("the control API: %t, on %s, with the token %q", c.Control, c.ControlAddr, c.ControlToken)
	}
	if _, err := server.New(c); err != nil {
		t.Error(err)
	}
}

func TestPostgresEnv(t *testing.T) {
	t.Parallel()
	got := postgresEnv(map[string]string{"POSTGRES_DB": "other", "TZ": "UTC"})
	want := map[string]string{"POSTGRES_USER": "supabase_admin", "POSTGRES_PASSWORD": "postgres", "POSTGRES_DB": "postgres", "TZ": "UTC"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestProjectFiles(t *testing.T) {
	t.Parallel()
	files, err := projectFiles("testdata/project")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.ContainerFilePath+" from "+filepath.ToSlash(f.HostFilePath))
	}
	want := []string{
		"/project/supabase/config.toml from testdata/project/supabase/config.toml",
		"/project/supabase/migrations/1_notes.sql from testdata/project/supabase/migrations/1_notes.sql",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
	if none, err := projectFiles(""); err != nil || len(none) != 0 {
		t.Errorf("without a project: %v, %v", none, err)
	}
	if _, err := projectFiles("testdata"); err == nil || !strings.Contains(err.Error(), "name the folder that contains supabase/") {
		t.Errorf("a folder without a project: got the error %v", err)
	}
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	var long strings.Builder
	for i := range 400_000 {
		fmt.Fprintf(&long, "line %d\n", i)
	}
	got := strings.Split(lastLines(strings.NewReader(long.String())), "\n")
	if len(got) != logTailLines || got[0] != "line 399960" || got[len(got)-1] != "line 399999" {
		t.Errorf("got %d lines from %q to %q", len(got), got[0], got[len(got)-1])
	}
	broken := io.MultiReader(strings.NewReader("one\n"), iotest.ErrReader(errors.New("cut off")))
	if got := lastLines(broken); got != "one\ncut off" {
		t.Errorf("a broken log: %q", got)
	}
	if got := lastLines(strings.NewReader("")); got != "" {
		t.Errorf("an empty log: %q", got)
	}
}
