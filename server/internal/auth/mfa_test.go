package auth_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
)

// totp is an authenticator app.
func totp(t testing.TB, secret string, now time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	var step [8]byte
	binary.BigEndian.PutUint64(step[:], uint64(now.Unix()/30))
	m := hmac.New(sha1.New, key)
	m.Write(step[:])
	sum := m.Sum(nil)
	at := sum[19] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1000000)
}

//covers:auth 34 54 110 114 115 116 117 118 119 120
func TestSecondFactor(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "mfa@example.com")
	other := f.signIn(t, u)
	enroll := func(u user, body map[string]any) *response { return f.as(t, u, "POST", "/factors", body) }
	r := enroll(u, map[string]any{"factor_type": "totp", "friendly_name": "phone"}).ok(t, 200)
	id, secret := r.text("id"), r.text("totp.secret")
	uri, err := url.Parse(r.text("totp.uri"))
	if err != nil || uri.Scheme != "otpauth" || uri.Host != "totp" || uri.Path != "/127.0.0.1:3000:mfa@example.com" || uri.Query().Get("secret") != secret ||
		uri.Query().Get("issuer") != "127.0.0.1:3000" || uri.Query().Get("algorithm") != "SHA1" || uri.Query().Get("digits") != "6" || uri.Query().Get("period") != "30" {
		t.Errorf("uri %s", r.text("totp.uri"))
	}
	if len(secret) != 32 || r.text("type") != "totp" || r.text("friendly_name") != "phone" || !strings.HasPrefix(r.text("totp.qr_code"), "<svg") {
		t.Errorf("enrolled: %.300s", r.raw)
	}
	for _, c := range []struct {
		body          map[string]any
		status        int
		code, message string
	}{
		{map[string]any{}, 400, "validation_failed", "factor_type needs to be totp, phone, or webauthn"},
		{map[string]any{"factor_type": "phone"}, 422, "mfa_phone_enroll_not_enabled", "MFA enroll is disabled for Phone"},
		{map[string]any{"factor_type": "webauthn"}, 422, "mfa_webauthn_enroll_not_enabled", "MFA enroll is disabled for WebAuthn"},
		{map[string]any{"factor_type": "totp", "friendly_name": "phone"}, 422, "mfa_factor_name_conflict", `A factor with the friendly name "phone" for this user already exists`},
		{map[string]any{"factor_type": "totp", "friendly_name": strings.Repeat("n", 5000)}, 400, "validation_failed", "friendly_name cannot be longer than 1024 bytes"},
		{map[string]any{"factor_type": "totp", "issuer": strings.Repeat("x", 3000)}, 400, "validation_failed", "The issuer is too long to be drawn as a QR code"},
	} {
		enroll(u, c.body).refused(t, c.status, c.code, c.message)
	}
	enroll(u, map[string]any{"factor_type": "totp"}).ok(t, 200)
	if got := f.as(t, u, "GET", "/user", nil).ok(t, 200); got.text("factors.0.status") != "unverified" || got.text("factors.0.factor_type") != "totp" || strings.Contains(got.raw, secret) {
		t.Errorf("user: %s", got.raw)
	}

	challenge := f.as(t, u, "POST", "/factors/"+id+"/challenge", nil).ok(t, 200)
	if challenge.text("type") != "totp" || challenge.at("expires_at").(float64) < float64(time.Now().Unix()+295) {
		t.Errorf("challenge: %s", challenge.raw)
	}
	verify := func(u user, factor, challenge, code string) *response {
		return f.as(t, u, "POST", "/factors/"+factor+"/verify", map[string]any{"challenge_id": challenge, "code": code})
	}
	now := f.clock.now
	verify(u, "x", challenge.text("id"), "000000").refused(t, 404, "validation_failed", "factor_id must be an UUID")
	verify(u, u.id, challenge.text("id"), "000000").refused(t, 404, "mfa_factor_not_found", "Factor not found")
	verify(u, id, challenge.text("id"), "").refused(t, 400, "validation_failed", "Code needs to be non-empty")
	verify(u, id, u.id, "000000").refused(t, 422, "mfa_factor_not_found", "MFA factor with the provided challenge ID not found")
	wrong := "000000"
	if totp(t, secret, now()) == wrong {
		wrong = "000001"
	}
	verify(u, id, challenge.text("id"), wrong+"0").refused(t, 422, "mfa_verification_failed", "Invalid TOTP code entered")
	moved := f.do(t, request{method: "POST", path: "/factors/" + id + "/verify", token: u.token, header: map[string]string{"X-Forwarded-For": "203.0.113.1"},
		body: map[string]any{"challenge_id": challenge.text("id"), "code": totp(t, secret, now())}})
	moved.refused(t, 422, "mfa_ip_address_mismatch", "Challenge and verify IP addresses mismatch.")
	f.clock.advance(301 * time.Second)
	verify(u, id, challenge.text("id"), totp(t, secret, now())).refused(t, 422, "mfa_challenge_expired",
		"MFA challenge "+challenge.text("id")+" has expired, verify against another challenge or create a new challenge.")
	verify(u, id, challenge.text("id"), totp(t, secret, now())).refused(t, 422, "mfa_factor_not_found", "MFA factor with the provided challenge ID not found")
	verify(u, id, "x", "000000").refused(t, 400, "bad_json", `Could not parse request body as JSON: uuid: incorrect UUID length 1 in string "x"`)
	challenge = f.as(t, u, "POST", "/factors/"+id+"/challenge", map[string]any{}).ok(t, 200)

	r = verify(u, id, challenge.text("id"), totp(t, secret, now())).ok(t, 200)
	c := claims(t, r.text("access_token"))
	if c["aal"] != "aal2" || c["session_id"] != claims(t, u.token)["session_id"] || c["amr"].([]any)[0].(map[string]any)["method"] != "totp" || len(c["amr"].([]any)) != 2 {
		t.Errorf("claims %v", c)
	}
	if r.text("user.factors.0.status") != "verified" || r.at("user.factors.1") != nil {
		t.Errorf("factors %v", r.at("user.factors"))
	}
	verify(u, id, challenge.text("id"), totp(t, secret, now())).refused(t, 422, "mfa_ip_address_mismatch", "Challenge and verify IP addresses mismatch.")
	f.as(t, other, "GET", "/user", nil).refused(t, 403, "session_not_found", "Session from session_id claim in JWT does not exist")
	f.refresh(t, u.refresh).ok(t, 200) // the parent of the active one
	strong := user{id: u.id, token: r.text("access_token"), refresh: r.text("refresh_token")}
	refreshed := f.refresh(t, strong.refresh).ok(t, 200)
	if claims(t, refreshed.text("access_token"))["aal"] != "aal2" {
		t.Error("a refresh loses the level")
	}

	weak := f.signIn(t, u)
	if claims(t, weak.token)["aal"] != "aal1" {
		t.Error("a new sign-in starts at aal2")
	}
	enroll(weak, map[string]any{"factor_type": "totp", "friendly_name": "two"}).refused(t, 403, "insufficient_aal", "AAL2 required to enroll a new factor")
	f.as(t, weak, "DELETE", "/factors/"+id, nil).refused(t, 422, "insufficient_aal", "AAL2 required to unenroll verified factor")
	for _, body := range []map[string]any{{"password": "another one"}, {"email": "n@example.com"}, {"phone": "15550100"}} {
		f.as(t, weak, "PUT", "/user", body).refused(t, 401, "insufficient_aal", "AAL2 session is required to update email or password when MFA is enabled.")
	}
	f.as(t, weak, "PUT", "/user", map[string]any{"data": map[string]any{"x": 1}}).ok(t, 200)
	f.as(t, strong, "PUT", "/user", map[string]any{"password": "another one"}).ok(t, 200)

	if r := f.as(t, strong, "DELETE", "/factors/"+id, nil).ok(t, 200); r.raw != `{"id":"`+id+`"}` {
		t.Errorf("unenrolled: %s", r.raw)
	}
	refreshed = f.refresh(t, refreshed.text("refresh_token")).ok(t, 200)
	if c := claims(t, refreshed.text("access_token")); c["aal"] != "aal1" || len(c["amr"].([]any)) != 1 {
		t.Errorf("after unenrolling: %v", c)
	}
}

//covers:auth 115 116
func TestFactorLimitsAndExpiry(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.MFA.MaxFactors = 2 })
	u := f.signUp(t, "limit@example.com")
	enroll := func(name string) *response {
		return f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "totp", "friendly_name": name})
	}
	enroll("one").ok(t, 200)
	two := enroll("two").ok(t, 200).text("id")
	enroll("three").refused(t, 422, "too_many_enrolled_mfa_factors", "Maximum number of verified factors reached, unenroll to continue")
	f.clock.advance(4 * time.Minute)
	f.as(t, u, "POST", "/factors/"+two+"/challenge", nil).ok(t, 200)
	f.clock.advance(2 * time.Minute)
	enroll("three").ok(t, 200)
	if got := f.value(t, "select string_agg(friendly_name, ' ' order by friendly_name) from auth.mfa_factors"); got != "three two" {
		t.Errorf("factors left: %s", got)
	}

	off := start(t, func(c *auth.Config) { c.MFA.DisableTOTPEnroll, c.MFA.DisableTOTPVerify = true, true })
	u = off.signUp(t, "off@example.com")
	off.as(t, u, "POST", "/factors", map[string]any{"factor_type": "totp"}).refused(t, 422, "mfa_totp_enroll_not_enabled", "MFA enroll is disabled for TOTP")
	off.exec(t, "insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at, secret) values ($1, $1, 'totp', 'verified', now(), now(), 'A')", u.id)
	off.as(t, u, "POST", "/factors/"+u.id+"/challenge", nil).refused(t, 422, "mfa_totp_verify_not_enabled", "MFA verification is disabled for TOTP")
}

//covers:auth 138 139
func TestAdminFactors(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "af@example.com")
	path := "/admin/users/" + u.id + "/factors"
	if r := f.admin(t, "GET", path, nil).ok(t, 200); r.raw != "[]" {
		t.Errorf("none: %s", r.raw)
	}
	id := f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "totp", "friendly_name": "one"}).ok(t, 200).text("id")
	if r := f.admin(t, "GET", path, nil).ok(t, 200); !strings.HasPrefix(r.raw, `[{"id":"`+id+`"`) || !strings.Contains(r.raw, `"last_challenged_at":null`) {
		t.Errorf("one: %s", r.raw)
	}
	if r := f.admin(t, "PUT", path+"/"+id, map[string]any{"friendly_name": "renamed"}).ok(t, 200); r.text("friendly_name") != "renamed" {
		t.Errorf("renamed: %s", r.raw)
	}
	f.admin(t, "PUT", path+"/x", map[string]any{}).refused(t, 404, "validation_failed", "factor_id must be an UUID")
	f.admin(t, "DELETE", path+"/"+u.id, nil).refused(t, 404, "mfa_factor_not_found", "Factor not found")
	if r := f.admin(t, "DELETE", path+"/"+id, nil).ok(t, 200); r.text("id") != id {
		t.Errorf("deleted: %s", r.raw)
	}
	if got := f.value(t, "select string_agg(payload->>'action', ' ' order by created_at, payload->>'action') from auth.audit_log_entries where payload->>'log_type' = 'factor'"); got != "factor_in_progress factor_updated factor_deleted" {
		t.Errorf("audit %s", got)
	}
}
