package auth_test

import (
	"sync"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
)

func (f *fixture) refresh(t testing.TB, token any) *response {
	t.Helper()
	return f.post(t, "/token?grant_type=refresh_token", map[string]any{"refresh_token": token})
}

const (
	alreadyUsed = "Invalid Refresh Token: Already Used"
	notFound    = "Invalid Refresh Token: Refresh Token Not Found"
)

//covers:auth 34 36 41
func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "r@example.com")
	signedIn := f.value(t, "select last_sign_in_at from auth.users")
	f.clock.advance(time.Minute)
	r := f.refresh(t, u.refresh).ok(t, 200)
	if r.text("refresh_token") == u.refresh || r.text("user.id") != u.id || r.text("token_type") != "bearer" {
		t.Errorf("answer %s", r.raw)
	}
	old, now := claims(t, u.token), claims(t, r.text("access_token"))
	if old["session_id"] != now["session_id"] || now["iat"].(float64) < old["iat"].(float64)+60 {
		t.Errorf("claims %v, then %v", old, now)
	}
	for sql, want := range map[string]string{
		"select string_agg(concat_ws('|', revoked, parent = $1), ' ' order by id) from auth.refresh_tokens":                                                    "t f|t",
		"select abs(extract(epoch from refreshed_at - (now() at time zone 'UTC')) - 60) < 30 from auth.sessions where $1 <> ''":                                "true",
		"select last_sign_in_at = '" + signedIn + "' and updated_at > last_sign_in_at from auth.users where $1 <> ''":                                          "true",
		"select string_agg(payload->>'action', ' ' order by payload->>'action') from auth.audit_log_entries where payload->>'log_type' = 'token' and $1 <> ''": "token_refreshed token_revoked",
		"select count(*) from auth.mfa_amr_claims where $1 <> ''":                                                                                              "1",
	} {
		if got := f.value(t, sql, u.refresh); got != want {
			t.Errorf("%s\n got %s\nwant %s", sql, got, want)
		}
	}
	f.admin(t, "PUT", "/admin/users/"+u.id, map[string]any{"app_metadata": map[string]any{"role": "boss"}}).ok(t, 200)
	r = f.refresh(t, r.text("refresh_token")).ok(t, 200)
	if got := claims(t, r.text("access_token"))["app_metadata"].(map[string]any)["role"]; got != "boss" {
		t.Errorf("the next token does not know the new metadata: %v", got)
	}
}

//covers:auth 45
func TestRefreshRefused(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "r@example.com")
	for _, bad := range []any{nil, "", "short", "ABCDEFGHIJKL", "abcdefghijk!", "much-too-long-to-be-a-token", u.token} {
		f.refresh(t, bad).refused(t, 400, "validation_failed", "Refresh token is not valid")
	}
	f.post(t, "/token?grant_type=refresh_token", map[string]any{}).refused(t, 400, "validation_failed", "Refresh token is not valid")
	f.refresh(t, "abcdefghijkl").refused(t, 400, "refresh_token_not_found", notFound)
	f.admin(t, "PUT", "/admin/users/"+u.id, map[string]any{"ban_duration": "1h"}).ok(t, 200)
	f.refresh(t, u.refresh).refused(t, 400, "user_banned", "Invalid Refresh Token: User Banned")
	f.admin(t, "PUT", "/admin/users/"+u.id, map[string]any{"ban_duration": "none"}).ok(t, 200)
	f.as(t, u, "POST", "/logout", nil).ok(t, 204)
	f.refresh(t, u.refresh).refused(t, 400, "refresh_token_not_found", notFound)
}

// The parent of the active token may be used again at any time: the client did
// not get, or not keep, the answer.
//
//covers:auth 42 44
func TestParentOfActiveIsReusable(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Sessions.ReuseInterval = -1 })
	u := f.signUp(t, "r@example.com")
	child := f.refresh(t, u.refresh).ok(t, 200).text("refresh_token")
	f.clock.advance(30 * 24 * time.Hour)
	for range 3 {
		if again := f.refresh(t, u.refresh).ok(t, 200).text("refresh_token"); again != child {
			t.Errorf("got %s, want the active token %s", again, child)
		}
	}
	grandchild := f.refresh(t, child).ok(t, 200).text("refresh_token")
	if n := f.value(t, "select count(*) from auth.refresh_tokens"); n != "3" {
		t.Errorf("%s tokens", n)
	}
	f.refresh(t, u.refresh).refused(t, 400, "refresh_token_already_used", alreadyUsed)
	if n := f.value(t, "select count(*) from auth.refresh_tokens where not revoked"); n != "0" {
		t.Errorf("%s tokens are still good after a reuse", n)
	}
	f.refresh(t, grandchild).refused(t, 400, "refresh_token_already_used", alreadyUsed)
	f.as(t, f.signIn(t, u), "GET", "/user", nil).ok(t, 200)
	if n := f.value(t, "select count(*) from auth.sessions"); n != "2" {
		t.Errorf("%s sessions: the reuse must leave the session", n)
	}
}

//covers:auth 43 44
func TestReuseInterval(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "r@example.com")
	second := f.refresh(t, u.refresh).ok(t, 200).text("refresh_token")
	third := f.refresh(t, second).ok(t, 200).text("refresh_token")
	f.clock.advance(9 * time.Second)
	extra := f.refresh(t, u.refresh).ok(t, 200).text("refresh_token")
	if extra == third || extra == second {
		t.Error("within the interval a further child is issued")
	}
	if n := f.value(t, "select count(*) from auth.refresh_tokens where not revoked"); n != "2" {
		t.Errorf("%s active tokens, want two", n)
	}
	f.refresh(t, third).ok(t, 200)
	f.clock.advance(2 * time.Second)
	f.refresh(t, u.refresh).refused(t, 400, "refresh_token_already_used", alreadyUsed)
	f.as(t, u, "GET", "/user", nil).ok(t, 200) // the access token lives on
}

func TestReuseWithoutRevocation(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Sessions.ReuseInterval, c.Sessions.KeepFamilyOnReuse = -1, true })
	u := f.signUp(t, "r@example.com")
	last := f.refresh(t, f.refresh(t, u.refresh).ok(t, 200).text("refresh_token")).ok(t, 200).text("refresh_token")
	f.refresh(t, u.refresh).refused(t, 400, "refresh_token_already_used", alreadyUsed)
	f.refresh(t, last).ok(t, 200)
}

//covers:auth 46
func TestConcurrentRefreshes(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "many@example.com")
	const n = 50
	answers := make([]*response, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { answers[i] = f.refresh(t, u.refresh) })
	}
	wg.Wait()
	tokens := map[string]int{}
	for _, r := range answers {
		if r.status != 200 {
			t.Errorf("%d %s", r.status, r.raw)
			continue
		}
		tokens[r.text("refresh_token")]++
		f.as(t, user{token: r.text("access_token")}, "GET", "/user", nil).ok(t, 200)
	}
	if len(tokens) != 1 {
		t.Errorf("%d different tokens were issued, want one for all: %v", len(tokens), tokens)
	}
	if got := f.value(t, "select string_agg(revoked::text, ' ' order by id) from auth.refresh_tokens"); got != "true false" {
		t.Errorf("tokens: %s", got)
	}
}

// Sessions of one user refresh side by side while the user signs in and out
// and changes: no deadlock comes through, and nothing is lost.
func TestRefreshesOfOneUserSideBySide(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "busy@example.com")
	const sessions, rounds = 8, 6
	var wg sync.WaitGroup
	for range sessions {
		mine := f.signIn(t, u)
		token := mine.refresh
		wg.Go(func() {
			for range rounds {
				r := f.refresh(t, token)
				if r.status != 200 {
					t.Errorf("refresh: %d %s", r.status, r.raw)
					return
				}
				token = r.text("refresh_token")
			}
		})
		wg.Go(func() {
			for range rounds {
				if r := f.as(t, mine, "PUT", "/user", map[string]any{"data": map[string]any{"n": 1}}); r.status != 200 {
					t.Errorf("update: %d %s", r.status, r.raw)
				}
				f.signIn(t, u)
			}
		})
	}
	wg.Wait()
	if n := f.value(t, "select count(*) from auth.refresh_tokens where not revoked"); n != "57" { // 1 + 8 + 8·6, each session one
		t.Errorf("%s active tokens, want 57", n)
	}
}

// A row that another process holds is waited for, not queued on; in the end
// the client is told to come back.
func TestRefreshWaitsForALockedRow(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "lock@example.com")
	f.exec(t, "begin")
	f.exec(t, "select from auth.refresh_tokens for update")
	done := make(chan *response)
	go func() { done <- f.refresh(t, u.refresh) }()
	// it has tried in vain when its connection's last word is a rollback
	for f.value(t, "select count(*) from pg_stat_activity where usename = 'supabase_auth_admin' and datname = current_database() and query = 'rollback'") == "0" {
		select {
		case r := <-done:
			t.Fatalf("answered %d while the row was locked: %s", r.status, r.raw)
		default:
			f.exec(t, "select pg_stat_clear_snapshot()")
		}
	}
	if n := f.value(t, "select count(*) from pg_stat_activity where usename = 'supabase_auth_admin' and datname = current_database() and wait_event_type = 'Lock'"); n != "0" {
		t.Errorf("%s connections hang on the lock", n)
	}
	f.exec(t, "commit")
	(<-done).ok(t, 200)
}

func TestRefreshGivesUpOnALockedRow(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "lock@example.com")
	f.exec(t, "begin")
	f.exec(t, "select from auth.sessions for update")
	f.refresh(t, u.refresh).refused(t, 409, "conflict", "Too many concurrent token refresh requests on the same session or refresh token")
	f.exec(t, "commit")
	f.refresh(t, u.refresh).ok(t, 200)
}

//covers:auth 47
func TestSessionLimits(t *testing.T) {
	t.Parallel()
	t.Run("timebox", func(t *testing.T) {
		t.Parallel()
		f := start(t, func(c *auth.Config) { c.Sessions.Timebox = time.Hour })
		u := f.signUp(t, "t@example.com")
		next := f.refresh(t, u.refresh).ok(t, 200).text("refresh_token")
		f.clock.advance(61 * time.Minute)
		f.refresh(t, next).refused(t, 400, "session_expired", "Invalid Refresh Token: Session Expired")
	})
	t.Run("inactivity", func(t *testing.T) {
		t.Parallel()
		f := start(t, func(c *auth.Config) { c.Sessions.InactivityTimeout = time.Hour })
		u := f.signUp(t, "t@example.com")
		token := u.refresh
		for range 3 {
			f.clock.advance(50 * time.Minute)
			token = f.refresh(t, token).ok(t, 200).text("refresh_token")
		}
		f.clock.advance(61 * time.Minute)
		f.refresh(t, token).refused(t, 400, "session_expired", "Invalid Refresh Token: Session Expired (Inactivity)")
	})
	t.Run("single", func(t *testing.T) {
		t.Parallel()
		f := start(t, func(c *auth.Config) { c.Sessions.SinglePerUser = true })
		u := f.signUp(t, "t@example.com")
		f.clock.advance(time.Second)
		newer := f.signIn(t, u)
		f.refresh(t, u.refresh).refused(t, 400, "session_expired", "Invalid Refresh Token: Session Expired (Revoked by Newer Login)")
		f.refresh(t, newer.refresh).ok(t, 200)
	})
	t.Run("not after", func(t *testing.T) {
		t.Parallel()
		f := start(t, nil)
		u := f.signUp(t, "t@example.com")
		f.exec(t, "update auth.sessions set not_after = now() + interval '1 minute'")
		next := f.refresh(t, u.refresh).ok(t, 200).text("refresh_token")
		f.clock.advance(2 * time.Minute)
		f.refresh(t, next).refused(t, 400, "session_expired", "Invalid Refresh Token: Session Expired")
	})
}

//covers:auth 21 100
func TestLogout(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "out@example.com")
	alive := func(u user) bool { return f.as(t, u, "GET", "/user", nil).status == 200 }
	f.as(t, u, "POST", "/logout?scope=all", nil).refused(t, 400, "validation_failed", `Unsupported logout scope "all"`)

	a, b, c := f.signIn(t, u), f.signIn(t, u), f.signIn(t, u)
	r := f.as(t, a, "POST", "/logout?scope=local", nil).ok(t, 204)
	if r.raw != "" || alive(a) || !alive(b) || !alive(c) {
		t.Errorf("local: %q %v %v %v", r.raw, alive(a), alive(b), alive(c))
	}
	f.refresh(t, a.refresh).refused(t, 400, "refresh_token_not_found", notFound)
	f.as(t, b, "POST", "/logout?scope=others", nil).ok(t, 204)
	if !alive(b) || alive(c) || alive(u) {
		t.Errorf("others: %v %v %v", alive(b), alive(c), alive(u))
	}
	d := f.signIn(t, u)
	f.as(t, d, "POST", "/logout", nil).ok(t, 204)
	if alive(b) || alive(d) || f.value(t, "select count(*) from auth.refresh_tokens") != "0" {
		t.Error("global leaves something")
	}
	if got := f.value(t, "select count(*) from auth.audit_log_entries where payload->>'action' = 'logout'"); got != "3" {
		t.Errorf("%s logout entries", got)
	}
	f.as(t, d, "POST", "/logout", nil).refused(t, 403, "session_not_found", "Session from session_id claim in JWT does not exist")
}
