package suparusttest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

func TestAttach(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t)
	t.Run("a handle of its own", func(t *testing.T) {
		there := suparusttest.Attach(t, srv.URL, srv.DatabaseURL, server.Keys{JWTSecret: srv.JWTSecret},
			suparusttest.WithSQL("create table seen as select 1 as n"))
		want(t, "anon key", there.AnonKey, srv.AnonKey)
		want(t, "secret key", there.SecretKey, srv.SecretKey)
		there.ClientAs(there.CreateUser(t, "ann@example.com")).Get(t, "/auth/v1/user").WantStatus(t, 200)
	})
	want(t, "the server after it", rows(t, srv.Client(), "/rest/v1/seen"), `[{"n":1}]`)
	said := fatal(t, func(tb testing.TB) { suparusttest.Attach(tb, srv.URL, "", server.Keys{JWTSecret: "short"}) })
	want(t, "a short secret", said, "suparusttest: the JWT secret has 5 characters and needs at least 32: set SUPARUST_JWT_SECRET to a longer one")
}

// TestAttachWithoutControl: what needs the control API says so, and what does
// not works.
func TestAttachWithoutControl(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject())
	there := suparusttest.Attach(t, srv.URL, srv.DatabaseURL, server.Keys{JWTSecret: srv.JWTSecret})
	there.Elevate(t, there.CreateUser(t, "ann@example.com", suparusttest.UserTOTP()))
	const sentence = "start it with `suparust start --control` and hand Attach the option WithControl"
	for name, use := range map[string]func(tb testing.TB, s *suparusttest.Server){
		"Clock":         func(_ testing.TB, s *suparusttest.Server) { s.Clock.Advance(time.Hour) },
		"Clock.Now":     func(_ testing.TB, s *suparusttest.Server) { s.Clock.Now() },
		"Clock.Set":     func(_ testing.TB, s *suparusttest.Server) { s.Clock.Set(time.Now()) },
		"Mail.All":      func(_ testing.TB, s *suparusttest.Server) { s.Mail.All() },
		"Mail.Wait":     func(tb testing.TB, s *suparusttest.Server) { s.Mail.Wait(tb, "ann@example.com") },
		"Mail.Clear":    func(_ testing.TB, s *suparusttest.Server) { s.Mail.Clear() },
		"MailURL":       func(tb testing.TB, s *suparusttest.Server) { s.MailURL(tb) },
		"Fault":         func(tb testing.TB, s *suparusttest.Server) { s.Fault(tb, suparusttest.Fault{Path: "/", Cut: true}) },
		"ClearFaults":   func(tb testing.TB, s *suparusttest.Server) { s.ClearFaults(tb) },
		"AnswerHTTP":    func(tb testing.TB, s *suparusttest.Server) { s.AnswerHTTP(tb, suparusttest.HTTPAnswer{URL: "*"}) },
		"WaitHTTP":      func(tb testing.TB, s *suparusttest.Server) { s.WaitHTTP(tb, "*") },
		"HTTPRequests":  func(tb testing.TB, s *suparusttest.Server) { s.HTTPRequests(tb, "*") },
		"ClearHTTP":     func(tb testing.TB, s *suparusttest.Server) { s.ClearHTTP(tb) },
		"Disconnect":    func(tb testing.TB, s *suparusttest.Server) { s.Disconnect(tb) },
		"Snapshot":      func(tb testing.TB, s *suparusttest.Server) { s.Snapshot(tb) },
		"NamedSnapshot": func(tb testing.TB, s *suparusttest.Server) { s.NamedSnapshot(tb, "x") },
		"Reset":         func(tb testing.TB, s *suparusttest.Server) { s.Reset(tb) },
		"CreateSession": func(tb testing.TB, s *suparusttest.Server) { s.CreateSession(tb, "ann@example.com") },
		"ResetAuth":     func(tb testing.TB, s *suparusttest.Server) { s.ResetAuth(tb) },
		"Branch":        func(tb testing.TB, s *suparusttest.Server) { s.Branch(tb) },
	} {
		said := fatal(t, func(tb testing.TB) {
			use(tb, suparusttest.Attach(tb, srv.URL, srv.DatabaseURL, server.Keys{JWTSecret: srv.JWTSecret}))
		})
		if !strings.Contains(said, sentence) {
			t.Errorf("%s says %q", name, said)
		}
	}

	for name, opt := range map[string]suparusttest.Option{
		"WithHTTP": suparusttest.WithHTTP(nil), "WithProject": suparusttest.WithProject("."), "WithPostgres": suparusttest.WithPostgres(15), "WithSharedCluster": suparusttest.WithSharedCluster(),
	} {
		said := fatal(t, func(tb testing.TB) {
			suparusttest.Attach(tb, srv.URL, srv.DatabaseURL, server.Keys{JWTSecret: srv.JWTSecret}, opt)
		})
		if !strings.Contains(said, "configured where it is started") {
			t.Errorf("%s: %q", name, said)
		}
	}
	said := fatal(t, func(tb testing.TB) {
		there.NextOAuthUser(tb, "github", suparusttest.OAuthUser{Email: "ann@example.com"})
	})
	if !strings.Contains(said, `give Start WithOAuth("github")`) {
		t.Errorf("a provider that nobody stands in for: %q", said)
	}

	access := srv.Control(t)
	said = fatal(t, func(tb testing.TB) {
		suparusttest.Attach(tb, "", "", server.Keys{}, suparusttest.WithControl(access.URL, "not its token"))
	})
	if !strings.Contains(said, "the control API has a token of its own") {
		t.Errorf("another token: %q", said)
	}
	said = fatal(t, func(tb testing.TB) {
		suparusttest.Start(tb, suparusttest.WithControl(access.URL, "not its token"))
	})
	if !strings.Contains(said, "WithControl names a server that runs, for Attach") {
		t.Errorf("in Start: %q", said)
	}
}

// TestAttachEnv: the server of suparust exec, or of a shell's variables.
func TestAttachEnv(t *testing.T) {
	srv := suparusttest.Start(t, suparusttest.WithoutProject())
	for _, pair := range srv.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	suparusttest.AttachEnv(t).Clock.Advance(time.Hour)
	if d := time.Until(srv.Clock.Now()); d < 50*time.Minute {
		t.Errorf("the clock is %v ahead", d)
	}
	t.Setenv("SUPARUST_CONTROL_URL", "")
	there := suparusttest.AttachEnv(t, suparusttest.WithSQL("create table seen as select 1 as n"))
	want(t, "its rows", rows(t, there.ServiceClient(), "/rest/v1/seen"), `[{"n":1}]`)
	t.Setenv("SUPABASE_URL", "")
	said := fatal(t, func(tb testing.TB) { suparusttest.AttachEnv(tb) })
	want(t, "nowhere", said, "suparusttest: the environment names no server: run the tests with `suparust exec -- go test ./...`, or set SUPARUST_CONTROL_URL and SUPARUST_CONTROL_TOKEN")
}

// TestAttachFails: a test that has failed shows what the server knows, wherever
// it runs.
func TestAttachFails(t *testing.T) {
	t.Parallel()
	access := startAlone(t, publicTempDir(t))
	inner := &failing{TB: t}
	there := suparusttest.Attach(inner, "", "", server.Keys{}, suparusttest.WithControl(access.URL, access.Token))
	there.Client().Get(inner, "/rest/v1/nothing?id=eq.1")
	there.Exec(inner, "create table failed (n int)")
	inner.Errorf("as wanted")
	for i := len(inner.todo) - 1; i >= 0; i-- {
		inner.todo[i]()
	}
	for _, part := range []string{"the server of this test was " + there.URL, "GET /rest/v1/nothing?id=eq.1 as anon: 404", "PostgreSQL's last log lines:\n", "ready to accept connections"} {
		if !strings.Contains(inner.out.String(), part) {
			t.Errorf("no %q in:\n%s", part, inner.out.String())
		}
	}
}
