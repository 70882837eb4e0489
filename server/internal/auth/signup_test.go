package auth_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/suparust/suparust/server/internal/auth"
)

//covers:auth 40 50 51 53 55 60
func TestSignUpOpensASession(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	r := f.do(t, request{method: "POST", path: "/signup", header: map[string]string{"User-Agent": "tester\xff", "X-Forwarded-For": "203.0.113.7"},
		body: map[string]any{"email": "New@Example.com", "password": goodPassword, "data": map[string]any{"full_name": "Ann", "sub": "fake", "n": 1.5},
			"gotrue_meta_security": map[string]any{}, "code_challenge": nil, "code_challenge_method": nil}}).ok(t, 200)
	id := r.text("user.id")
	for path, want := range map[string]string{
		"token_type": "bearer", "expires_in": "3600", "user.email": "new@example.com", "user.aud": "authenticated", "user.role": "authenticated",
		"user.phone": "", "user.is_anonymous": "false", "user.app_metadata.provider": "email", "user.app_metadata.providers.0": "email",
		"user.user_metadata.full_name": "Ann", "user.user_metadata.n": "1.5", "user.user_metadata.sub": id, "user.user_metadata.email": "new@example.com",
		"user.user_metadata.email_verified": "true", "user.user_metadata.phone_verified": "false",
		"user.identities.0.provider": "email", "user.identities.0.id": id, "user.identities.0.user_id": id, "user.identities.0.email": "new@example.com",
		"user.identities.0.identity_data.email_verified": "true", "user.identities.0.identity_data.full_name": "Ann", "user.identities.0.identity_data.sub": id,
	} {
		if got := r.text(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for _, absent := range []string{"weak_password", "user.factors", "user.phone_confirmed_at", "user.banned_until", "user.new_email", "user.invited_at", "provider_token"} {
		if r.at(absent) != nil {
			t.Errorf("%s is %v, want it left out", absent, r.at(absent))
		}
	}
	for _, present := range []string{"user.email_confirmed_at", "user.confirmed_at", "user.last_sign_in_at", "user.created_at", "user.updated_at", "user.identities.0.identity_id"} {
		if r.text(present) == "" {
			t.Errorf("%s is missing", present)
		}
	}
	if !strings.HasSuffix(r.text("user.created_at"), "Z") {
		t.Errorf("created_at %s is not UTC", r.text("user.created_at"))
	}
	if got := r.text("refresh_token"); len(got) != 12 {
		t.Errorf("refresh token %q", got)
	}
	if r.header.Get("Sb-Auth-User-Id") != id || r.header.Get("Sb-Auth-Refresh-Token-Prefix") != r.text("refresh_token")[:5] || r.header.Get("Sb-Auth-Session-Id") == "" {
		t.Errorf("headers %v", r.header)
	}

	c := claims(t, r.text("access_token"))
	for claim, want := range map[string]any{"sub": id, "aud": "authenticated", "role": "authenticated", "email": "new@example.com", "phone": "",
		"aal": "aal1", "is_anonymous": false, "iss": "http://127.0.0.1:54321/auth/v1", "session_id": r.header.Get("Sb-Auth-Session-Id")} {
		if c[claim] != want {
			t.Errorf("claim %s is %v, want %v", claim, c[claim], want)
		}
	}
	if got := fmt.Sprint(c["amr"]); !strings.HasPrefix(got, "[map[method:password timestamp:") {
		t.Errorf("amr %s", got)
	}
	if c["exp"] != r.at("expires_at") {
		t.Errorf("exp %v, expires_at %v", c["exp"], r.at("expires_at"))
	}

	for sql, want := range map[string]string{
		"select encrypted_password like '$argon2id$v=19$m=64,t=1,p=1$%' from auth.users where id = $1": "true",
		"select concat_ws('|', instance_id, confirmation_token, recovery_token, email_change, email_change_token_new, email_change_token_current, phone_change, phone_change_token, reauthentication_token, email_change_confirm_status) from auth.users where id = $1": "00000000-0000-0000-0000-000000000000|||||||||0",
		"select identity_data->>'email_verified' from auth.identities where user_id = $1":                                                                                                                                                                     "false",
		"select phone is null from auth.users where id = $1":                                                                                                                                                                                                  "true",
		"select concat_ws('|', aal, host(ip), user_agent, refreshed_at) from auth.sessions where user_id = $1":                                                                                                                                                "aal1|203.0.113.7|tester",
		"select concat_ws('|', revoked, coalesce(parent, 'none'), instance_id) from auth.refresh_tokens where user_id = $1::uuid::text":                                                                                                                       "f|none|00000000-0000-0000-0000-000000000000",
		"select string_agg(authentication_method, ' ') from auth.mfa_amr_claims a join auth.sessions s on s.id = a.session_id where user_id = $1":                                                                                                             "password",
		"select string_agg(payload->>'action', ' ' order by payload->>'action' desc) from auth.audit_log_entries where payload->>'actor_id' = $1::uuid::text":                                                                                                 "user_signedup login",
		"select string_agg(concat_ws('|', payload->>'actor_username', payload->>'actor_name', payload->>'log_type', payload#>>'{traits,provider}'), ' ' order by payload->>'action') from auth.audit_log_entries where payload->>'actor_id' = $1::uuid::text": "new@example.com|Ann|account|email new@example.com|Ann|team|email",
		"select count(*) from auth.one_time_tokens where user_id = $1":                                                                                                                                                                                        "0",
	} {
		if got := f.value(t, sql, id); got != want {
			t.Errorf("%s\n got %s\nwant %s", sql, got, want)
		}
	}
}

//covers:auth 63 64 67 69 70 161
func TestSignUpRules(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.signUp(t, "taken@example.com")
	long := strings.Repeat("c", 43)
	for _, c := range []struct {
		name          string
		body          map[string]any
		status        int
		code, message string
	}{
		{"no password", map[string]any{"email": "a@b.c"}, 400, "validation_failed", "Signup requires a valid password"},
		{"weak before all else", map[string]any{"email": "no address", "password": "x"}, 422, "weak_password", "Password should be at least 6 characters."},
		{"too long", map[string]any{"email": "a@b.c", "password": strings.Repeat("ä", 37)}, 400, "validation_failed", "Password cannot be longer than 72 characters"},
		{"both", map[string]any{"email": "a@b.c", "phone": "155501", "password": "123456"}, 400, "validation_failed", "Only an email address or phone number should be provided on signup."},
		{"channel", map[string]any{"phone": "155501", "password": "123456", "channel": "pigeon"}, 400, "validation_failed", "Invalid channel, supported values are 'sms' or 'whatsapp'. 'whatsapp' is only supported if Twilio or Twilio Verify is used as the provider."},
		{"phone with pkce", map[string]any{"phone": "155501", "password": "123456", "code_challenge": long, "code_challenge_method": "s256"}, 400, "validation_failed", "PKCE not supported for phone signups"},
		{"half a challenge", map[string]any{"email": "a@b.c", "password": "123456", "code_challenge": long}, 400, "validation_failed", "PKCE flow requires code_challenge_method and code_challenge"},
		{"other half", map[string]any{"email": "a@b.c", "password": "123456", "code_challenge_method": "s256"}, 400, "validation_failed", "PKCE flow requires code_challenge_method and code_challenge"},
		{"short challenge", map[string]any{"email": "a@b.c", "password": "123456", "code_challenge": "x", "code_challenge_method": "s256"}, 400, "validation_failed", "code challenge has to be between 43 and 128 characters"},
		{"bad challenge", map[string]any{"email": "a@b.c", "password": "123456", "code_challenge": long + "/", "code_challenge_method": "s256"}, 400, "validation_failed", "code challenge can only contain alphanumeric characters, hyphens, periods, underscores and tildes"},
		{"phone off", map[string]any{"phone": "155501", "password": "123456"}, 400, "phone_provider_disabled", "Phone signups are disabled"},
		{"address", map[string]any{"email": "nope", "password": "123456"}, 400, "validation_failed", "Unable to validate email address: invalid format"},
		{"long address", map[string]any{"email": strings.Repeat("a", 250) + "@b.com", "password": "123456"}, 400, "validation_failed", "An email address is too long"},
		{"taken", map[string]any{"email": "TAKEN@example.com", "password": "123456"}, 422, "user_already_exists", "User already registered"},
	} {
		t.Run(c.name, func(t *testing.T) { f.post(t, "/signup", c.body).refused(t, c.status, c.code, c.message) })
	}
	t.Run("unknown challenge method", func(t *testing.T) {
		r := f.post(t, "/signup", map[string]any{"email": "a@b.c", "password": "123456", "code_challenge": long, "code_challenge_method": "md5"})
		if r.status != 400 || r.text("code") != "validation_failed" {
			t.Errorf("%d %s", r.status, r.raw)
		}
	})
	t.Run("a challenge without confirmation is ignored", func(t *testing.T) {
		f.post(t, "/signup", map[string]any{"email": "pkce@b.c", "password": "123456", "code_challenge": long, "code_challenge_method": "S256"}).ok(t, 200)
		if n := f.value(t, "select count(*) from auth.flow_state"); n != "0" {
			t.Errorf("%s flows", n)
		}
	})
	if got := f.value(t, "select string_agg(payload->>'action', ' ') from auth.audit_log_entries where payload->>'action' = 'user_repeated_signup'"); got != "user_repeated_signup" {
		t.Errorf("audit of the repeated sign-up: %q", got)
	}
}

//covers:auth 63
func TestSignUpSwitchedOff(t *testing.T) {
	t.Parallel()
	off := start(t, func(c *auth.Config) { c.DisableSignup = true })
	off.post(t, "/signup", map[string]any{"email": "a@b.c"}).refused(t, 422, "signup_disabled", "Signups not allowed for this instance")
	off.post(t, "/signup", map[string]any{}).refused(t, 422, "signup_disabled", "Signups not allowed for this instance")
	off.post(t, "/otp", map[string]any{"email": "a@b.c"}).refused(t, 422, "signup_disabled", "Signups not allowed for this instance")
	off.admin(t, "POST", "/admin/users", map[string]any{"email": "a@b.c", "password": "123456", "email_confirm": true}).ok(t, 200)
	off.admin(t, "POST", "/invite", map[string]any{"email": "b@b.c"}).ok(t, 200)
	off.post(t, "/token?grant_type=password", map[string]any{"email": "a@b.c", "password": "123456"}).ok(t, 200)

	none := start(t, func(c *auth.Config) { c.AnonymousSignIns, c.Email.Disabled = false, true })
	for _, body := range []any{map[string]any{}, map[string]any{"email": nil, "data": map[string]any{}}, map[string]any{"email": "", "phone": ""}} {
		none.post(t, "/signup", body).refused(t, 422, "anonymous_provider_disabled", "Anonymous sign-ins are disabled")
	}
	none.post(t, "/signup", map[string]any{"email": "a@b.c", "password": "123456"}).refused(t, 400, "email_provider_disabled", "Email signups are disabled")
	none.post(t, "/token?grant_type=password", map[string]any{"email": "a@b.c", "password": "123456"}).refused(t, 422, "email_provider_disabled", "Email logins are disabled")
	none.post(t, "/recover", map[string]any{"email": "a@b.c"}).refused(t, 400, "email_provider_disabled", "Email logins are disabled")
	none.post(t, "/otp", map[string]any{"email": "a@b.c"}).refused(t, 422, "email_provider_disabled", "Email logins are disabled")
	none.post(t, "/resend", map[string]any{"type": "signup", "email": "a@b.c"}).refused(t, 400, "email_provider_disabled", "Email logins are disabled")
}

//covers:auth 62 108 115
func TestAnonymousSignIn(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	r := f.post(t, "/signup", map[string]any{"data": map[string]any{"team": "red"}}).ok(t, 200)
	if r.text("user.is_anonymous") != "true" || r.text("user.email") != "" || fmt.Sprint(r.at("user.identities")) != "[]" ||
		fmt.Sprint(r.at("user.app_metadata")) != "map[]" || fmt.Sprint(r.at("user.user_metadata")) != "map[team:red]" {
		t.Errorf("user: %s", r.raw)
	}
	c := claims(t, r.text("access_token"))
	if c["is_anonymous"] != true || !strings.Contains(fmt.Sprint(c["amr"]), "method:anonymous") {
		t.Errorf("claims %v", c)
	}
	if got := f.value(t, "select concat_ws('|', encrypted_password, email, is_anonymous) from auth.users where id = $1", r.text("user.id")); got != "|t" {
		t.Errorf("row %s", got)
	}
	u := user{id: r.text("user.id"), token: r.text("access_token")}
	f.as(t, u, "PUT", "/user", map[string]any{"password": goodPassword}).
		refused(t, 422, "validation_failed", "Updating password of an anonymous user without an email or phone is not allowed")
	f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "totp"}).
		refused(t, 403, "no_authorization", "Anonymous user not allowed to perform these actions")
	p := f.as(t, u, "PUT", "/user", map[string]any{"email": "perm@example.com", "password": goodPassword}).ok(t, 200)
	if p.text("is_anonymous") != "false" || p.text("email") != "perm@example.com" || p.text("email_confirmed_at") == "" ||
		p.text("identities.0.identity_data.email_verified") != "true" || fmt.Sprint(p.at("app_metadata")) != "map[]" || p.text("new_email") != "" {
		t.Errorf("a permanent user: %s", p.raw)
	}
	f.signIn(t, user{email: "perm@example.com", password: goodPassword})
}

// Two sign-ups of one address at the same moment: one user, and the loser is
// told as if they had followed each other.
//
//covers:auth 64
func TestSignUpRace(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	const n = 12
	var wg sync.WaitGroup
	answers := make([]*response, n)
	for i := range n {
		wg.Go(func() {
			answers[i] = f.post(t, "/signup", map[string]any{"email": "race@example.com", "password": goodPassword})
		})
	}
	wg.Wait()
	won := 0
	for _, r := range answers {
		switch {
		case r.status == 200:
			won++
		case r.status != 422 || r.text("code") != "user_already_exists":
			t.Errorf("%d %s", r.status, r.raw)
		}
	}
	if won != 1 || f.value(t, "select count(*) from auth.users") != "1" {
		t.Errorf("%d won, %s users", won, f.value(t, "select count(*) from auth.users"))
	}
}

// What a project's triggers on auth.users see and do.
//
//covers:auth 16 52 71 72 169
func TestTriggers(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.exec(t, `
		create table public.profiles (id uuid primary key references auth.users on delete cascade, meta jsonb, confirmed timestamptz, role text);
		create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
		begin
		  if new.raw_user_meta_data->>'bad' = 'raise' then raise exception 'no such team' using hint = 'ask the captain', detail = 'team x'; end if;
		  if new.raw_user_meta_data->>'bad' = 'teapot' then raise sqlstate 'PT418' using message = 'short and stout'; end if;
		  insert into public.profiles values (new.id, new.raw_user_meta_data, new.email_confirmed_at, new.role);
		  update auth.users set raw_app_meta_data = raw_app_meta_data || '{"plan": "free"}', raw_user_meta_data = raw_user_meta_data || '{"from_trigger": true}' where id = new.id;
		  return new;
		end $$;
		create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();`)
	r := f.post(t, "/signup", map[string]any{"email": "t@example.com", "password": goodPassword, "data": map[string]any{"team": "red"}}).ok(t, 200)
	if got := f.value(t, "select concat_ws('|', meta, confirmed, role) from public.profiles"); got != `{"team": "red"}|authenticated` {
		t.Errorf("the trigger saw %s", got)
	}
	if r.text("user.app_metadata.plan") != "free" || r.text("user.user_metadata.from_trigger") != "true" || claims(t, r.text("access_token"))["app_metadata"].(map[string]any)["plan"] != "free" {
		t.Errorf("what the trigger wrote is missing: %s", r.raw)
	}

	bad := map[string]any{"email": "bad@example.com", "password": goodPassword, "data": map[string]any{"bad": "raise"}}
	f.post(t, "/signup", bad).refused(t, 500, "unexpected_failure", "Database error saving new user")
	if got := f.do(t, request{method: "POST", path: "/signup", body: bad, old: true}); got.status != 500 ||
		got.raw != `{"code":"P0001","message":"no such team","hint":"ask the captain","detail":"team x"}` {
		t.Errorf("older shape: %d %s", got.status, got.raw)
	}
	bad["data"] = map[string]any{"bad": "teapot"}
	if got := f.do(t, request{method: "POST", path: "/signup", body: bad, old: true}); got.status != 418 || got.text("message") != "short and stout" {
		t.Errorf("PT418: %d %s", got.status, got.raw)
	}
	f.admin(t, "POST", "/admin/users", map[string]any{"email": "bad@example.com", "user_metadata": map[string]any{"bad": "raise"}}).
		refused(t, 500, "unexpected_failure", "Database error creating new user")
	f.post(t, "/signup", map[string]any{"data": map[string]any{"bad": "raise"}}).
		refused(t, 500, "unexpected_failure", "Database error creating anonymous user")
	if got := f.value(t, "select count(*) from auth.users"); got != "1" {
		t.Errorf("%s users: a failed trigger must leave nothing", got)
	}
	if got := f.value(t, "select count(*) from auth.audit_log_entries"); got != "2" {
		t.Errorf("%s audit entries: a failed trigger must leave nothing", got)
	}
}
