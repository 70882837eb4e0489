package auth_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/oauth"
)

//covers:auth 123 124
func TestAuthorize(t *testing.T) {
	t.Parallel()
	s := startSocial(t, func(c *auth.Config) {
		c.OAuth.Providers["github"] = auth.OAuthProvider{Enabled: true, ClientIDs: []string{"gh", "other"}, Secret: "s",
			RedirectURI: "https://api.test/cb", URL: "https://git.corp.test/"}
		c.OAuth.Providers["gitlab"] = auth.OAuthProvider{}
		c.OAuth.Fake = nil
	})
	t.Run("errors", func(t *testing.T) {
		for query, want := range map[string]string{
			"":                                 "Unsupported provider: Provider  could not be found",
			"provider=nope":                    "Unsupported provider: Provider nope could not be found",
			"provider=NOPE":                    "Unsupported provider: Provider nope could not be found",
			"provider=gitlab":                  "Unsupported provider: provider is not enabled",
			"provider=google":                  "Unsupported provider: missing OAuth client ID",
			"provider=custom:x":                "Unsupported provider: custom provider custom:x not found",
			"provider=nope&code_challenge=x":   "Unsupported provider: Provider nope could not be found",
			"provider=github&code_challenge=x": "PKCE flow requires code_challenge_method and code_challenge",
			"provider=github&code_challenge=x&code_challenge_method=s256":                          "code challenge has to be between 43 and 128 characters",
			"provider=github&code_challenge_method=s256&code_challenge=" + strings.Repeat("é", 43): "code challenge can only contain alphanumeric characters, hyphens, periods, underscores and tildes",
		} {
			s.do(t, request{path: "/authorize?" + query, token: "none"}).refused(t, 400, "validation_failed", want)
		}
		s.do(t, request{path: "/authorize?provider=github&invite_token=nothing"}).
			refused(t, 404, "user_not_found", "User identified by token not found")
	})
	t.Run("the settings tell what is on", func(t *testing.T) {
		external := s.do(t, request{path: "/settings"}).ok(t, 200).at("external").(map[string]any)
		if external["github"] != true || external["gitlab"] != false || len(external) != 26 {
			t.Errorf("%v", external)
		}
	})
	t.Run("the way to the service", func(t *testing.T) {
		at := parse(t, s.authorize(t, "provider=GitHub&scopes=repo,read:org&redirect_to=http://localhost:3000/x&login_hint=ann&nonce=n"+
			"&state=evil&Client_ID=evil&redirect_uri=evil&response_type=token&code_verifier=evil&workos_provider=p"))
		q := at.Query()
		id := q.Get("state")
		q.Del("state")
		want := url.Values{
			"client_id": {"gh"}, "redirect_uri": {"https://api.test/cb"}, "response_type": {"code"}, "scope": {"user:email repo read:org"},
			"redirect_to": {"http://localhost:3000/x"}, "login_hint": {"ann"}, "nonce": {"n"}, "provider": {"p"},
		}
		at.RawQuery = ""
		if at.String() != "https://git.corp.test/login/oauth/authorize" || q.Encode() != want.Encode() {
			t.Errorf("leads to %s?%s", at, q.Encode())
		}
		got := s.value(t, `select concat_ws(' ', provider_type, authentication_method, code_challenge is null, auth_code is null, user_id is null,
			referrer, email_optional, invite_token is null) from auth.flow_state where id = $1`, id)
		if got != "github oauth t t t http://127.0.0.1:3000 f t" && got != "github oauth t t t http://localhost:3000/x f t" {
			t.Errorf("the flow is %s", got)
		}
	})
}

//covers:auth 79 125
func TestSocialPKCE(t *testing.T) {
	t.Parallel()
	s := startSocial(t, nil)
	verifier, challenge := pkce(t)
	query := "&code_challenge_method=s256&code_challenge=" + challenge
	ann := oauth.FakeUser{Email: "ann@pkce.test"}
	end := s.through(t, "x", query+"&redirect_to="+url.QueryEscape(site+"/cb?next=1"), ann)
	code := end.Query().Get("code")
	if code == "" || end.Query().Get("next") != "1" || end.Fragment != "" {
		t.Fatalf("ends at %s", end)
	}
	if n := s.value(t, `select count(*) from auth.sessions`); n != "0" {
		t.Errorf("%s sessions before the code is given", n)
	}
	s.post(t, "/token?grant_type=pkce", map[string]any{"auth_code": code, "code_verifier": verifier + "x"}).
		refused(t, 400, "bad_code_verifier", "code challenge does not match previously saved code verifier")
	r := s.post(t, "/token?grant_type=pkce", map[string]any{"auth_code": code, "code_verifier": verifier}).ok(t, 200)
	if !strings.HasPrefix(r.text("provider_token"), "fake-access-") || !strings.HasPrefix(r.text("provider_refresh_token"), "fake-refresh-") {
		t.Errorf("no tokens of the service: %s", r.raw)
	}
	if m := claims(t, r.text("access_token"))["amr"].([]any)[0].(map[string]any)["method"]; m != "oauth" {
		t.Errorf("amr %v", m)
	}
	if got := s.value(t, `select string_agg(payload->>'action' || coalesce(payload->'traits'->>'provider', payload->'traits'->>'provider_type'), ' ' order by created_at)
		from auth.audit_log_entries`); got != "user_signedupx loginx" {
		t.Errorf("the log is %s", got)
	}
	s.post(t, "/token?grant_type=pkce", map[string]any{"auth_code": code, "code_verifier": verifier}).
		refused(t, 404, "flow_state_not_found", "invalid flow state, no valid flow state found")
	refreshed := s.post(t, "/token?grant_type=refresh_token", map[string]any{"refresh_token": r.text("refresh_token")}).ok(t, 200)
	if refreshed.at("provider_token") != nil {
		t.Error("a refresh gives the service's token again")
	}

	t.Run("a state is used once", func(t *testing.T) {
		if err := s.fake.Next("google", ann); err != nil {
			t.Fatal(err)
		}
		from := s.visit(t, s.authorize(t, "provider=google"+query))
		s.back(t, from)
		at := parse(t, s.do(t, request{path: "/callback?" + from.RawQuery}).ok(t, 303).header.Get("Location"))
		if at.Query().Get("error_code") != "flow_state_already_used" || at.Query().Get("error_description") != "State has already been used" {
			t.Errorf("leads to %s", at)
		}
	})
	t.Run("a state is used once, even at once", func(t *testing.T) {
		for _, q := range []string{query, ""} {
			at := s.authorize(t, "provider=github"+q+"&login_hint=ann%40pkce.test")
			froms := make([]*url.URL, 4) // each with a code that is good
			for i := range froms {
				froms[i] = s.visit(t, at)
			}
			got := make([]string, len(froms))
			var wg sync.WaitGroup
			for i, from := range froms {
				wg.Go(func() {
					r := s.do(t, request{path: "/callback?" + from.RawQuery, token: "none"})
					got[i] = r.header.Get("Location")
				})
			}
			wg.Wait()
			in := 0
			for _, to := range got {
				switch u := parse(t, to); {
				case u.Query().Has("code"), strings.HasPrefix(u.Fragment, "access_token="):
					in++
				case u.Query().Get("error_code") != "flow_state_already_used" && u.Query().Get("error_code") != "bad_oauth_state":
					t.Errorf("leads to %s", to)
				}
			}
			if in != 1 {
				t.Errorf("%d of %d were let in", in, len(got))
			}
		}
	})
	t.Run("a code expires", func(t *testing.T) {
		end := s.through(t, "google", query, ann)
		s.clock.advance(5*time.Minute + time.Second)
		s.post(t, "/token?grant_type=pkce", map[string]any{"auth_code": end.Query().Get("code"), "code_verifier": verifier}).
			refused(t, 422, "flow_state_expired", "invalid flow state, flow state has expired")
	})
}

//covers:auth 126
func TestCallbackErrors(t *testing.T) {
	t.Parallel()
	s := startSocial(t, nil)
	query := func(method, path, body string, header map[string]string) url.Values {
		t.Helper()
		r := s.do(t, request{method: method, path: path, body: body, header: header, token: "none"}).ok(t, 303)
		at := parse(t, r.header.Get("Location"))
		if got := at.Scheme + "://" + at.Host; got != site || at.Fragment != "" {
			t.Errorf("leads to %s", at)
		}
		return at.Query()
	}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/callback", "", "error=invalid_request&error_code=bad_oauth_callback&error_description=OAuth+state+parameter+missing"},
		{"POST", "/callback", "code=x", "error=invalid_request&error_code=bad_oauth_callback&error_description=OAuth+state+parameter+missing"},
		{"POST", "/callback", "state=x", "error=invalid_request&error_code=bad_oauth_state&error_description=OAuth+state+parameter+is+invalid"},
		{"GET", "/callback?state=" + gone, "", "error=invalid_request&error_code=bad_oauth_state&error_description=OAuth+state+not+found+or+expired"},
	} {
		if got := query(c.method, c.path, c.body, form).Encode(); got != c.want {
			t.Errorf("%s %s: %s", c.method, c.path, got)
		}
	}
	state := func(extra string) string {
		return parse(t, s.authorize(t, "provider=google"+extra)).Query().Get("state")
	}
	back := func(query string) *url.URL {
		t.Helper()
		return s.back(t, parse(t, callbackBase+"/callback?"+query))
	}
	t.Run("the service refuses", func(t *testing.T) {
		end := s.through(t, "google", "&redirect_to="+url.QueryEscape(site+"/in?a=1"),
			oauth.FakeUser{Error: "access_denied", ErrorDescription: "The user: denied"})
		if end.Path != "/in" || end.Query().Get("a") != "1" {
			t.Errorf("ends at %s", end)
		}
		failed(t, end, "access_denied", "", "The user: denied")
		// as the original writes it: the fragment is escaped twice
		if want := "#error=access_denied&error_description=The+user%253A+denied&sb="; !strings.HasSuffix(end.String(), want) {
			t.Errorf("the fragment of %s", end)
		}
	})
	t.Run("no code", func(t *testing.T) {
		failed(t, back("state="+state("")), "invalid_request", "bad_oauth_callback", "OAuth callback with missing authorization code missing")
	})
	t.Run("a wrong code", func(t *testing.T) {
		failed(t, back("code=wrong-code&state="+state("")), "server_error", "unexpected_failure", "Unable to exchange external code: wron")
	})
	t.Run("no address", func(t *testing.T) {
		failed(t, s.through(t, "google", "", oauth.FakeUser{Email: "no@one.test", NoEmail: true}),
			"server_error", "unexpected_failure", "Error getting user email from external provider")
	})
	t.Run("the state of another provider's proof", func(t *testing.T) {
		at := parse(t, s.authorize(t, "provider=x"))
		s.exec(t, `delete from auth.oauth_client_states`)
		failed(t, back("code=c&state="+at.Query().Get("state")), "server_error", "oauth_client_state_not_found", "OAuth state not found")
		at = parse(t, s.authorize(t, "provider=x"))
		s.exec(t, `update auth.oauth_client_states set provider_type = 'zoom'`)
		failed(t, back("code=c&state="+at.Query().Get("state")), "invalid_request", "oauth_invalid_state", "OAuth provider mismatch")
		at = parse(t, s.authorize(t, "provider=x"))
		s.exec(t, `update auth.oauth_client_states set created_at = created_at - interval '6 minutes'`)
		failed(t, back("code=c&state="+at.Query().Get("state")), "server_error", "oauth_client_state_expired", "OAuth state expired")
		at = parse(t, s.authorize(t, "provider=x"))
		s.exec(t, `update auth.flow_state set oauth_client_state_id = null where id = $1`, at.Query().Get("state"))
		failed(t, back("code=c&state="+at.Query().Get("state")), "invalid_request", "oauth_invalid_state", "OAuth PKCE code verifier missing")
	})
	t.Run("a provider that is gone", func(t *testing.T) {
		id := state("")
		s.exec(t, `update auth.flow_state set provider_type = 'myspace' where id = $1`, id)
		failed(t, back("code=c&state="+id), "invalid_request", "oauth_provider_not_supported", "Unsupported provider: Provider myspace could not be found")
	})
	t.Run("the project's trigger", func(t *testing.T) {
		s.exec(t, `create function refuse_oauth() returns trigger language plpgsql as $$ begin raise exception 'not here'; end $$`)
		s.exec(t, `create trigger refuse_oauth before insert on auth.users for each row execute function refuse_oauth()`)
		failed(t, s.through(t, "google", "", oauth.FakeUser{Email: "trigger@one.test"}),
			"server_error", "unexpected_failure", "Database error saving new user")
		s.exec(t, `drop trigger refuse_oauth on auth.users`)
	})
	t.Run("banned", func(t *testing.T) {
		u := s.in(t, "google", oauth.FakeUser{Email: "banned@one.test"})
		s.admin(t, "PUT", "/admin/users/"+u.id, map[string]any{"ban_duration": "1h"}).ok(t, 200)
		failed(t, s.through(t, "google", "", oauth.FakeUser{Email: "banned@one.test"}), "access_denied", "user_banned", "User is banned")
	})
	t.Run("expired", func(t *testing.T) {
		id := state("")
		s.clock.advance(5*time.Minute + time.Second)
		if got := query("GET", "/callback?state="+id, "", nil).Get("error_description"); got != "OAuth state has expired" {
			t.Error(got)
		}
	})
	t.Run("old flows are swept", func(t *testing.T) {
		s.clock.advance(25 * time.Hour)
		before := s.value(t, `select count(*) from auth.flow_state where created_at < now()`)
		state("")
		state("") // ten go with each
		if after := s.value(t, `select count(*) from auth.flow_state`); before != "12" || after != "2" {
			t.Errorf("%s flows before, %s after", before, after)
		}
	})
}

const gone = "5f2f5a4e-0000-4000-8000-000000000000"

func TestSocialSignupsDisabled(t *testing.T) {
	t.Parallel()
	s := startSocial(t, func(c *auth.Config) {
		c.DisableSignup = true
		c.OAuth.RedirectURL = "https://app.test/done?x=1"
	})
	end := s.through(t, "github", "", oauth.FakeUser{Email: "new@off.test"})
	if end.Host != "app.test" || end.Query().Get("x") != "1" {
		t.Errorf("ends at %s", end)
	}
	failed(t, end, "access_denied", "signup_disabled", "Signups not allowed for this instance")
	s.admin(t, "POST", "/admin/users", map[string]any{"email": "old@off.test", "email_confirm": true}).ok(t, 200)
	s.in(t, "github", oauth.FakeUser{Email: "old@off.test"})
}

//covers:auth 125
func TestSocialInvite(t *testing.T) {
	t.Parallel()
	s := startSocial(t, confirming)
	invited := s.admin(t, "POST", "/invite", map[string]any{"email": "guest@invite.test", "data": map[string]any{"team": "red"}}).ok(t, 200)
	token := s.value(t, `select confirmation_token from auth.users where email = 'guest@invite.test'`)
	failed(t, s.through(t, "google", "&invite_token="+token, oauth.FakeUser{Email: "other@invite.test"}),
		"invalid_request", "validation_failed", "Invited email does not match emails from external provider")
	end := s.through(t, "google", "&invite_token="+token, oauth.FakeUser{Email: "Guest@invite.test", Unverified: true})
	v := fragment(t, end)
	u := s.do(t, request{path: "/user", token: v.Get("access_token")}).ok(t, 200)
	if u.text("id") != invited.text("id") || u.text("email_confirmed_at") == "" || u.text("app_metadata.providers.0") != "google" || u.at("app_metadata.providers.1") != nil {
		t.Errorf("the guest is %s", u.raw)
	}
	if got := s.value(t, `select payload->>'log_type' from auth.audit_log_entries where payload->>'action' = 'invite_accepted'`); got != "account" {
		t.Errorf("the log type is %q", got)
	}
	s.do(t, request{path: "/authorize?provider=google&invite_token=" + token}).refused(t, 404, "user_not_found", "User identified by token not found")
}
