package auth_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
)

//covers:auth 12 13 14 15
func TestErrorShapes(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	login := map[string]any{"email": "nobody@example.com", "password": "whatever"}

	t.Run("newer", func(t *testing.T) {
		r := f.post(t, "/token?grant_type=password", login)
		r.refused(t, 400, "invalid_credentials", "Invalid login credentials")
		if len(r.body) != 2 {
			t.Errorf("the newer shape has code and message only: %s", r.raw)
		}
	})
	t.Run("older", func(t *testing.T) {
		r := f.do(t, request{method: "POST", path: "/token?grant_type=password", body: login, old: true})
		want := `{"code":400,"error_code":"invalid_credentials","msg":"Invalid login credentials"}`
		if r.status != 400 || r.raw != want || r.header.Get("X-Supabase-Api-Version") != "" || r.header.Get("X-Sb-Error-Code") != "invalid_credentials" {
			t.Errorf("got %d %s %v\nwant %s", r.status, r.raw, r.header, want)
		}
	})
	t.Run("older for an older date", func(t *testing.T) {
		r := f.do(t, request{method: "POST", path: "/token?grant_type=password", body: login, header: map[string]string{"X-Supabase-Api-Version": "2023-06-01"}})
		if r.text("msg") == "" || r.header.Get("X-Supabase-Api-Version") != "" {
			t.Errorf("got %s", r.raw)
		}
	})
	t.Run("success has no version", func(t *testing.T) {
		if r := f.do(t, request{path: "/health"}); r.header.Get("X-Supabase-Api-Version") != "" {
			t.Error("the version header stands on a success")
		}
	})
	t.Run("weak password", func(t *testing.T) {
		weak := map[string]any{"email": "a@b.c", "password": "x"}
		r := f.post(t, "/signup", weak)
		want := `{"code":"weak_password","message":"Password should be at least 6 characters.","weak_password":{"reasons":["length"]}}`
		if r.status != 422 || r.raw != want || r.header.Get("X-Sb-Error-Code") != "" {
			t.Errorf("newer: %d %s %q", r.status, r.raw, r.header.Get("X-Sb-Error-Code"))
		}
		r = f.do(t, request{method: "POST", path: "/signup", body: weak, old: true})
		want = `{"code":422,"error_code":"weak_password","msg":"Password should be at least 6 characters.","weak_password":{"reasons":["length"]}}`
		if r.status != 422 || r.raw != want || r.header.Get("X-Sb-Error-Code") != "weak_password" {
			t.Errorf("older: %d %s", r.status, r.raw)
		}
	})
	t.Run("oauth style", func(t *testing.T) {
		r := f.post(t, "/token?grant_type=id_token", map[string]any{"provider": "google"})
		if want := `{"error":"invalid request","error_description":"id_token required"}`; r.status != 400 || r.raw != want || r.header.Get("X-Sb-Error-Code") != "" {
			t.Errorf("%d %s", r.status, r.raw)
		}
	})
}

//covers:auth 8 9 10 11 73
func TestBodies(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	t.Run("any content type is JSON", func(t *testing.T) {
		f.do(t, request{method: "POST", path: "/signup", body: `{"email":"text@example.com","password":"123456","unknown":1}`,
			header: map[string]string{"Content-Type": "text/plain"}}).ok(t, 200)
	})
	t.Run("empty", func(t *testing.T) {
		f.do(t, request{method: "POST", path: "/signup"}).refused(t, 400, "bad_json", "Could not parse request body as JSON: unexpected end of JSON input")
	})
	t.Run("a form holds parameters and no JSON", func(t *testing.T) {
		u := f.signUp(t, "form@example.com")
		const form, json = "grant_type=password&email=a@b.c&password=x", `{"email":"a@b.co","password":"123456","type":"signup"}`
		for _, c := range []struct{ method, path, token, body string }{
			{"POST", "/token", "", form}, {"POST", "/token?grant_type=password", "", json}, {"POST", "/token?grant_type=refresh_token", "", json},
			{"POST", "/signup", "", json}, {"POST", "/signup", "", form}, {"POST", "/otp", "", json}, {"POST", "/recover", "", json},
			{"POST", "/magiclink", "", json}, {"POST", "/resend", "", json}, {"POST", "/verify", "", json}, {"PUT", "/user", u.token, json},
			{"POST", "/factors", u.token, json}, {"POST", "/admin/users", f.keys.ServiceRoleKey, json}, {"POST", "/invite", f.keys.ServiceRoleKey, json},
		} {
			f.do(t, request{method: c.method, path: c.path, token: c.token, body: c.body,
				header: map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}}).
				refused(t, 400, "bad_json", "Could not parse request body as JSON: unexpected end of JSON input")
		}
	})
	big := `{"email":"` + strings.Repeat("a", 1<<20) + `"}`
	for _, path := range []string{"/signup", "/token?grant_type=password", "/otp", "/recover"} {
		t.Run("too large for "+path, func(t *testing.T) {
			f.do(t, request{method: "POST", path: path, body: big}).
				refused(t, 413, "request_entity_too_large", "Request body too large (max 1048576 bytes)")
		})
	}
	t.Run("too large without a length", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", f.url+"/signup", struct{ *bytes.Buffer }{bytes.NewBufferString(big)})
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != 413 {
			t.Errorf("status %d", res.StatusCode)
		}
	})
	t.Run("nul", func(t *testing.T) {
		r := f.post(t, "/signup", `{"email":"a@b.c","password":"123456","data":{"x":"a\u0000b"}}`)
		r.refused(t, 400, "bad_json", `Could not parse request body as JSON: the character \u0000 cannot be stored`)
	})
	t.Run("grants", func(t *testing.T) {
		for _, path := range []string{"/token", "/token?grant_type=", "/token?grant_type=client_credentials"} {
			f.post(t, path, map[string]any{}).refused(t, 400, "invalid_credentials", "unsupported_grant_type")
		}
	})
}

//covers:auth 6 7
func TestRouting(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "routes@example.com")
	for _, path := range []string{"/", "/nothing", "/health/x", "/users", "/signup/x", "/factor"} {
		r := f.do(t, request{path: path})
		if r.status != 404 || strings.TrimSpace(r.raw) != "404 page not found" || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
			t.Errorf("GET %s: %d %q %s", path, r.status, r.raw, r.header.Get("Content-Type"))
		}
	}
	for path, c := range map[string]struct{ method, allow string }{
		"/health":  {"POST", "GET"},
		"/signup":  {"GET", "POST"},
		"/token":   {"PUT", "POST"},
		"/logout":  {"GET", "POST"},
		"/recover": {"DELETE", "POST"},
	} {
		r := f.do(t, request{method: c.method, path: path, token: u.token})
		if r.status != 405 || r.raw != "" || r.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d %q Allow %q", c.method, path, r.status, r.raw, r.header.Get("Allow"))
		}
	}
	if r := f.do(t, request{method: "HEAD", path: "/health"}); r.status != 405 {
		t.Errorf("HEAD /health: %d", r.status)
	}
	f.do(t, request{method: "PATCH", path: "/user", token: "none"}).
		refused(t, 401, "no_authorization", "This endpoint requires a valid Bearer token")
	if r := f.as(t, u, "PATCH", "/user", nil); r.status != 405 || strings.Join(r.header.Values("Allow"), " ") != "GET PUT" && strings.Join(r.header.Values("Allow"), " ") != "PUT GET" {
		t.Errorf("PATCH /user: %d %v", r.status, r.header.Values("Allow"))
	}
	f.do(t, request{path: "/admin/nothing", token: "none"}).
		refused(t, 401, "no_authorization", "This endpoint requires a valid Bearer token")
	for _, path := range []string{"/health/", "/settings/", "/.well-known/jwks.json/"} {
		f.do(t, request{path: path}).ok(t, 200)
	}
	f.as(t, u, "GET", "/user/", nil).ok(t, 200)
}

//covers:auth 59 82 111 123 127 128 129 130 131
func TestDisabledParts(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "off@example.com")
	service := f.keys.ServiceRoleKey
	for _, c := range []struct {
		method, path, token string
		status              int
		code, message       string
	}{
		{"POST", "/sso", "", 404, "saml_provider_disabled", "SAML 2.0 is disabled"},
		{"GET", "/sso/saml/metadata", "", 404, "saml_provider_disabled", "SAML 2.0 is disabled"},
		{"POST", "/sso/saml/acs", "", 404, "saml_provider_disabled", "SAML 2.0 is disabled"},
		{"POST", "/passkeys/authentication/options", "", 404, "passkey_disabled", "Passkeys are disabled"},
		{"GET", "/passkeys", "", 404, "passkey_disabled", "Passkeys are disabled"},
		{"DELETE", "/passkeys/x", u.token, 404, "passkey_disabled", "Passkeys are disabled"},
		{"GET", "/admin/users/" + u.id + "/passkeys", service, 404, "passkey_disabled", "Passkeys are disabled"},
		{"GET", "/oauth/authorize", "", 404, "feature_disabled", "OAuth server is disabled"},
		{"POST", "/oauth/token", "", 404, "feature_disabled", "OAuth server is disabled"},
		{"GET", "/.well-known/oauth-authorization-server", "", 404, "feature_disabled", "OAuth server is disabled"},
		{"GET", "/user/oauth/grants", u.token, 404, "feature_disabled", "OAuth server is disabled"},
		{"GET", "/user/oauth/grants", "none", 401, "no_authorization", "This endpoint requires a valid Bearer token"},
		{"GET", "/admin/oauth/clients", service, 404, "feature_disabled", "OAuth server is disabled"},
		{"POST", "/admin/oauth/clients/x/regenerate_secret", service, 404, "feature_disabled", "OAuth server is disabled"},
		{"GET", "/admin/oauth/clients", u.token, 403, "not_admin", "User not allowed"},
		{"GET", "/scim/v2/Users", "", 404, "feature_disabled", "SCIM server is disabled"},
		{"POST", "/token?grant_type=web3", "", 422, "web3_provider_disabled", "Web3 provider is disabled"},
		{"GET", "/authorize?provider=google", "", 400, "validation_failed", "Unsupported provider: provider is not enabled"},
		{"GET", "/authorize?provider=nope", "", 400, "validation_failed", "Unsupported provider: Provider nope could not be found"},
		{"GET", "/user/identities/authorize?provider=google", u.token, 404, "manual_linking_disabled", "Manual linking is disabled"},
		{"DELETE", "/user/identities/" + u.id, u.token, 404, "manual_linking_disabled", "Manual linking is disabled"},
	} {
		var body any
		if c.method == "POST" {
			body = map[string]any{}
		}
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			f.do(t, request{method: c.method, path: c.path, token: c.token, body: body}).refused(t, c.status, c.code, c.message)
		})
	}
	if r := f.admin(t, "GET", "/admin/sso/providers", nil).ok(t, 200); r.raw != `{"items":[]}` {
		t.Errorf("sso providers: %s", r.raw)
	}
	if r := f.admin(t, "GET", "/admin/custom-providers", nil).ok(t, 200); r.raw != `{"providers":[]}` {
		t.Errorf("custom providers: %s", r.raw)
	}
	for path, want := range map[string]string{
		"/callback":         "?error=invalid_request&error_code=bad_oauth_callback&error_description=OAuth+state+parameter+missing",
		"/callback?state=x": "?error=invalid_request&error_code=bad_oauth_state&error_description=OAuth+state+parameter+is+invalid",
		"/callback?state=5f2f5a4e-0000-4000-8000-000000000000": "?error=invalid_request&error_code=bad_oauth_state&error_description=OAuth+state+not+found+or+expired",
	} {
		if r := f.do(t, request{path: path}).ok(t, 303); r.header.Get("Location") != "http://127.0.0.1:3000"+want {
			t.Errorf("%s leads to %s", path, r.header.Get("Location"))
		}
	}
}

//covers:auth 15 81
func TestIDTokenErrors(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	post := func(body map[string]any) *response { return f.post(t, "/token?grant_type=id_token", body) }
	for want, body := range map[string]map[string]any{
		`{"error":"invalid request","error_description":"id_token required"}`:                         {},
		`{"error":"invalid request","error_description":"provider or client_id and issuer required"}`: {"id_token": "a.b.c"},
	} {
		if r := post(body); r.status != 400 || r.raw != want {
			t.Errorf("%v: %d %s", body, r.status, r.raw)
		}
	}
	post(map[string]any{"id_token": "a.b.c", "provider": "google"}).
		refused(t, 400, "provider_disabled", `Provider (issuer "https://accounts.google.com") is not enabled`)
	post(map[string]any{"id_token": "a.b.c", "provider": "x"}).
		refused(t, 400, "validation_failed", `Custom OIDC provider "x" not allowed`)
}

//covers:auth 2 17 18 19 20 21 22 23 24
func TestAuthenticationErrors(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "auth@example.com")
	gone := f.signUp(t, "gone@example.com")
	banned := f.signUp(t, "banned@example.com")
	out := f.signUp(t, "out@example.com")
	f.admin(t, "DELETE", "/admin/users/"+gone.id, nil).ok(t, 200)
	f.admin(t, "PUT", "/admin/users/"+banned.id, map[string]any{"ban_duration": "24h"}).ok(t, 200)
	f.as(t, out, "POST", "/logout", nil).ok(t, 204)

	now := time.Now().Unix()
	base := func(change map[string]any) string {
		c := map[string]any{"sub": u.id, "aud": "authenticated", "role": "authenticated", "exp": now + 60}
		for k, v := range change {
			if v == nil {
				delete(c, k)
			} else {
				c[k] = v
			}
		}
		return f.sign(t, c)
	}
	const prefix = "invalid JWT: unable to parse or verify signature, "
	const unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiIxIn0."
	parts := strings.Split(u.token, ".")
	for _, c := range []struct {
		name, token   string
		header        string // the whole Authorization header instead
		status        int
		code, message string
	}{
		{"none", "none", "", 401, "no_authorization", "This endpoint requires a valid Bearer token"},
		{"other scheme", "", "Basic abc", 401, "no_authorization", "This endpoint requires a valid Bearer token"},
		{"two tokens", "", "Bearer a b", 401, "no_authorization", "This endpoint requires a valid Bearer token"},
		{"empty", "", "Bearer ", 401, "no_authorization", "This endpoint requires a valid Bearer token"},
		{"malformed", "garbage", "", 403, "bad_jwt", prefix + "token is malformed: token contains an invalid number of segments"},
		{"bad signature", parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])), "", 403, "bad_jwt", prefix + "token signature is invalid: signature is invalid"},
		{"none algorithm", unsigned, "", 403, "bad_jwt", prefix + "token signature is invalid: signing method none is invalid"},
		{"expired", base(map[string]any{"exp": now - 1}), "", 403, "bad_jwt", prefix + "token has invalid claims: token is expired"},
		{"not yet", base(map[string]any{"nbf": now + 600}), "", 403, "bad_jwt", prefix + "token has invalid claims: token is not valid yet"},
		{"anon key", f.keys.AnonKey, "", 403, "bad_jwt", "invalid claim: missing sub claim"},
		{"service key", f.keys.ServiceRoleKey, "", 403, "bad_jwt", "invalid claim: missing sub claim"},
		{"opaque key", f.keys.PublishableKey, "", 403, "bad_jwt", "invalid claim: missing sub claim"},
		{"sub is no uuid", base(map[string]any{"sub": "x"}), "", 400, "bad_jwt", "invalid claim: sub claim must be a UUID"},
		{"user gone", gone.token, "", 403, "user_not_found", "User from sub claim in JWT does not exist"},
		{"session is no uuid", base(map[string]any{"session_id": "x"}), "", 403, "bad_jwt", "invalid claim: session_id claim must be a UUID"},
		{"session gone", out.token, "", 403, "session_not_found", "Session from session_id claim in JWT does not exist"},
		{"another's session", base(map[string]any{"session_id": claims(t, banned.token)["session_id"]}), "", 403, "session_not_found", "Session from session_id claim in JWT does not exist"},
		{"banned", banned.token, "", 403, "user_banned", "User is banned"},
		{"no aud", base(map[string]any{"aud": nil}), "", 400, "validation_failed", "Token audience doesn't match request audience"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := request{path: "/user", token: c.token}
			if c.header != "" {
				q.header = map[string]string{"Authorization": c.header}
			}
			if c.name == "none" || c.name == "empty" {
				q.token = "none"
			}
			f.do(t, q).refused(t, c.status, c.code, c.message)
		})
	}
	t.Run("a key and no token", func(t *testing.T) {
		for _, c := range []struct {
			key           string
			status        int
			code, message string
		}{
			{f.keys.AnonKey, 401, "no_authorization", "This endpoint requires a valid Bearer token"},
			{f.keys.ServiceRoleKey, 401, "no_authorization", "This endpoint requires a valid Bearer token"},
			{f.keys.PublishableKey, 403, "bad_jwt", "invalid claim: missing sub claim"},
		} {
			f.do(t, request{method: "POST", path: "/factors", token: "none", header: map[string]string{"Apikey": c.key},
				body: map[string]any{"factor_type": "totp"}}).refused(t, c.status, c.code, c.message)
		}
	})
	t.Run("accepted", func(t *testing.T) {
		for name, q := range map[string]request{
			"lower case scheme":   {path: "/user", header: map[string]string{"Authorization": "bearer " + u.token}},
			"without a session":   {path: "/user", token: base(nil)},
			"nil session":         {path: "/user", token: base(map[string]any{"session_id": "00000000-0000-0000-0000-000000000000"})},
			"issued tomorrow":     {path: "/user", token: base(map[string]any{"iat": now + 86400})},
			"aud list":            {path: "/user", token: base(map[string]any{"aud": []string{"authenticated"}})},
			"only the key header": {path: "/settings", token: "none", header: map[string]string{"Apikey": "anything"}},
		} {
			if r := f.do(t, q); r.status != 200 {
				t.Errorf("%s: %d %s", name, r.status, r.raw)
			}
		}
	})
	t.Run("header names the audience", func(t *testing.T) {
		f.do(t, request{path: "/user", token: u.token, header: map[string]string{"X-JWT-AUD": "other"}}).
			refused(t, 400, "validation_failed", "Token audience doesn't match request audience")
	})
	t.Run("admin", func(t *testing.T) {
		for name, c := range map[string]struct {
			token         string
			status        int
			code, message string
		}{
			"none":      {"none", 401, "no_authorization", "This endpoint requires a valid Bearer token"},
			"anon":      {f.keys.AnonKey, 403, "not_admin", "User not allowed"},
			"user":      {u.token, 403, "not_admin", "User not allowed"},
			"malformed": {"x", 403, "bad_jwt", prefix + "token is malformed: token contains an invalid number of segments"},
			"signed out admin": {f.sign(t, map[string]any{"role": "service_role", "sub": out.id, "session_id": claims(t, out.token)["session_id"]}),
				403, "session_not_found", "Session from session_id claim in JWT does not exist"},
		} {
			t.Run(name, func(t *testing.T) {
				f.do(t, request{path: "/admin/users", token: c.token}).refused(t, c.status, c.code, c.message)
			})
		}
		for _, token := range []string{f.keys.ServiceRoleKey, f.keys.SecretKey, f.sign(t, map[string]any{"role": "service_role"}), f.sign(t, map[string]any{"role": "supabase_admin"})} {
			f.do(t, request{path: "/admin/users", token: token}).ok(t, 200)
		}
	})
}

// An access token dies with its time, on the server's clock.
//
//covers:auth 18 35
func TestAccessTokenExpires(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.JWTExpiry = time.Minute })
	u := f.signUp(t, "clock@example.com")
	c := claims(t, u.token)
	if c["exp"].(float64)-c["iat"].(float64) != 60 {
		t.Errorf("exp %v iat %v", c["exp"], c["iat"])
	}
	f.as(t, u, "GET", "/user", nil).ok(t, 200)
	f.clock.advance(61 * time.Second)
	f.as(t, u, "GET", "/user", nil).
		refused(t, 403, "bad_jwt", "invalid JWT: unable to parse or verify signature, token has invalid claims: token is expired")
}

//covers:auth 37 56 57 58
func TestOpenDocuments(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		c.Version, c.Issuer = "v9", "https://x.test/auth/v1"
		c.Phone.Enabled, c.AnonymousSignIns, c.Email.RequireConfirmation = true, false, true
	})
	open := func(path string) *response { return f.do(t, request{path: path, token: "none"}).ok(t, 200) }
	if r := open("/health"); r.text("name") != "GoTrue" || r.text("version") != "v9" || r.text("description") == "" {
		t.Errorf("health: %s", r.raw)
	}
	r := open("/settings")
	want := `{"disable_signup":false,"external":{"anonymous_users":false,"apple":false,"azure":false,"bitbucket":false,"discord":false,` +
		`"email":true,"facebook":false,"figma":false,"fly":false,"github":false,"gitlab":false,"google":false,"kakao":false,"keycloak":false,` +
		`"linkedin":false,"linkedin_oidc":false,"notion":false,"phone":true,"slack":false,"slack_oidc":false,"snapchat":false,"spotify":false,` +
		`"twitch":false,"twitter":false,"workos":false,"zoom":false},"mailer_autoconfirm":false,"passkeys_enabled":false,"phone_autoconfirm":true,` +
		`"saml_enabled":false,"saml_private_key_next_configured":false,"sms_provider":""}`
	if r.raw != want {
		t.Errorf("settings:\n got %s\nwant %s", r.raw, want)
	}
	if r := open("/.well-known/jwks.json"); r.raw != `{"keys":[]}` || r.header.Get("Cache-Control") != "public, max-age=600" {
		t.Errorf("jwks: %s %v", r.raw, r.header)
	}
	r = open("/.well-known/openid-configuration")
	if r.text("jwks_uri") != "https://x.test/auth/v1/.well-known/jwks.json" || r.text("issuer") != "https://x.test/auth/v1" || len(r.at("claims_supported").([]any)) != 15 {
		t.Errorf("openid: %s", r.raw)
	}
	if !json.Valid([]byte(r.raw)) {
		t.Error("no JSON")
	}
}
