package suparusttest_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// whoami shows as whom a request runs.
const whoami = `create function whoami() returns json language sql stable as $$
	select json_build_object('role', current_role, 'sub', auth.uid(), 'team', auth.jwt() ->> 'team') $$`

func TestClients(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithSQL(whoami))
	ann := srv.CreateUser(t, "ann@example.com")
	for _, c := range []struct {
		name   string
		client *suparusttest.Client
		want   string
	}{
		{"Client", srv.Client(), `{"role" : "anon", "sub" : null, "team" : null}`},
		{"ServiceClient", srv.ServiceClient(), `{"role" : "service_role", "sub" : null, "team" : null}`},
		{"ClientAs", srv.ClientAs(ann), `{"role" : "authenticated", "sub" : "` + ann.ID + `", "team" : null}`},
		{"ClientWithClaims", srv.ClientWithClaims(t, map[string]any{"sub": "6f2a1bfe-2f5f-4bb5-8c3c-0f4f4f0e6a3d", "team": "blue"}),
			`{"role" : "authenticated", "sub" : "6f2a1bfe-2f5f-4bb5-8c3c-0f4f4f0e6a3d", "team" : "blue"}`},
		{"ClientWithClaims of a role", srv.ClientWithClaims(t, map[string]any{"role": "anon"}), `{"role" : "anon", "sub" : null, "team" : null}`},
	} {
		want(t, c.name, rows(t, c.client, "/rest/v1/rpc/whoami"), c.want)
	}
	res := srv.ServiceClient().Do(t, http.MethodPost, "/rest/v1/rpc/whoami", nil, http.Header{"accept": {"text/csv"}})
	if res.Status == 0 || res.Header.Get("Content-Type") == "" {
		t.Errorf("no answer: %+v", res)
	}
	var body struct{ Role string }
	srv.Client().Post(t, "/rest/v1/rpc/whoami", bytes.NewReader([]byte("{}"))).WantStatus(t, http.StatusOK).JSON(t, &body)
	want(t, "a body from a reader", body.Role, "anon")

	for name, c := range map[string]struct {
		do   func(testing.TB)
		want string
	}{
		"another status":   {func(tb testing.TB) { srv.Client().Get(tb, "/rest/v1/none").WantStatus(tb, 200) }, `GET /rest/v1/none: status 404, want 200: {"code":"PGRST205"`},
		"no JSON":          {func(tb testing.TB) { srv.Client().Get(tb, "/auth/v1/none").JSON(tb, &body) }, "GET /auth/v1/none: the answer is no such JSON:"},
		"no such path":     {func(tb testing.TB) { srv.Client().Get(tb, "/%zz") }, `invalid URL escape "%zz"`},
		"a body, not JSON": {func(tb testing.TB) { srv.Client().Post(tb, "/", func() {}) }, "the request body: json: unsupported type"},
		"wrong SQL":        {func(tb testing.TB) { srv.Exec(tb, "select 1 from missing") }, "SQLSTATE 42P01)\nin: select 1 from missing"},
	} {
		if said := fatal(t, c.do); !strings.Contains(said, c.want) {
			t.Errorf("%s: it says %q, want %q", name, said, c.want)
		}
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t)
	ann := srv.CreateUser(t, "ann@example.com")
	again := srv.SignIn(t, "ann@example.com", suparusttest.Password)
	if ann.ID == "" || ann.ID != again.ID || ann.Email != "ann@example.com" || ann.RefreshToken == again.RefreshToken {
		t.Errorf("two sessions of one user: %+v and %+v", ann, again)
	}
	var user struct {
		ID          string
		ConfirmedAt string `json:"email_confirmed_at"`
	}
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, http.StatusOK).JSON(t, &user)
	if user.ID != ann.ID || user.ConfirmedAt == "" {
		t.Errorf("the user is %+v", user)
	}
	if said := fatal(t, func(tb testing.TB) { srv.SignIn(tb, "ann@example.com", "wrong") }); !strings.Contains(said, "status 400, want 200") || strings.Contains(said, ann.AccessToken) {
		t.Errorf("a wrong password: %q", said)
	}
	if said := fatal(t, func(tb testing.TB) { srv.CreateUser(tb, "ann@example.com") }); !strings.Contains(said, "email_exists") {
		t.Errorf("a user who is there: %q", said)
	}
}

func TestExecAndPool(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t)
	srv.Exec(t, "create table t (i int); insert into t values (1); insert into t values (2)")
	srv.Exec(t, "insert into t values ($1)", 3)
	if said := fatal(t, func(tb testing.TB) { srv.Exec(tb, "insert into t values (4); select 1/0") }); !strings.Contains(said, "22012") {
		t.Errorf("a division by zero: %q", said)
	}
	pool := srv.Pool(t)
	if srv.Pool(t) != pool {
		t.Error("the second call has another pool")
	}
	var sum int
	var user string
	if err := pool.QueryRow(t.Context(), "select sum(i), current_user from t group by 2").Scan(&sum, &user); err != nil || sum != 6 || user != "postgres" {
		t.Errorf("sum %d as %s, %v", sum, user, err)
	}
	// a table is there for the API on the next line, with no wait
	srv.Exec(t, "create table next (i int)")
	want(t, "a table made just now", rows(t, srv.Client(), "/rest/v1/next"), "[]")

	conn, err := pgx.Connect(t.Context(), srv.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPoolNotGivenBack ends a test that keeps a connection for itself.
func TestPoolNotGivenBack(t *testing.T) {
	t.Parallel()
	inner := &failing{TB: t}
	srv := suparusttest.Start(inner)
	conn, err := srv.Pool(inner).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, do := range slices.Backward(inner.todo) {
		do()
	}
	if !strings.Contains(inner.said.String(), "connections of Pool were taken and not given back") {
		t.Errorf("it says %q", inner.said.String())
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the database is still there")
	}
	conn.Release()
}

// TestPoolIsUsedUp: who wants one more connection than there are is told, and does
// not wait for it without end.
func TestPoolIsUsedUp(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t)
	for range srv.Pool(t).Config().MaxConns - 1 {
		conn, err := srv.Pool(t).Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
	}
	suparusttest.AsRole(t, srv.Pool(t), nil) // the last one
	var wg sync.WaitGroup
	defer wg.Wait()
	for name, f := range map[string]func(tb testing.TB){
		"AsRole": func(tb testing.TB) { suparusttest.AsRole(tb, srv.Pool(tb), nil) },
		"Exec":   func(tb testing.TB) { srv.Exec(tb, "select 1") },
	} {
		wg.Go(func() {
			if said := fatal(t, f); !strings.Contains(said, "all 8 are taken, by AsRole until the end") {
				t.Errorf("%s says %q", name, said)
			}
		})
	}
}

func TestEnviron(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t)
	env := srv.Environ()
	for _, name := range []string{"SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_URL", "VITE_SUPABASE_URL"} {
		if !slices.Contains(env, name+"="+srv.URL) {
			t.Errorf("%s is missing in %q", name, env)
		}
	}
	for _, kv := range []string{"SUPABASE_ANON_KEY=" + srv.AnonKey, "SUPABASE_SERVICE_ROLE_KEY=" + srv.ServiceKey, "SUPABASE_DB_URL=" + srv.DatabaseURL, "DATABASE_URL=" + srv.DatabaseURL, "SUPABASE_JWT_SECRET=" + srv.JWTSecret} {
		if !slices.Contains(env, kv) {
			t.Errorf("%s is missing", kv)
		}
	}
	for _, kv := range env {
		if name, value, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "NEXT_PUBLIC_") && value == srv.ServiceKey {
			t.Errorf("%s carries the service key into a browser", name)
		}
	}
	// another program finds the server by it
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `printf %s "$SUPABASE_URL"`)
	cmd.Env = env
	if out, err := cmd.Output(); err != nil || string(out) != srv.URL {
		t.Errorf("a program sees %q, %v", out, err)
	}
}

func TestMail(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t)
	srv.CreateUser(t, "ann@example.com")
	srv.Client().Post(t, "/auth/v1/recover", map[string]string{"email": "ann@example.com"}).WantStatus(t, http.StatusOK)
	if mails := srv.Mail.List(server.MailFilter{}); len(mails) != 1 || mails[0].To != "ann@example.com" {
		t.Errorf("the box holds %+v", mails)
	}
}

// TestIsolation has two servers side by side that share nothing.
func TestIsolation(t *testing.T) {
	t.Parallel()
	a, b := suparusttest.Start(t), suparusttest.Start(t)
	if a.URL == b.URL || a.DatabaseURL == b.DatabaseURL {
		t.Fatalf("they share an address: %s %s", a.URL, a.DatabaseURL)
	}
	a.Exec(t, "create role only_here; create table t (i int)")
	a.Exec(t, "alter system set work_mem = '9MB'")
	a.ServiceClient().Post(t, "/storage/v1/bucket", map[string]any{"name": "files", "public": true}).WantStatus(t, http.StatusOK)
	a.ServiceClient().Post(t, "/storage/v1/object/files/x", "bytes").WantStatus(t, http.StatusOK)
	ann := a.CreateUser(t, "ann@example.com")

	b.Client().Get(t, "/rest/v1/t").WantStatus(t, http.StatusNotFound)
	b.Client().Get(t, "/storage/v1/object/public/files/x").WantStatus(t, http.StatusBadRequest)
	b.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, http.StatusForbidden) // the session is unknown
	var roles int
	var memory string
	if err := b.Pool(t).QueryRow(t.Context(), "select count(*), (select count(*) from pg_file_settings where name = 'work_mem')::text from pg_roles where rolname = 'only_here'").Scan(&roles, &memory); err != nil || roles != 0 || memory != "0" {
		t.Errorf("%d roles and %s settings of the other server, %v", roles, memory, err)
	}
	b.CreateUser(t, "ann@example.com")
}

// TestStartInSubtest ends each server with the subtest that started it, and
// keeps the outer one.
func TestStartInSubtest(t *testing.T) {
	t.Parallel()
	outer := suparusttest.Start(t, suparusttest.WithSQL("create table t (i int)"))
	var inner []*suparusttest.Server
	var apis []*suparusttest.Client
	var dirs []string
	for _, name := range []string{"one", "two"} {
		t.Run(name, func(t *testing.T) {
			srv := suparusttest.Start(t)
			srv.Client().Get(t, "/auth/v1/health").WantStatus(t, http.StatusOK)
			inner, apis, dirs = append(inner, srv), append(apis, srv.Control(t)), append(dirs, srv.ClusterDir())
		})
	}
	for i, s := range inner {
		if answers(t.Context(), apis[i]) {
			t.Errorf("%s answers after its subtest", s.URL)
		}
		if _, err := os.Lstat(dirs[i]); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the database of %s is there after its subtest: %v", s.URL, err)
		}
	}
	want(t, "the outer server", rows(t, outer.Client(), "/rest/v1/t"), "[]")
}

func reachable(ctx context.Context, url string) bool {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return false
	}
	defer pool.Close()
	return pool.Ping(ctx) == nil
}
