package auth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/suparust/suparust/server/internal/auth"
)

// Claims of another type than issued ones have are no claims.
//
//covers:auth 18
func TestClaimTypes(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "types@example.com")
	const prefix = "invalid JWT: unable to parse or verify signature, token is malformed: could not JSON decode claim: json: cannot unmarshal "
	for _, c := range []struct {
		claim string
		value any
		want  string
	}{
		{"sub", 5, "number into Go struct field AccessTokenClaims.RegisteredClaims.sub of type string"},
		{"role", 5, "number into Go struct field AccessTokenClaims.role of type string"},
		{"role", []string{"service_role"}, "array into Go struct field AccessTokenClaims.role of type string"},
		{"session_id", true, "bool into Go struct field AccessTokenClaims.session_id of type string"},
		{"aal", 2, "number into Go struct field AccessTokenClaims.aal of type string"},
		{"amr", "x", "string into Go struct field AccessTokenClaims.amr of type []models.AMREntry"},
		{"is_anonymous", "yes", "string into Go struct field AccessTokenClaims.is_anonymous of type bool"},
		{"user_metadata", "x", "string into Go struct field AccessTokenClaims.user_metadata of type map[string]interface {}"},
	} {
		m := map[string]any{"sub": u.id, "aud": "authenticated", "role": "authenticated", c.claim: c.value}
		token := f.sign(t, m)
		for _, path := range []string{"/user", "/admin/users"} {
			f.do(t, request{path: path, token: token}).refused(t, 403, "bad_jwt", prefix+c.want)
		}
	}
	f.do(t, request{path: "/user", token: f.sign(t, map[string]any{"sub": u.id, "aud": "authenticated", "role": nil, "amr": nil})}).ok(t, 200)
}

// One blank stands between the scheme and the token.
//
//covers:auth 17 18
func TestBearerForm(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "bearer@example.com")
	get := func(header string) *response {
		return f.do(t, request{path: "/user", token: "none", header: map[string]string{"Authorization": header}})
	}
	for _, scheme := range []string{"Bearer", "bearer", "BEARER"} {
		get(scheme+" "+u.token).ok(t, 200)
	}
	for _, bad := range []string{"Bearer  " + u.token, "Bearer " + u.token + " x", "Bearer", "Basic " + u.token, u.token} {
		get(bad).refused(t, 401, "no_authorization", "This endpoint requires a valid Bearer token")
	}
	get("Bearer !.b.c").refused(t, 403, "bad_jwt",
		"invalid JWT: unable to parse or verify signature, token is malformed: could not base64 decode header: illegal base64 data at input byte 0")
}

// What the rows and the audit log say, as other servers write and read them.
func TestRowsAsOthersWriteThem(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Phone.Enabled = true })
	const auditOf = "select string_agg(concat_ws('|', payload->>'actor_username', payload->'traits'), ' ') from auth.audit_log_entries where payload->>'action' = "
	audited := func(action, want string) {
		t.Helper()
		if got := f.value(t, auditOf+"'"+action+"'"); got != want {
			t.Errorf("%s: %s\nwant %s", action, got, want)
		}
		f.exec(t, "delete from auth.audit_log_entries")
	}
	r := f.post(t, "/signup", map[string]any{"phone": "15550100", "password": goodPassword}).ok(t, 200)
	audited("user_signedup", `15550100|{"channel":"sms","provider":"phone"}`)
	f.as(t, user{token: r.text("access_token")}, "PUT", "/user", map[string]any{"phone": "15550101"}).ok(t, 200)
	audited("user_modified", "15550100 15550101")
	id := r.text("user.id")
	f.admin(t, "PUT", "/admin/users/"+id, map[string]any{"phone": "15550102"}).ok(t, 200)
	audited("user_modified", `service_role|{"user_email":"","user_id":"`+id+`","user_phone":"15550102"}`)
	invited := f.admin(t, "POST", "/invite", map[string]any{"email": "i@example.com"}).ok(t, 200).text("id")
	audited("user_invited", `service_role|{"user_email":"i@example.com","user_id":"`+invited+`"}`)

	_, challenge := pkce(t)
	f.post(t, "/otp", map[string]any{"email": "flow@example.com", "code_challenge": challenge, "code_challenge_method": "s256"}).ok(t, 200)
	if got := f.value(t, "select provider_access_token = '' and provider_refresh_token = '' from auth.flow_state"); got != "true" {
		t.Errorf("the flow's tokens are not empty: %q", got)
	}
}

// An address that cannot be anybody's is one more that is unknown.
//
//covers:auth 85
func TestOTPForNobody(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Phone.Enabled = true })
	for _, body := range []map[string]any{{"email": "nobody@example.com"}, {"email": "no address"}, {"phone": "15550100"}, {"phone": "no number"}} {
		body["create_user"] = false
		f.post(t, "/otp", body).refused(t, 422, "otp_disabled", "Signups not allowed for otp")
	}
	f.post(t, "/otp", map[string]any{"email": "new@example.com"}).ok(t, 200)
	f.post(t, "/otp", map[string]any{"email": "new@example.com", "create_user": false}).ok(t, 200)
}

// A sign-in by password tells that the password is good by a null; no other
// answer has the member.
//
//covers:auth 39
func TestWeakPasswordMember(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "member@example.com")
	member := func(r *response) (any, bool) { v, there := r.body["weak_password"]; return v, there }
	r := f.post(t, "/token?grant_type=password", map[string]any{"email": u.email, "password": u.password}).ok(t, 200)
	if v, there := member(r); v != nil || !there {
		t.Errorf("password grant: %v, there: %v", v, there)
	}
	r = f.post(t, "/token?grant_type=refresh_token", map[string]any{"refresh_token": r.text("refresh_token")}).ok(t, 200)
	if _, there := member(r); there {
		t.Error("a refresh has the member")
	}
}

// Authenticator apps are told the issuer as it is written.
//
//covers:auth 114
func TestTOTPAddress(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "app@example.com")
	for issuer, want := range map[string]string{
		"":              "otpauth://totp/127.0.0.1:3000:app@example.com?algorithm=SHA1&digits=6&issuer=127.0.0.1:3000&period=30&secret=",
		"My App":        "otpauth://totp/My%20App:app@example.com?algorithm=SHA1&digits=6&issuer=My%20App&period=30&secret=",
		"a&period=1 ?#": "otpauth://totp/a&period=1%20%3F%23:app@example.com?algorithm=SHA1&digits=6&issuer=a%26period=1%20%3F%23&period=30&secret=",
	} {
		r := f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "totp", "issuer": issuer, "friendly_name": "for " + issuer}).ok(t, 200)
		if got := r.text("totp.uri"); got != want+r.text("totp.secret") {
			t.Errorf("issuer %q: %s", issuer, got)
		}
	}
}

// The page before the first is the first, and has a next one.
//
//covers:auth 132
func TestListFromPageZero(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.signUp(t, "one@example.com")
	for query, want := range map[string]string{
		"?page=0": `</admin/users?page=1>; rel="next", </admin/users?page=1>; rel="last"`,
		"?page=1": `</admin/users?page=1>; rel="last"`,
		"":        `</admin/users?page=1>; rel="last"`,
	} {
		r := f.admin(t, "GET", "/admin/users"+query, nil).ok(t, 200)
		if got := r.header.Get("Link"); got != want || len(r.at("users").([]any)) != 1 {
			t.Errorf("%q: %s, %s", query, got, r.raw)
		}
	}
	id := f.value(t, "select id from auth.users")
	f.admin(t, "DELETE", "/admin/users/"+id, map[string]any{"should_soft_delete": true}).ok(t, 200)
	if r := f.admin(t, "GET", "/admin/users/"+id, nil).ok(t, 200); strings.Contains(r.raw, "identity_data") {
		t.Errorf("emptied data is shown: %s", r.raw)
	}
}

// noNetwork is where nothing can be reached.
type noNetwork struct{ t *testing.T }

func (n noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	n.t.Errorf("%s is asked for", r.URL)
	return nil, errors.New("no network")
}

// What is no token at all is refused without a look at its issuer's keys.
//
//covers:auth 81
func TestIDTokenOfNoForm(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		c.OAuth.Providers = map[string]auth.OAuthProvider{"google": {Enabled: true, ClientIDs: []string{"web"}, Secret: "s"}}
		c.OAuth.Transport = noNetwork{t}
	})
	for _, token := range []string{"mock-id-token", "a.b", "a.b.c.d", " "} {
		r := f.post(t, "/token?grant_type=id_token", map[string]any{"provider": "google", "id_token": token})
		if r.status != 400 || r.raw != `{"error":"invalid request","error_description":"Bad ID token"}` {
			t.Errorf("%q: %d %s", token, r.status, r.raw)
		}
	}
}
