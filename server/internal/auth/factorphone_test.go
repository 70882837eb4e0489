package auth_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/mail"
)

// lastText is the newest text message to a number.
func (f *fixture) lastText(t testing.TB, phone string) mail.Message {
	t.Helper()
	list := f.box.List(mail.Filter{To: phone})
	if len(list) == 0 {
		t.Fatalf("no message to %s", phone)
	}
	return list[0]
}

func withPhoneFactors(c *auth.Config) {
	c.Phone = auth.PhoneConfig{Enabled: true, MaxFrequency: -1}
	c.MFA.Phone = auth.PhoneFactorConfig{EnrollEnabled: true, VerifyEnabled: true, CodeLength: 8, Template: "{{ .Code }} it is", MaxFrequency: 10 * time.Second}
}

// A phone is a second factor: a code is texted to it, and raises the session.
//
//covers:auth 121
func TestPhoneFactor(t *testing.T) {
	t.Parallel()
	f := start(t, withPhoneFactors)
	u := f.signUp(t, "phone@example.com")
	other := f.signIn(t, u)
	enroll := func(body map[string]any) *response {
		body["factor_type"] = "phone"
		return f.as(t, u, "POST", "/factors", body)
	}
	enroll(map[string]any{}).refused(t, 400, "validation_failed", "Phone number required to enroll Phone factor")
	enroll(map[string]any{"phone": "abc"}).refused(t, 400, "validation_failed", "Invalid phone number format (E.164 required)")
	enroll(map[string]any{"phone": "15550001", "friendly_name": strings.Repeat("n", 2000)}).refused(t, 400, "validation_failed", "friendly_name cannot be longer than 1024 bytes")
	first := enroll(map[string]any{"phone": "+1 555 0001", "friendly_name": "mine"}).ok(t, 200)
	if first.text("type") != "phone" || first.text("phone") != "+1 555 0001" || first.text("friendly_name") != "mine" || first.at("totp") != nil {
		t.Errorf("enrolled %s", first.raw)
	}
	// the same number again takes the place of the one that nobody has used
	second := enroll(map[string]any{"phone": "15550001", "friendly_name": "mine"}).ok(t, 200)
	enroll(map[string]any{"phone": "15550002", "friendly_name": "mine"}).
		refused(t, 422, "mfa_factor_name_conflict", `A factor with the friendly name "mine" for this user already exists`)
	enroll(map[string]any{"phone": "15550002", "friendly_name": "spare"}).ok(t, 200)
	id := second.text("id")
	if r := f.as(t, u, "GET", "/user", nil); id == first.text("id") || len(r.at("factors").([]any)) != 2 || !strings.Contains(r.raw, `"phone":"15550001","last_challenged_at":null`) {
		t.Errorf("factors %s", r.raw)
	}
	path := "/factors/" + id
	challenge := func(body any) *response { return f.as(t, u, "POST", path+"/challenge", body) }
	verify := func(challengeID, code string) *response {
		return f.as(t, u, "POST", path+"/verify", map[string]any{"challenge_id": challengeID, "code": code})
	}
	challenge(map[string]any{"channel": "whatsapp"}).refused(t, 400, "validation_failed",
		"Invalid channel, supported values are 'sms' or 'whatsapp'. 'whatsapp' is only supported if Twilio or Twilio Verify is used as the provider.")
	challenge("{").refused(t, 400, "bad_json", "Could not parse request body as JSON: unexpected end of JSON input")
	r := challenge(map[string]any{"channel": "sms"}).ok(t, 200)
	if r.text("type") != "phone" || r.at("expires_at") == nil {
		t.Errorf("challenge %s", r.raw)
	}
	m := f.lastText(t, "15550001")
	if len(m.Code) != 8 || m.Text != m.Code+" it is" || m.Kind != mail.SMS {
		t.Errorf("texted %+v", m)
	}
	challenge(nil).refused(t, 429, "over_sms_send_rate_limit", "For security purposes, you can only request this after 9 seconds.")
	verify(r.text("id"), "").refused(t, 400, "validation_failed", "Code needs to be non-empty")
	verify(r.text("id"), "00000000x").refused(t, 422, "mfa_verification_failed", "Invalid MFA Phone code entered")
	verify("6f1b3a52-0000-4000-8000-000000000000", m.Code).refused(t, 422, "mfa_factor_not_found", "MFA factor with the provided challenge ID not found")
	f.clock.advance(5*time.Minute + time.Second)
	verify(r.text("id"), m.Code).refused(t, 422, "mfa_challenge_expired",
		"MFA challenge "+r.text("id")+" has expired, verify against another challenge or create a new challenge.")
	r = challenge(nil).ok(t, 200)
	code := f.lastText(t, "15550001").Code
	elsewhere := f.do(t, request{method: "POST", path: path + "/verify", token: u.token, header: map[string]string{"X-Forwarded-For": "9.9.9.9"},
		body: map[string]any{"challenge_id": r.text("id"), "code": code}})
	elsewhere.refused(t, 422, "mfa_ip_address_mismatch", "Challenge and verify IP addresses mismatch.")
	raised := verify(r.text("id"), code).ok(t, 200)
	verify(r.text("id"), code).refused(t, 422, "mfa_ip_address_mismatch", "Challenge and verify IP addresses mismatch.")
	u.token = raised.text("access_token")
	c := claims(t, u.token)
	if amr := c["amr"].([]any); c["aal"] != "aal2" || amr[0].(map[string]any)["method"] != "mfa/phone" || len(amr) != 2 {
		t.Errorf("claims %v", c)
	}
	f.as(t, other, "GET", "/user", nil).refused(t, 403, "session_not_found", "Session from session_id claim in JWT does not exist")
	if got := f.value(t, `select string_agg(status::text || ' ' || phone, ',') from auth.mfa_factors`); got != "verified 15550001" {
		t.Errorf("unverified factors are left: %s", got)
	}
	enroll(map[string]any{"phone": "15550001", "friendly_name": "again"}).
		refused(t, 422, "mfa_verified_factor_exists", "A verified phone factor already exists, unenroll the existing factor to continue")
	weak := f.signIn(t, u)
	u, weak = weak, u
	enroll(map[string]any{"phone": "15550003"}).refused(t, 403, "insufficient_aal", "AAL2 required to enroll a new factor")
	u = weak
	f.as(t, u, "DELETE", path, nil).ok(t, 200)
	if n := f.value(t, `select count(*) from auth.mfa_amr_claims where authentication_method = 'mfa/phone'`); n != "0" {
		t.Error("the session still says that it was raised")
	}
}

// Each half is switched on its own.
//
//covers:auth 116
func TestPhoneFactorOff(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		withPhoneFactors(c)
		c.MFA.Phone.VerifyEnabled = false
	})
	u := f.signUp(t, "half@example.com")
	id := f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "phone", "phone": "15550001"}).ok(t, 200).text("id")
	for _, path := range []string{"/challenge", "/verify"} {
		f.as(t, u, "POST", "/factors/"+id+path, map[string]any{}).refused(t, 422, "mfa_phone_verify_not_enabled", "MFA verification is disabled for Phone")
	}
}

// The project's hook texts the codes of factors, too, and judges them.
//
//covers:auth 121 157 158
func TestPhoneFactorHooks(t *testing.T) {
	t.Parallel()
	f := withHookFunctions(t, func(c *auth.Config) {
		withPhoneFactors(c)
		c.MFA.Phone.MaxFrequency = -1
	}, auth.HookSendSMS, auth.HookMFAVerification)
	u := f.signUp(t, "hooked@example.com")
	path := "/factors/" + f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "phone", "phone": "15550001"}).ok(t, 200).text("id")
	f.answerHook(t, auth.HookSendSMS, `{"error": {"http_code": 403, "message": "no"}}`)
	f.as(t, u, "POST", path+"/challenge", nil).refused(t, 500, "unexpected_failure", "error invoking hook")
	f.answerHook(t, auth.HookSendSMS, "")
	r := f.as(t, u, "POST", path+"/challenge", map[string]any{"channel": "anything"}).ok(t, 200)
	e := f.told(t, auth.HookSendSMS)
	if field(e, "sms.sms_type") != "mfa" || field(e, "sms.phone") != "15550001" || len(field(e, "sms.otp")) != 8 || field(e, "user.id") != u.id {
		t.Errorf("told %v", e)
	}
	verify := func(code string) *response {
		return f.as(t, u, "POST", path+"/verify", map[string]any{"challenge_id": r.text("id"), "code": code})
	}
	verify("wrong").refused(t, 422, "mfa_verification_failed", "Invalid MFA Phone code entered")
	if e := f.told(t, auth.HookMFAVerification); field(e, "factor_type") != "phone" || field(e, "valid") != "false" {
		t.Errorf("told %v", e)
	}
	verify(field(e, "sms.otp")).ok(t, 200)
}

// twilio stands in for Twilio's two services; it takes the code 111111.
type twilio struct {
	mu   sync.Mutex
	sent []string
	fail bool
}

func (s *twilio) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = r.ParseForm()
	switch {
	case s.fail:
		w.WriteHeader(400)
		_, _ = io.WriteString(w, `{"message":"Bad number.","more_info":"see"}`)
	case strings.HasSuffix(r.URL.Path, "/VerificationCheck"):
		if r.PostForm.Get("Code") == "111111" {
			_, _ = io.WriteString(w, `{"status":"approved","valid":true}`)
			return
		}
		_, _ = io.WriteString(w, `{"status":"pending","valid":false}`)
	default:
		s.sent = append(s.sent, r.PostForm.Get("Channel")+" "+r.PostForm.Get("To")+" "+r.PostForm.Get("Body"))
		_, _ = io.WriteString(w, `{"sid":"SM42"}`)
	}
}

func (s *twilio) set(fail bool) { s.mu.Lock(); defer s.mu.Unlock(); s.fail = fail }

func (s *twilio) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sent) == 0 {
		return ""
	}
	return s.sent[len(s.sent)-1]
}

func withTwilio(t *testing.T, provider string) (*fixture, *twilio) {
	t.Helper()
	service := &twilio{}
	srv := httptest.NewServer(service)
	t.Cleanup(srv.Close)
	f := start(t, func(c *auth.Config) {
		withPhoneFactors(c)
		c.MFA.Phone.MaxFrequency = -1
		c.Phone.RequireConfirmation, c.Password.RequireReauthentication = true, true
		c.Phone.Service = auth.SMSConfig{Provider: provider, AccountSID: "AC1", AuthToken: "t", MessageServiceSID: "MG1", URL: srv.URL}
	})
	return f, service
}

// A service sends the texts; the mailbox has them too.
//
//covers:auth 84
func TestSMSService(t *testing.T) {
	t.Parallel()
	f, service := withTwilio(t, "twilio")
	if got := f.do(t, request{path: "/settings"}).text("sms_provider"); got != "twilio" {
		t.Errorf("sms_provider %q", got)
	}
	f.post(t, "/signup", map[string]any{"phone": "15550001", "password": goodPassword, "channel": "whatsapp"}).ok(t, 200)
	code := f.lastText(t, "15550001").Code
	if got := service.last(); got != "whatsapp whatsapp:+15550001 Your code is "+code {
		t.Errorf("sent %q", got)
	}
	r := f.post(t, "/verify", map[string]any{"type": "sms", "phone": "15550001", "token": code}).ok(t, 200)
	u := user{token: r.text("access_token")}
	if got := f.post(t, "/otp", map[string]any{"phone": "15550001"}).ok(t, 200).text("message_id"); got != "SM42" {
		t.Errorf("message_id %q", got)
	}
	path := "/factors/" + f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "phone", "phone": "15550009"}).ok(t, 200).text("id")
	f.as(t, u, "POST", path+"/challenge", nil).ok(t, 200)
	if got, want := service.last(), "sms +15550009 "+f.lastText(t, "15550009").Code+" it is"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
	service.set(true)
	f.as(t, u, "POST", path+"/challenge", nil).refused(t, 500, "unexpected_failure", "error sending message")
	f.post(t, "/signup", map[string]any{"phone": "15550002", "password": goodPassword}).
		refused(t, 422, "sms_send_failed", "Error sending confirmation OTP to provider: Bad number. More information: see")
	f.as(t, u, "PUT", "/user", map[string]any{"phone": "15550003"}).
		refused(t, 422, "sms_send_failed", "Error sending phone_change OTP to provider: Bad number. More information: see")
	f.as(t, u, "GET", "/reauthenticate", nil).
		refused(t, 422, "sms_send_failed", "Error sending reauthentication OTP to provider: Bad number. More information: see")
	if n := f.value(t, `select count(*) from auth.users`); n != "1" {
		t.Errorf("%s users: who cannot be texted is not signed up", n)
	}
}

// Twilio Verify makes and checks the codes itself.
//
//covers:auth 84 121
func TestSMSVerifyService(t *testing.T) {
	t.Parallel()
	f, service := withTwilio(t, "twilio_verify")
	f.post(t, "/signup", map[string]any{"phone": "15550001", "password": goodPassword}).ok(t, 200)
	if got := service.last(); got != "sms +15550001 " {
		t.Errorf("sent %q", got)
	}
	verify := func(code string) *response {
		return f.post(t, "/verify", map[string]any{"type": "sms", "phone": "15550001", "token": code})
	}
	verify("222222").refused(t, 403, "otp_expired", "Token has expired or is invalid")
	u := user{token: verify("111111").ok(t, 200).text("access_token")}
	f.exec(t, "update auth.sessions set created_at = now() - interval '25 hours'")
	f.as(t, u, "GET", "/reauthenticate", nil).ok(t, 200)
	put := func(nonce string) *response {
		return f.as(t, u, "PUT", "/user", map[string]any{"password": "another one", "nonce": nonce})
	}
	put("222222").refused(t, 403, "otp_expired", "Token has expired or is invalid")
	put("111111").ok(t, 200)
	path := "/factors/" + f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "phone", "phone": "15550009"}).ok(t, 200).text("id")
	id := f.as(t, u, "POST", path+"/challenge", nil).ok(t, 200).text("id")
	attempt := func(code string) *response {
		return f.as(t, u, "POST", path+"/verify", map[string]any{"challenge_id": id, "code": code})
	}
	attempt("222222").refused(t, 403, "otp_expired", "Token has expired or is invalid")
	if c := claims(t, attempt("111111").ok(t, 200).text("access_token")); c["aal"] != "aal2" {
		t.Errorf("claims %v", c)
	}
	if n := len(f.box.List(mail.Filter{})); n != 0 {
		t.Errorf("%d messages in the mailbox hold codes that are none", n)
	}
}
