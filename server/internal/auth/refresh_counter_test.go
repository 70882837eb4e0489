package auth_test

import (
	"sync"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
)

func counters(c *auth.Config) { c.Sessions.CounterTokens = true }

// Counter tokens: none is kept in the table, each use counts one on, and the
// last one may always come again.
//
//covers:auth 48
func TestCounterTokens(t *testing.T) {
	t.Parallel()
	f := start(t, counters)
	u := f.signUp(t, "count@example.com")
	if len(u.refresh) < 51 || f.value(t, "select count(*) from auth.refresh_tokens") != "0" {
		t.Errorf("token %q, %s in the table", u.refresh, f.value(t, "select count(*) from auth.refresh_tokens"))
	}
	counter := func(want string) {
		t.Helper()
		if got := f.value(t, "select refresh_token_counter from auth.sessions where refresh_token_hmac_key <> ''"); got != want {
			t.Errorf("counter %s, want %s", got, want)
		}
	}
	counter("0")
	f.clock.advance(time.Hour)
	r := f.refresh(t, u.refresh).ok(t, 200)
	second := r.text("refresh_token")
	if got := r.header.Get("Sb-Auth-Refresh-Token-Counter"); second == u.refresh || got != "1" {
		t.Errorf("second token %q, counter %q", second, got)
	}
	if claims(t, u.token)["session_id"] != claims(t, r.text("access_token"))["session_id"] {
		t.Error("another session")
	}
	f.clock.advance(30 * 24 * time.Hour)
	for range 3 {
		if again := f.refresh(t, u.refresh).ok(t, 200).text("refresh_token"); again != second {
			t.Errorf("the last token gives %q, want the current one", again)
		}
	}
	counter("1")
	last := f.refresh(t, f.refresh(t, second).ok(t, 200).text("refresh_token")).ok(t, 200)
	counter("3")
	f.clock.advance(5 * time.Second)
	f.refresh(t, u.refresh).ok(t, 200) // within the reuse interval
	counter("3")
	f.clock.advance(11 * time.Second)
	f.refresh(t, u.refresh).refused(t, 400, "refresh_token_already_used", alreadyUsed)
	f.as(t, user{token: last.text("access_token")}, "GET", "/user", nil).refused(t, 403, "session_not_found", "Session from session_id claim in JWT does not exist")
	f.refresh(t, second).refused(t, 400, "refresh_token_not_found", notFound)
}

func TestCounterTokensRefused(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		counters(c)
		c.Sessions.ReuseInterval, c.Sessions.KeepFamilyOnReuse = -1, true
	})
	u, other := f.signUp(t, "a@example.com"), f.signUp(t, "b@example.com")
	f.refresh(t, u.refresh[:len(u.refresh)-2]+"AA").refused(t, 400, "validation_failed", "Refresh token is not valid")
	f.exec(t, "update auth.sessions set refresh_token_hmac_key = translate(refresh_token_hmac_key, 'abcdef', 'fedcba') where user_id = $1", other.id)
	f.refresh(t, other.refresh).refused(t, 400, "refresh_token_not_found", notFound)
	f.exec(t, "update auth.sessions set refresh_token_hmac_key = null where user_id = $1", other.id)
	f.refresh(t, other.refresh).refused(t, 400, "refresh_token_not_found", notFound)

	second := f.refresh(t, u.refresh).ok(t, 200).text("refresh_token")
	third := f.refresh(t, second).ok(t, 200).text("refresh_token")
	f.refresh(t, u.refresh).refused(t, 400, "refresh_token_already_used", alreadyUsed)
	fourth := f.refresh(t, third).ok(t, 200).text("refresh_token") // no rotation: the session lives on
	f.exec(t, "update auth.sessions set refresh_token_counter = 1 where user_id = $1", u.id)
	f.refresh(t, fourth).refused(t, 400, "validation_failed", "Invalid Refresh Token: Not Issued By This Server")
	f.exec(t, "update auth.users set banned_until = 'infinity' where id = $1", u.id)
	f.refresh(t, second).refused(t, 400, "user_banned", "Invalid Refresh Token: User Banned")
}

func TestConcurrentCounterRefreshes(t *testing.T) {
	t.Parallel()
	f := start(t, counters)
	u := f.signUp(t, "many@example.com")
	const n = 50
	answers := make([]*response, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { answers[i] = f.refresh(t, u.refresh) })
	}
	wg.Wait()
	tokens := map[string]bool{}
	for _, r := range answers {
		tokens[r.ok(t, 200).text("refresh_token")] = true
	}
	if len(tokens) != 1 || f.value(t, "select refresh_token_counter from auth.sessions") != "1" {
		t.Errorf("%d different tokens, counter %s", len(tokens), f.value(t, "select refresh_token_counter from auth.sessions"))
	}
}

// A server that changes to counter tokens gives old sessions such when they
// refresh, and still takes what they had.
func TestUpgradeToCounterTokens(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Sessions.CounterTokens, c.Sessions.UpgradePercentage = true, 100 })
	u := f.signUp(t, "old@example.com")
	const random = "abcdefghijkl"
	f.exec(t, "update auth.sessions set refresh_token_hmac_key = null, refresh_token_counter = null")
	f.exec(t, `insert into auth.refresh_tokens (instance_id, token, user_id, session_id, revoked, created_at, updated_at)
		select '00000000-0000-0000-0000-000000000000', $1, user_id::text, id, false, now(), now() from auth.sessions`, random)
	first := f.refresh(t, random).ok(t, 200).text("refresh_token")
	if len(first) == 12 || f.value(t, "select count(*) from auth.refresh_tokens where not revoked") != "0" {
		t.Errorf("upgraded to %q", first)
	}
	again := f.refresh(t, random).ok(t, 200).text("refresh_token") // another tab, within the interval
	if last := f.refresh(t, again).ok(t, 200).text("refresh_token"); last == again || f.value(t, "select refresh_token_counter from auth.sessions") != "2" {
		t.Errorf("after %q comes %q", again, last)
	}
	f.clock.advance(time.Minute)
	f.refresh(t, random).refused(t, 400, "refresh_token_already_used", alreadyUsed)
	f.as(t, u, "GET", "/user", nil).ok(t, 200)
}

// A second factor steps over a token: the one that was there before it must
// not give a session with it.
func TestCounterStepsOverASecondFactor(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { counters(c); c.Sessions.ReuseInterval = -1 })
	u := f.signUp(t, "mfa@example.com")
	r := f.raise(t, u)
	if got := f.value(t, "select refresh_token_counter from auth.sessions"); got != "2" {
		t.Errorf("counter %s", got)
	}
	if got := claims(t, f.refresh(t, r.text("refresh_token")).ok(t, 200).text("access_token"))["aal"]; got != "aal2" {
		t.Errorf("refreshed to %v", got)
	}
	f.refresh(t, u.refresh).refused(t, 400, "refresh_token_already_used", alreadyUsed)
}

// raise enrolls an authenticator app and raises the user's session with it.
func (f *fixture) raise(t testing.TB, u user) *response {
	t.Helper()
	r := f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "totp"}).ok(t, 200)
	id, secret := r.text("id"), r.text("totp.secret")
	challenge := f.as(t, u, "POST", "/factors/"+id+"/challenge", nil).ok(t, 200).text("id")
	return f.as(t, u, "POST", "/factors/"+id+"/verify", map[string]any{"challenge_id": challenge, "code": totp(t, secret, f.clock.now())}).ok(t, 200)
}

// A user with a second factor may do without it for a while only.
//
//covers:auth 47
func TestLowAAL(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Sessions.AllowLowAAL = 10 * time.Minute })
	u := f.signUp(t, "low@example.com")
	if life := claims(t, u.token)["exp"].(float64) - claims(t, u.token)["iat"].(float64); life != 3600 {
		t.Errorf("without a factor a token lives %v s", life)
	}
	high := f.raise(t, u)
	low := f.signIn(t, u)
	if life := claims(t, low.token)["exp"].(float64) - claims(t, low.token)["iat"].(float64); life != 600 {
		t.Errorf("a low token lives %v s", life)
	}
	f.clock.advance(11 * time.Minute)
	f.refresh(t, low.refresh).refused(t, 400, "session_expired", "Invalid Refresh Token: Session Expired (Low AAL: User Needs MFA Verification)")
	f.refresh(t, high.text("refresh_token")).ok(t, 200)
}

// With tags each has its own single session.
func TestSingleSessionByTag(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		c.Sessions.SinglePerUser, c.Sessions.Tags, c.Sessions.InactivityTimeout = true, []string{"web", "mobile"}, time.Hour
	})
	u := f.signUp(t, "tags@example.com")
	tag := func(u user, tag string) {
		f.exec(t, "update auth.sessions set tag = $2 where id = $1", claims(t, u.token)["session_id"], tag)
	}
	f.clock.advance(time.Second)
	mobile := f.signIn(t, u)
	tag(mobile, "mobile")
	web := f.refresh(t, u.refresh).ok(t, 200).text("refresh_token")
	f.clock.advance(time.Second)
	unknown := f.signIn(t, u)
	tag(unknown, "tv") // counts as web
	f.refresh(t, web).refused(t, 400, "session_expired", "Invalid Refresh Token: Session Expired (Revoked by Newer Login)")
	f.refresh(t, mobile.refresh).ok(t, 200)
	f.exec(t, "update auth.sessions set not_after = created_at where id = $1", claims(t, unknown.token)["session_id"])
	f.refresh(t, web).ok(t, 200) // the newer one has ended
}
