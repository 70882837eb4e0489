package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
)

// hookFunctions makes a function of the database for each hook. Each notes what
// it is told, and answers what the test wants: see answerHook.
const hookFunctions = `
create table public.hook_log (n serial primary key, name text, event jsonb);
create table public.hook_answers (name text primary key, answer text);
create function public.answer(name text, event jsonb) returns jsonb language plpgsql security definer set search_path = '' as $$
declare a text;
begin
  insert into public.hook_log (name, event) values ($1, $2);
  select h.answer into a from public.hook_answers h where h.name = $1;
  case
    when a is null then return case $1 when 'custom_access_token' then jsonb_build_object('claims', $2->'claims') else '{}' end;
    when a = 'null' then return null;
    when a = 'sleep' then perform pg_sleep(5);
    when a = 'raise' then raise exception 'the hook broke';
    when a like 'claims %' then return jsonb_build_object('claims', ($2->'claims') || substr(a, 8)::jsonb);
    when a like 'without %' then return jsonb_build_object('claims', ($2->'claims') - substr(a, 9));
    else return a::jsonb;
  end case;
  return '{}';
end $$;
`

func withHookFunctions(t *testing.T, change func(*auth.Config), names ...string) *fixture {
	t.Helper()
	f := start(t, func(c *auth.Config) {
		c.Hooks = map[string]auth.HookConfig{}
		for _, name := range names {
			c.Hooks[name] = auth.HookConfig{Enabled: true, URI: "pg-functions://postgres/public/" + name}
		}
		if change != nil {
			change(c)
		}
	})
	f.exec(t, hookFunctions)
	for _, name := range names {
		f.exec(t, fmt.Sprintf(`create function public.%[1]s(event jsonb) returns jsonb language sql as $$ select public.answer('%[1]s', $1) $$`, name))
	}
	return f
}

// answerHook sets what a hook answers: JSON, null, sleep, raise, claims with
// changes or without one; "" is its usual answer.
func (f *fixture) answerHook(t testing.TB, name, answer string) {
	t.Helper()
	f.exec(t, `delete from public.hook_answers where name = $1`, name)
	if answer != "" {
		f.exec(t, `insert into public.hook_answers values ($1, $2)`, name, answer)
	}
}

// told is what a hook was told last.
func (f *fixture) told(t testing.TB, name string) map[string]any {
	t.Helper()
	var event map[string]any
	raw := f.value(t, `select event from public.hook_log where name = $1 order by n desc limit 1`, name)
	if raw == "" {
		t.Fatalf("the hook %s was not asked", name)
	}
	if err := json.Unmarshal([]byte(raw), &event); err != nil {
		t.Fatal(err)
	}
	return event
}

func (f *fixture) timesTold(t testing.TB, name string) string {
	t.Helper()
	return f.value(t, `select count(*) from public.hook_log where name = $1`, name)
}

// field is a value inside of JSON.
func field(v map[string]any, path string) string {
	return (&response{body: v}).text(path)
}

// The claims of every token are the hook's, and tokens are made of good claims
// only.
//
//covers:auth 155 159
func TestHookAccessToken(t *testing.T) {
	t.Parallel()
	const name = auth.HookCustomAccessToken
	f := withHookFunctions(t, nil, name)
	f.answerHook(t, name, `claims {"plan": "pro", "big": 12345678901234567890, "exp": 4000000000.0, "deep": {"n": 1.50}}`)
	u := f.signUp(t, "claims@example.com")
	got := claims(t, u.token)
	if got["plan"] != "pro" || got["sub"] != u.id || got["exp"] != 4e9 {
		t.Errorf("claims %v", got)
	}
	if raw := tokenText(t, u.token); !strings.Contains(raw, `"big":12345678901234567890`) || !strings.Contains(raw, `"exp":4000000000,`) || !strings.Contains(raw, `"n":1.50`) {
		t.Errorf("claims %s", raw)
	}
	event := f.told(t, name)
	for path, want := range map[string]string{
		"user_id": u.id, "authentication_method": "password", "metadata.name": "customize-access-token", "metadata.ip_address": "127.0.0.1",
		"claims.email": "claims@example.com", "claims.aud": "authenticated", "claims.role": "authenticated", "claims.aal": "aal1", "claims.amr.0.method": "password",
	} {
		if field(event, path) != want {
			t.Errorf("the hook was told %s %q, want %q in %v", path, field(event, path), want, event)
		}
	}
	if at, err := time.Parse(time.RFC3339, field(event, "metadata.time")); err != nil || time.Since(at) > time.Minute || len(field(event, "metadata.uuid")) != 36 {
		t.Errorf("metadata %v", event["metadata"])
	}

	refresh := func() *response {
		return f.post(t, "/token?grant_type=refresh_token", map[string]any{"refresh_token": u.refresh})
	}
	r := refresh().ok(t, 200)
	u.refresh = r.text("refresh_token")
	if claims(t, r.text("access_token"))["plan"] != "pro" || field(f.told(t, name), "authentication_method") != "token_refresh" {
		t.Errorf("a refresh: %v", f.told(t, name))
	}
	const schema = "output claims do not conform to the expected schema: \n"
	for _, c := range []struct {
		answer        string
		status        int
		code, message string
	}{
		{`{"error": {"http_code": 403, "message": "not you"}}`, 403, "unknown", "not you"},
		{`{"error": {"message": "broken"}}`, 500, "unexpected_failure", "broken"},
		{`{"error": {"http_code": 42, "message": "odd"}}`, 500, "unexpected_failure", "odd"},
		{`{}`, 500, "unexpected_failure", "output claims field is missing"},
		{`{"error": {"http_code": 403}}`, 500, "unexpected_failure", "output claims field is missing"},
		{`{"claims": 1}`, 500, "unexpected_failure", "Error unmarshaling JSON output."},
		{`[]`, 500, "unexpected_failure", "Error unmarshaling JSON output."},
		{`{"claims": null}`, 500, "unexpected_failure", schema + "- (root): Invalid type. Expected: object, given: null\n"},
		{`null`, 500, "unexpected_failure", schema + "- (root): Invalid type. Expected: object, given: null\n"},
		{`without role`, 500, "unexpected_failure", schema + "- (root): role is required\n"},
		{`{"claims": {"aud": 1}}`, 500, "unexpected_failure", schema + "- (root): exp is required\n- (root): iat is required\n- (root): sub is required\n- (root): email is required\n" +
			"- (root): phone is required\n- (root): role is required\n- (root): aal is required\n- (root): session_id is required\n- (root): is_anonymous is required\n" +
			"- aud: Invalid type. Expected: [string,array], given: integer\n"},
		{`claims {"exp": 1.5, "email": null, "app_metadata": [], "amr": [1, "otp", {}]}`, 500, "unexpected_failure", schema +
			"- exp: Invalid type. Expected: integer, given: number\n- email: Invalid type. Expected: string, given: null\n" +
			"- app_metadata: Invalid type. Expected: object, given: array\n- amr.0: Must validate at least one schema (anyOf)\n- amr.0: Invalid type. Expected: string, given: integer\n"},
		{`raise`, 500, "unexpected_failure", "Error running hook URI: pg-functions://postgres/public/custom_access_token"},
	} {
		f.answerHook(t, name, c.answer)
		refresh().refused(t, c.status, c.code, c.message)
	}
	// a refused refresh has used nothing up
	f.answerHook(t, name, "")
	refresh().ok(t, 200)
	// a function that is replaced by one of another type is called as it is now
	f.exec(t, `drop function public.custom_access_token(jsonb)`)
	f.exec(t, `create function public.custom_access_token(event json) returns json language sql as $$ select json_build_object('claims', $1->'claims') $$`)
	u = f.signIn(t, u)
	if claims(t, u.token)["email"] != u.email {
		t.Error("the replaced function was not asked")
	}
	// who is refused a token is not signed up either
	f.exec(t, `drop function public.custom_access_token(json)`)
	f.post(t, "/signup", map[string]any{"email": "nobody@example.com", "password": goodPassword}).
		refused(t, 500, "unexpected_failure", "Error running hook URI: pg-functions://postgres/public/custom_access_token")
	if n := f.value(t, `select count(*) from auth.users where email = 'nobody@example.com'`); n != "0" {
		t.Error("there is a user without a session")
	}
}

// A function that takes too long is stopped.
//
//covers:auth 159
func TestHookFunctionTime(t *testing.T) {
	t.Parallel()
	f := withHookFunctions(t, nil, auth.HookCustomAccessToken)
	f.answerHook(t, auth.HookCustomAccessToken, "sleep")
	begun := time.Now()
	f.post(t, "/signup", map[string]any{"email": "slow@example.com", "password": goodPassword}).
		refused(t, 500, "unexpected_failure", "Error running hook URI: pg-functions://postgres/public/custom_access_token")
	if took := time.Since(begun); took < 2*time.Second || took > 4*time.Second {
		t.Errorf("it was stopped after %v", took)
	}
}

func tokenText(t testing.TB, token string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// The hook decides who may become a user, and is told of those who did.
//
//covers:auth 156 159
func TestHookUserCreated(t *testing.T) {
	t.Parallel()
	const before, after = auth.HookBeforeUserCreated, auth.HookAfterUserCreated
	f := withHookFunctions(t, func(c *auth.Config) { c.Phone.Enabled = true }, before, after)
	u := f.signUp(t, "Ann@Example.com")
	event := f.told(t, before)
	for path, want := range map[string]string{
		"metadata.name": "before-user-created", "user.id": u.id, "user.email": "ann@example.com", "user.aud": "authenticated", "user.role": "",
		"user.app_metadata.provider": "email", "user.app_metadata.providers.0": "email", "user.is_anonymous": "false", "user.phone": "",
	} {
		if field(event, path) != want {
			t.Errorf("before: %s is %q, want %q in %v", path, field(event, path), want, event)
		}
	}
	if event = f.told(t, after); field(event, "user.id") != u.id || field(event, "metadata.name") != "after-user-created" || field(event, "user.role") != "authenticated" {
		t.Errorf("after: %v", event)
	}
	f.answerHook(t, before, `{"error": {"http_code": 403, "message": "no more users"}}`)
	refusals := map[string]func() *response{
		"sign-up": func() *response {
			return f.post(t, "/signup", map[string]any{"email": "b@example.com", "password": goodPassword, "data": map[string]any{"k": "v"}})
		},
		"by phone": func() *response {
			return f.post(t, "/signup", map[string]any{"phone": "15550001", "password": goodPassword})
		},
		"anonymous":  func() *response { return f.post(t, "/signup", map[string]any{"data": map[string]any{"k": "v"}}) },
		"otp":        func() *response { return f.post(t, "/otp", map[string]any{"email": "b@example.com"}) },
		"invitation": func() *response { return f.admin(t, "POST", "/invite", map[string]any{"email": "b@example.com"}) },
		"magic link": func() *response {
			return f.admin(t, "POST", "/admin/generate_link", map[string]any{"type": "magiclink", "email": "b@example.com"})
		},
		"sign-up link": func() *response {
			return f.admin(t, "POST", "/admin/generate_link", map[string]any{"type": "signup", "email": "b@example.com", "password": goodPassword})
		},
	}
	asked := 1
	for what, try := range refusals {
		try().refused(t, 403, "unknown", "no more users")
		asked++
		if got := f.timesTold(t, before); got != fmt.Sprint(asked) {
			t.Errorf("%s: what the hook wrote when it refused did not stay: asked %s times, not %d", what, got, asked)
		}
	}
	if n := f.value(t, `select count(*) from auth.users`); n != "1" {
		t.Errorf("%s users", n)
	}
	if f.timesTold(t, after) != "1" {
		t.Error("the hook was told of users that there are not")
	}
	f.answerHook(t, before, "")
	for what, try := range refusals {
		if what == "sign-up" || what == "by phone" || what == "anonymous" {
			try().ok(t, 200)
		}
	}
	if e := f.told(t, before); field(e, "user.user_metadata.k") != "v" && field(e, "user.phone") != "15550001" {
		t.Errorf("metadata %v", e)
	}
	f.answerHook(t, before, "raise")
	f.post(t, "/signup", map[string]any{"email": "d@example.com", "password": goodPassword}).
		refused(t, 500, "unexpected_failure", "Error running hook URI: pg-functions://postgres/public/before_user_created")
	// an admin is not asked, nor is whoever is there already
	f.admin(t, "POST", "/admin/users", map[string]any{"email": "e@example.com"}).ok(t, 200)
	f.post(t, "/otp", map[string]any{"email": "ann@example.com"}).ok(t, 200)
	f.answerHook(t, before, "")
	f.answerHook(t, after, `{"error": {"http_code": 418, "message": "too late"}}`)
	f.post(t, "/signup", map[string]any{"email": "f@example.com", "password": goodPassword}).refused(t, 418, "unknown", "too late")
}

// Hooks hear of passwords and may turn people away.
//
//covers:auth 158
func TestHookPasswordAttempt(t *testing.T) {
	t.Parallel()
	const name = auth.HookPasswordVerification
	f := withHookFunctions(t, nil, name)
	u := f.signUp(t, "pass@example.com")
	signIn := func(password string) *response {
		return f.post(t, "/token?grant_type=password", map[string]any{"email": u.email, "password": password})
	}
	signIn("wrong password").refused(t, 400, "invalid_credentials", "Invalid login credentials")
	if e := f.told(t, name); field(e, "valid") != "false" || field(e, "user_id") != u.id || field(e, "metadata.name") != "password-verification" {
		t.Errorf("told %v", e)
	}
	f.answerHook(t, name, `{"decision": "continue"}`)
	signIn(goodPassword).ok(t, 200)
	if e := f.told(t, name); field(e, "valid") != "true" {
		t.Errorf("told %v", e)
	}
	f.answerHook(t, name, `{"decision": "reject"}`)
	signIn(goodPassword).refused(t, 400, "invalid_credentials", "Further password verification attempts will be rejected.")
	f.as(t, u, "GET", "/user", nil).ok(t, 200)
	f.answerHook(t, name, `{"decision": "reject", "message": "wait a minute", "should_logout_user": true}`)
	signIn("wrong password").refused(t, 400, "invalid_credentials", "wait a minute")
	f.as(t, u, "GET", "/user", nil).refused(t, 403, "session_not_found", "Session from session_id claim in JWT does not exist")
	f.answerHook(t, name, `{"error": {"http_code": 429, "message": "too many"}}`)
	signIn(goodPassword).refused(t, 429, "unknown", "too many")
	if n := f.timesTold(t, name); n != "5" {
		t.Errorf("what the hook noted of refused attempts did not stay: %s", n)
	}
	f.post(t, "/token?grant_type=password", map[string]any{"email": "nobody@example.com", "password": goodPassword}).
		refused(t, 400, "invalid_credentials", "Invalid login credentials")
	if n := f.timesTold(t, name); n != "5" {
		t.Error("it was told of nobody")
	}
}

//covers:auth 158
func TestHookFactorAttempt(t *testing.T) {
	t.Parallel()
	const name = auth.HookMFAVerification
	f := withHookFunctions(t, nil, name)
	u := f.signUp(t, "factor@example.com")
	r := f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "totp"}).ok(t, 200)
	id, secret := r.text("id"), r.text("totp.secret")
	attempt := func(code string) *response {
		ch := f.as(t, u, "POST", "/factors/"+id+"/challenge", nil).ok(t, 200).text("id")
		return f.as(t, u, "POST", "/factors/"+id+"/verify", map[string]any{"challenge_id": ch, "code": code})
	}
	attempt("abcdef").refused(t, 422, "mfa_verification_failed", "Invalid TOTP code entered")
	if e := f.told(t, name); field(e, "valid") != "false" || field(e, "user_id") != u.id || field(e, "factor_id") != id || field(e, "factor_type") != "totp" || field(e, "metadata.name") != "mfa-verification" {
		t.Errorf("told %v", e)
	}
	f.answerHook(t, name, `{"decision": "continue"}`)
	attempt(totp(t, secret, f.clock.now())).ok(t, 200)
	if e := f.told(t, name); field(e, "valid") != "true" {
		t.Errorf("told %v", e)
	}
	f.answerHook(t, name, `{"error": {"http_code": 409, "message": "not now"}}`)
	attempt(totp(t, secret, f.clock.now())).refused(t, 409, "unknown", "not now")
	f.answerHook(t, name, `{"decision": "reject"}`)
	attempt(totp(t, secret, f.clock.now())).refused(t, 403, "mfa_verification_rejected", "Further MFA verification attempts will be rejected.")
	f.as(t, u, "GET", "/user", nil).refused(t, 403, "session_not_found", "Session from session_id claim in JWT does not exist")
	if n := f.timesTold(t, name); n != "4" {
		t.Errorf("told %s times", n)
	}
}
