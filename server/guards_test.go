package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// Hooks, captcha, limits, phones and providers of text messages in the
// environment, under both names.
//
//covers:auth 182
func TestGuardSettings(t *testing.T) {
	const secret = "v1,whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
	c, warnings, err := configured(t,
		"GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_ENABLED=true", "GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_URI=pg-functions://postgres/public/f",
		"SUPARUST_HOOK_SEND_EMAIL_ENABLED=1", "SUPARUST_HOOK_SEND_EMAIL_URI=https://mail.test/hook", "SUPARUST_HOOK_SEND_EMAIL_SECRETS="+secret+"|"+secret,
		"GOTRUE_SECURITY_CAPTCHA_ENABLED=true", "GOTRUE_SECURITY_CAPTCHA_PROVIDER=turnstile", "GOTRUE_SECURITY_CAPTCHA_SECRET=s", "GOTRUE_SECURITY_CAPTCHA_TIMEOUT=3s",
		"GOTRUE_RATE_LIMIT_HEADER=X-Real-Ip", "GOTRUE_RATE_LIMIT_OTP=1.5", "GOTRUE_RATE_LIMIT_VERIFY=31", "GOTRUE_RATE_LIMIT_TOKEN_REFRESH=32", "GOTRUE_RATE_LIMIT_WEB3=33", "GOTRUE_RATE_LIMIT_ANONYMOUS_USERS=34", "GOTRUE_MFA_RATE_LIMIT_CHALLENGE_AND_VERIFY=35",
		"GOTRUE_RATE_LIMIT_EMAIL_SENT=5/1m", "SUPARUST_RATE_LIMIT_SMS_SENT=0",
		"GOTRUE_MFA_PHONE_ENROLL_ENABLED=true", "GOTRUE_MFA_PHONE_VERIFY_ENABLED=true", "GOTRUE_MFA_PHONE_OTP_LENGTH=8", "GOTRUE_MFA_PHONE_TEMPLATE={{ .Code }}!", "GOTRUE_MFA_PHONE_MAX_FREQUENCY=0s",
		"GOTRUE_SMS_PROVIDER=twilio_verify", "GOTRUE_SMS_TWILIO_ACCOUNT_SID=plain", "GOTRUE_SMS_TWILIO_VERIFY_ACCOUNT_SID=AC", "GOTRUE_SMS_TWILIO_VERIFY_AUTH_TOKEN=t",
		"GOTRUE_SMS_TWILIO_VERIFY_MESSAGE_SERVICE_SID=VA", "GOTRUE_SMS_VONAGE_API_KEY=k", "SUPARUST_SMS_URL=http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	a := c.Auth
	for what, got := range map[string]string{
		"{true pg-functions://postgres/public/f [] <nil>}":                    fmt.Sprint(a.Hooks["custom_access_token"]),
		fmt.Sprintf("{true https://mail.test/hook [%s %[1]s] <nil>}", secret): fmt.Sprint(a.Hooks["send_email"]),
		"{true turnstile s  3s <nil>}":                                        fmt.Sprint(a.Captcha),
		"X-Real-Ip 1.5 31 32 33 34 35":                                        fmt.Sprintf("%s %v %v %v %v %v %v", a.Limits.Header, a.Limits.SignInSignUps, a.Limits.Verifications, a.Limits.TokenRefresh, a.Limits.Web3, a.Limits.AnonymousUsers, a.Limits.MFA),
		"{5 1m0s true} {0 1h0m0s false}":                                      fmt.Sprint(*a.Limits.EmailsSent, *a.Limits.SMSSent),
		"{true true 8 {{ .Code }}! -1ns}":                                     fmt.Sprint(a.MFA.Phone),
		"twilio_verify AC plain k":                                            strings.Join([]string{a.Texts.Provider, a.Texts.Accounts["twilio_verify"].AccountSID, a.Texts.Accounts["twilio"].AccountSID, a.Texts.Accounts["vonage"].APIKey}, " "),
	} {
		if got != what {
			t.Errorf("got %s, want %s", got, what)
		}
	}
	if len(warnings) < 20 {
		t.Errorf("%d warnings of foreign names", len(warnings))
	}
	for _, bad := range []string{
		"SUPARUST_HOOK_SEND_MAIL_URI=https://x.test", "SUPARUST_HOOK_SEND_EMAIL_URL=https://x.test", "SUPARUST_HOOK_SEND_EMAIL_ENABLED=maybe",
		"SUPARUST_RATE_LIMIT_OTP=-1", "SUPARUST_RATE_LIMIT_OTP=NaN", "SUPARUST_RATE_LIMIT_EMAIL_SENT=1/never", "SUPARUST_MFA_PHONE_MAX_FREQUENCY=-1s",
		"SUPARUST_CAPTCHA_TIMEOUT=0s",
	} {
		if _, _, err := configured(t, bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// What cannot work is said before the server starts, with the setting to change.
//
//covers:auth 182
func TestGuardsAreChecked(t *testing.T) {
	for variables, want := range map[string]string{
		"SUPARUST_HOOK_SEND_SMS_ENABLED=true":                                                                              "the URI \"\" cannot be read",
		"SUPARUST_HOOK_SEND_SMS_ENABLED=true SUPARUST_HOOK_SEND_SMS_URI=ftp://x":                                           "neither a function of the database nor an HTTP address",
		"SUPARUST_HOOK_SEND_SMS_ENABLED=true SUPARUST_HOOK_SEND_SMS_URI=http://example.com/hook":                           "leads to another machine",
		"SUPARUST_HOOK_SEND_SMS_ENABLED=true SUPARUST_HOOK_SEND_SMS_URI=pg-functions://postgres/public":                    "names no function",
		"SUPARUST_HOOK_SEND_SMS_ENABLED=true SUPARUST_HOOK_SEND_SMS_URI=pg-functions://postgres/public/a;b":                "names \"a;b\"",
		"SUPARUST_HOOK_SEND_SMS_ENABLED=true SUPARUST_HOOK_SEND_SMS_URI=https://x.test SUPARUST_HOOK_SEND_SMS_SECRETS=abc": "has another form than v1,whsec_",
		"SUPARUST_CAPTCHA_ENABLED=true":                                       "without a secret",
		"SUPARUST_CAPTCHA_ENABLED=true SUPARUST_CAPTCHA_PROVIDER=recaptcha":   "no captcha provider \"recaptcha\"",
		"SUPARUST_SMS_PROVIDER=pigeon":                                        "no SMS provider \"pigeon\"",
		"SUPARUST_SMS_PROVIDER=vonage SUPARUST_SMS_VONAGE_API_KEY=secret-key": "lacks api_secret, from",
	} {
		c, _, err := configured(t, append(strings.Fields(variables), "SUPARUST_JWT_SECRET="+server.DemoJWTSecret)...)
		if err != nil {
			t.Errorf("%s: %v", variables, err)
			continue
		}
		_, err = server.New(c)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "SUPARUST_") || strings.Contains(err.Error(), "secret-key") {
			t.Errorf("%s: %v", variables, err)
		}
	}
}

const guardedProject = `
project_id = "guards"
[auth.hook.custom_access_token]
enabled = true
uri = "pg-functions://postgres/public/token_hook"
[auth.hook.send_sms]
enabled = false
uri = "http://host.docker.internal:54321/functions/v1/sms"
secrets = "v1,whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
[auth.hook.typo]
enabled = true
[auth.captcha]
enabled = true
provider = "turnstile"
secret = "env(CAPTCHA)"
[auth.rate_limit]
email_sent = 7
sms_sent = 8
sign_in_sign_ups = 9
[auth.mfa.phone]
enroll_enabled = true
verify_enabled = true
otp_length = 7
max_frequency = "9s"
[auth.sms.twilio]
enabled = true
account_sid = "AC"
message_service_sid = "MG"
auth_token = "env(TWILIO)"
`

func TestGuardsOfAProject(t *testing.T) {
	load := func(config string, env map[string]string) (server.Config, []string) {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "supabase"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "supabase", "config.toml"), []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
		c := server.DefaultConfig()
		warnings, err := c.LoadProject(dir, func(n string) (string, bool) { v, ok := env[n]; return v, ok })
		if err != nil {
			t.Fatal(err)
		}
		return c, warnings
	}
	c, warnings := load(guardedProject, map[string]string{"CAPTCHA": "cap", "TWILIO": "tok"})
	a := c.Auth
	if !a.Hooks["custom_access_token"].Enabled || a.Hooks["send_sms"].Enabled || len(a.Hooks["send_sms"].Secrets) != 1 || len(a.Hooks) != 2 {
		t.Errorf("hooks %v", a.Hooks)
	}
	if !strings.Contains(strings.Join(warnings, "\n"), "auth.hook.typo is no hook") {
		t.Errorf("warnings %q", warnings)
	}
	if !a.Captcha.Enabled || a.Captcha.Provider != "turnstile" || a.Captcha.Secret != "cap" {
		t.Errorf("captcha %v", a.Captcha)
	}
	if l := a.Limits; l.EmailsSent != nil || l.SMSSent.Events != 8 || l.SignInSignUps != 9 || l.TokenRefresh != 150 || l.Header != "" {
		t.Errorf("limits %+v", l) // mails are bounded where they leave by SMTP
	}
	if p := a.MFA.Phone; !p.EnrollEnabled || !p.VerifyEnabled || p.CodeLength != 7 || p.MaxFrequency != 9*time.Second || p.Template != "Your code is {{ .Code }}" {
		t.Errorf("phone factors %+v", p)
	}
	if a.Texts.Provider != "twilio" || a.Texts.Accounts["twilio"].AuthToken != "tok" {
		t.Errorf("texts %+v", a.Texts)
	}
	withMail, _ := load(guardedProject+"[auth.email.smtp]\nhost = \"smtp.test\"\nport = 25\nuser = \"u\"\npass = \"p\"\nadmin_email = \"a@b.c\"\n",
		map[string]string{"CAPTCHA": "cap", "TWILIO": "tok"})
	if l := withMail.Auth.Limits; l.EmailsSent == nil || l.EmailsSent.Events != 7 {
		t.Errorf("with SMTP: %+v", l)
	}

	// an account that is not complete leaves messages in the mailbox, and says so
	c, warnings = load(guardedProject, nil)
	if c.Auth.Texts.Provider != "" || !strings.Contains(strings.Join(warnings, "\n"), "auth.sms.twilio: the SMS provider twilio lacks auth_token") {
		t.Errorf("texts %+v, warnings %q", c.Auth.Texts, warnings)
	}
	// a test talks to nobody and waits for nothing
	c.Ephemeral()
	if a := c.Auth; a.Captcha.Enabled || a.Limits.SMSSent != nil || a.Limits.Header != "" || !a.Hooks["custom_access_token"].Enabled {
		t.Errorf("a test's server: %+v", a)
	}
}

// A project's function decides on the claims of a whole server's tokens, and
// with them on what REST lets through.
//
//covers:auth 155 182
func TestHookOfAServer(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(`
		create function public.token_hook(event jsonb) returns jsonb language sql as $$
			select jsonb_build_object('claims', event->'claims' || '{"user_role": "admin"}') $$;
		revoke execute on function public.token_hook from public;
		grant execute on function public.token_hook to supabase_auth_admin;
		create function public.my_role() returns text language sql as $$ select auth.jwt()->>'user_role' $$;`),
		suparusttest.WithConfig(func(c *server.Config) {
			c.Auth.Hooks = map[string]server.HookConfig{"custom_access_token": {Enabled: true, URI: "pg-functions://postgres/public/token_hook"}}
		}))
	u := srv.CreateUser(t, "admin@example.com")
	r := srv.ClientAs(u).Post(t, "/rest/v1/rpc/my_role", map[string]any{}).WantStatus(t, 200)
	if string(r.Body) != `"admin"` {
		t.Errorf("the function saw the role %s", r.Body)
	}
}
