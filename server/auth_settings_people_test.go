package server_test

import (
	"strconv"
	"strings"
	"testing"
)

// TestSettingsOfPeople: who may come in, and where links lead.
//
//covers:auth 172 173 178
func TestSettingsOfPeople(t *testing.T) {
	t.Parallel()
	port := strconv.Itoa(freePortFor(t))
	for _, c := range []setting{
		{"GOTRUE_SITE_URL=https://site.example/app", `site_url = "https://site.example/app"`, func(s authServer) {
			s.equal(s.back(""), "https://site.example/app")
		}},
		{"GOTRUE_URI_ALLOW_LIST=https://*.example.com/**,myapp://back", `additional_redirect_urls = ["https://*.example.com/**", "myapp://back"]`, func(s authServer) {
			s.equal(s.back("&redirect_to=https://a.example.com/b/c"), "https://a.example.com/b/c")
			s.equal(s.back("&redirect_to=myapp://back"), "myapp://back")
			s.equal(s.back("&redirect_to=https://evil.example.org"), "http://127.0.0.1:3000")
		}},
		{"API_EXTERNAL_URL=http://localhost:" + port + "/auth/v1\nGOTRUE_API_PORT=" + port, "", func(s authServer) {
			s.signUp()
			if link := s.link().at("action_link"); !strings.HasPrefix(link, "http://localhost:"+port+"/auth/v1/verify?token=") {
				s.t.Error(link)
			}
		}},
		{"SUPARUST_AUTH_EXTERNAL_URL=https://auth.example/", `external_url = "https://auth.example"`, func(s authServer) {
			token := s.signUp().at("access_token")
			if link := s.link().at("action_link"); !strings.HasPrefix(link, "https://auth.example/verify?token=") {
				s.t.Error(link)
			}
			s.equal(s.tokenClaims(token).at("iss"), "https://auth.example")
		}},
		{"GOTRUE_API_PORT=0", "", func(s authServer) { // as behind a gateway that strips the prefix
			s.equal(s.Client().Get(s.t, "/health").Status, 200)
			s.equal(s.Client().Get(s.t, "/auth/v1/health").Status, 200)
			s.equal(s.Client().Get(s.t, "/rest/v1/").Status, 200)
		}},
		{"GOTRUE_DISABLE_SIGNUP=true", "enable_signup = false", func(s authServer) {
			s.want(s.post("/signup", map[string]any{"email": settingsEmail, "password": settingsPassword}), 422, "signup_disabled")
			s.equal(s.want(s.ask("GET", "/settings", "", nil), 200, "").at("disable_signup"), true)
		}},
		{"GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED=false", "enable_anonymous_sign_ins = false", func(s authServer) {
			s.want(s.post("/signup", map[string]any{}), 422, "anonymous_provider_disabled")
		}},
		{"GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED=true", "enable_anonymous_sign_ins = true", func(s authServer) {
			s.want(s.post("/signup", map[string]any{}), 200, "")
		}},
		{"GOTRUE_EXTERNAL_EMAIL_ENABLED=false", "email.enable_signup = false", func(s authServer) {
			s.want(s.post("/signup", map[string]any{"email": settingsEmail, "password": settingsPassword}), 400, "email_provider_disabled")
			s.want(s.post("/token?grant_type=password", map[string]any{"email": settingsEmail, "password": "x"}), 422, "email_provider_disabled")
		}},
		{"GOTRUE_EXTERNAL_EMAIL_MAGIC_LINK_ENABLED=false", "", func(s authServer) {
			s.want(s.post("/otp", map[string]any{"email": settingsEmail}), 422, "email_provider_disabled")
		}},
		{"GOTRUE_MAILER_AUTOCONFIRM=false", "email.enable_confirmations = true", func(s authServer) {
			s.equal(s.signUp().at("access_token"), "")
			s.want(s.post("/token?grant_type=password", map[string]any{"email": settingsEmail, "password": settingsPassword}), 400, "email_not_confirmed")
		}},
		{"GOTRUE_MAILER_AUTOCONFIRM=true", "email.enable_confirmations = false", func(s authServer) {
			s.equal(s.signUp().at("token_type"), "bearer")
		}},
		{"GOTRUE_MAILER_SECURE_EMAIL_CHANGE_ENABLED=false", "email.double_confirm_changes = false", func(s authServer) {
			token := s.signUp().at("access_token")
			s.want(s.ask("PUT", "/user", token, map[string]any{"email": "new@example.com"}), 200, "")
			s.equal(len(s.Mail.To(settingsEmail)), 0)
			s.equal(len(s.Mail.To("new@example.com")), 1)
		}},
		{"GOTRUE_MAILER_SECURE_EMAIL_CHANGE_ENABLED=true", "email.double_confirm_changes = true", func(s authServer) {
			token := s.signUp().at("access_token")
			s.want(s.ask("PUT", "/user", token, map[string]any{"email": "new@example.com"}), 200, "")
			s.equal(len(s.Mail.To(settingsEmail))+len(s.Mail.To("new@example.com")), 2)
		}},
		{"GOTRUE_SMTP_MAX_FREQUENCY=1h", `email.max_frequency = "1h"`, func(s authServer) {
			s.signUp()
			s.want(s.post("/recover", map[string]any{"email": settingsEmail}), 200, "")
			s.want(s.post("/recover", map[string]any{"email": settingsEmail}), 429, "over_email_send_rate_limit")
		}},
		{"GOTRUE_SMTP_MAX_FREQUENCY=0", "", func(s authServer) {
			s.signUp()
			for range 3 {
				s.want(s.post("/recover", map[string]any{"email": settingsEmail}), 200, "")
			}
		}},
		{"GOTRUE_MAILER_OTP_LENGTH=8", "email.otp_length = 8", func(s authServer) {
			s.signUp()
			s.equal(len(s.link().at("email_otp")), 8)
		}},
		{"GOTRUE_MAILER_OTP_EXP=60", "email.otp_expiry = 60", func(s authServer) {
			s.signUp()
			l := s.link()
			s.Exec(s.t, "update auth.users set recovery_sent_at = recovery_sent_at - interval '61 seconds'")
			s.want(s.post("/verify", map[string]any{"type": "recovery", "token_hash": l.at("hashed_token")}), 403, "otp_expired")
		}},
		{"SUPARUST_TEST_OTP=Ann@example.com:424242,other@example.com:111111", "", func(s authServer) {
			s.want(s.post("/otp", map[string]any{"email": settingsEmail}), 200, "")
			s.want(s.post("/verify", map[string]any{"type": "email", "email": settingsEmail, "token": "424242"}), 200, "")
		}},
		{"SUPARUST_FIXED_CODE=123456", "", func(s authServer) {
			s.signUp()
			s.equal(s.link().at("email_otp"), "123456")
		}},
		{"GOTRUE_SECURITY_MANUAL_LINKING_ENABLED=true", "enable_manual_linking = true", func(s authServer) {
			token := s.signUp().at("access_token")
			s.want(s.ask("GET", "/user/identities/authorize?provider=google", token, nil), 400, "validation_failed")
		}},
		{"GOTRUE_SECURITY_MANUAL_LINKING_ENABLED=false", "enable_manual_linking = false", func(s authServer) {
			token := s.signUp().at("access_token")
			s.want(s.ask("GET", "/user/identities/authorize?provider=google", token, nil), 404, "manual_linking_disabled")
		}},
		{"GOTRUE_AUDIT_LOG_DISABLE_POSTGRES=true", "", func(s authServer) {
			s.signUp()
			var n int
			if err := s.Pool(s.t).QueryRow(s.t.Context(), "select count(*) from auth.audit_log_entries").Scan(&n); err != nil {
				s.t.Fatal(err)
			}
			s.equal(n, 0)
		}},
	} {
		c.run(t)
	}
}

const settingsPhone = "15550001111"

// TestSettingsOfPhones: sign-in by phone.
//
//covers:auth 172 178
func TestSettingsOfPhones(t *testing.T) {
	t.Parallel()
	phone := func(s authServer, status int, code string) object {
		s.t.Helper()
		return s.want(s.post("/signup", map[string]any{"phone": "+" + settingsPhone, "password": settingsPassword}), status, code)
	}
	const on, onTOML = "GOTRUE_EXTERNAL_PHONE_ENABLED=true\n", "sms.enable_signup = true\n"
	for _, c := range []setting{
		{"GOTRUE_EXTERNAL_PHONE_ENABLED=false", "sms.enable_signup = false", func(s authServer) { phone(s, 400, "phone_provider_disabled") }},
		{"GOTRUE_SMS_AUTOCONFIRM=true\n" + on, "sms.enable_confirmations = false\n" + onTOML, func(s authServer) {
			s.equal(phone(s, 200, "").at("token_type"), "bearer")
		}},
		{"GOTRUE_SMS_AUTOCONFIRM=false\n" + on, "sms.enable_confirmations = true\n" + onTOML, func(s authServer) {
			s.equal(phone(s, 200, "").at("token_type"), "")
		}},
		{"GOTRUE_SMS_TEMPLATE=Use {{ .Code }} now\n" + on, "sms.template = \"Use {{ .Code }} now\"\n" + onTOML, func(s authServer) {
			phone(s, 200, "")
			s.want(s.post("/otp", map[string]any{"phone": settingsPhone}), 200, "")
			m := s.Mail.Wait(s.t, settingsPhone)
			if m.Text != "Use "+m.Code+" now" || len(m.Code) != 6 {
				s.t.Errorf("%+v", m)
			}
		}},
		{"GOTRUE_SMS_OTP_LENGTH=9\n" + on, "", func(s authServer) {
			phone(s, 200, "")
			s.want(s.post("/otp", map[string]any{"phone": settingsPhone}), 200, "")
			s.equal(len(s.Mail.Wait(s.t, settingsPhone).Code), 9)
		}},
		{"GOTRUE_SMS_MAX_FREQUENCY=1h\n" + on, "sms.max_frequency = \"1h\"\n" + onTOML, func(s authServer) {
			phone(s, 200, "")
			s.want(s.post("/otp", map[string]any{"phone": settingsPhone}), 200, "")
			s.want(s.post("/otp", map[string]any{"phone": settingsPhone}), 429, "over_sms_send_rate_limit")
		}},
		{"GOTRUE_SMS_OTP_EXP=30\n" + on, "", func(s authServer) {
			phone(s, 200, "")
			s.want(s.post("/otp", map[string]any{"phone": settingsPhone}), 200, "")
			s.Exec(s.t, "update auth.users set confirmation_sent_at = confirmation_sent_at - interval '31 seconds'")
			s.want(s.post("/verify", map[string]any{"type": "sms", "phone": settingsPhone, "token": s.Mail.Wait(s.t, settingsPhone).Code}), 403, "otp_expired")
		}},
		{"GOTRUE_SMS_TEST_OTP=+1 555 0001111:424242\n" + on, "sms.test_otp.15550001111 = \"424242\"\n" + onTOML, func(s authServer) {
			phone(s, 200, "")
			s.equal(s.want(s.post("/otp", map[string]any{"phone": settingsPhone}), 200, "").at("message_id"), "test-otp")
			s.want(s.post("/verify", map[string]any{"type": "sms", "phone": settingsPhone, "token": "424242"}), 200, "")
			s.equal(len(s.Mail.All()), 0)
		}},
		{"GOTRUE_SMS_TEST_OTP_VALID_UNTIL=2020-01-01T00:00:00Z\nGOTRUE_SMS_TEST_OTP=15550001111:424242\n" + on, "", func(s authServer) {
			phone(s, 200, "")
			s.want(s.post("/otp", map[string]any{"phone": settingsPhone}), 200, "")
			s.equal(len(s.Mail.To(settingsPhone)), 1)
		}},
	} {
		c.run(t)
	}
}
