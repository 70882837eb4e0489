package auth_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/mail"
)

// The project's own functions send texts and mails.
//
//covers:auth 157
func TestHookSend(t *testing.T) {
	t.Parallel()
	const sms, email = auth.HookSendSMS, auth.HookSendEmail
	f := withHookFunctions(t, func(c *auth.Config) {
		c.Phone = auth.PhoneConfig{Enabled: true, RequireConfirmation: true, MaxFrequency: -1, TestCodes: map[string]string{"15550009": "424242"}}
		c.Email.RequireConfirmation = true
		c.Email.Notifications = map[string]bool{"password_changed": true}
	}, sms, email)

	f.post(t, "/signup", map[string]any{"phone": "15550001", "password": goodPassword, "channel": "carrier pigeon"}).ok(t, 200)
	e := f.told(t, sms)
	if field(e, "sms.phone") != "15550001" || len(field(e, "sms.otp")) != 6 || field(e, "user.phone") != "15550001" || field(e, "metadata.name") != "send-sms" {
		t.Errorf("told %v", e)
	}
	r := f.post(t, "/verify", map[string]any{"type": "sms", "phone": "15550001", "token": field(e, "sms.otp")}).ok(t, 200)
	phoneUser := user{id: r.text("user.id"), token: r.text("access_token")}
	f.post(t, "/otp", map[string]any{"phone": "15550009"}).ok(t, 200) // a test number
	f.as(t, phoneUser, "PUT", "/user", map[string]any{"phone": "15550002"}).ok(t, 200)
	if e = f.told(t, sms); field(e, "sms.phone") != "15550002" || field(e, "user.new_phone") != "15550002" {
		t.Errorf("a change of the number: %v", e)
	}
	if n := f.timesTold(t, sms); n != "2" {
		t.Errorf("%s texts", n)
	}
	f.answerHook(t, sms, `{"error": {"http_code": 502, "message": "no network"}}`)
	f.post(t, "/otp", map[string]any{"phone": "15550003"}).refused(t, 502, "unknown", "no network")

	f.do(t, request{method: "POST", path: "/signup?redirect_to=http://127.0.0.1:3000/in", body: map[string]any{"email": "mail@example.com", "password": goodPassword}}).ok(t, 200)
	e = f.told(t, email)
	for path, want := range map[string]string{
		"email_data.email_action_type": "signup", "email_data.redirect_to": "http://127.0.0.1:3000/in", "email_data.site_url": "http://127.0.0.1:54321/auth/v1",
		"email_data.token_new": "", "email_data.token_hash_new": "", "user.email": "mail@example.com", "metadata.name": "send-email",
	} {
		if field(e, path) != want {
			t.Errorf("%s is %q in %v", path, field(e, path), e)
		}
	}
	r = f.post(t, "/verify", map[string]any{"type": "signup", "token_hash": field(e, "email_data.token_hash")}).ok(t, 200)
	u := user{r.text("user.id"), "mail@example.com", goodPassword, r.text("access_token"), r.text("refresh_token")}
	f.post(t, "/recover", map[string]any{"email": u.email}).ok(t, 200)
	if e = f.told(t, email); field(e, "email_data.email_action_type") != "recovery" {
		t.Errorf("told %v", e)
	}
	f.post(t, "/verify", map[string]any{"type": "recovery", "email": u.email, "token": field(e, "email_data.token")}).ok(t, 200)
	f.post(t, "/otp", map[string]any{"email": u.email}).ok(t, 200)
	f.as(t, u, "GET", "/reauthenticate", nil).ok(t, 200)
	f.admin(t, "POST", "/invite", map[string]any{"email": "guest@example.com"}).ok(t, 200)
	f.as(t, u, "PUT", "/user", map[string]any{"email": "other@example.com"}).ok(t, 200)
	e = f.told(t, email)
	if field(e, "user.new_email") != "other@example.com" {
		t.Errorf("a change of the address: %v", e)
	}
	// of both addresses the hashes are told the other way around
	confirm := func(hash string) *response {
		return f.post(t, "/verify", map[string]any{"type": "email_change", "token_hash": hash}).ok(t, 200)
	}
	byCode := f.post(t, "/verify", map[string]any{"type": "email_change", "email": u.email, "token": field(e, "email_data.token")}).ok(t, 200)
	if !strings.HasPrefix(byCode.text("msg"), "Confirmation link accepted") {
		t.Errorf("the code of the current address: %s", byCode.raw)
	}
	if r := confirm(field(e, "email_data.token_hash")); r.text("user.email") != "other@example.com" {
		t.Errorf("the hash of the new address: %s", r.raw)
	}
	var actions []string
	if err := json.Unmarshal([]byte(f.value(t, `select json_agg(event->'email_data'->>'email_action_type' order by n) from public.hook_log where name = $1`, email)), &actions); err != nil {
		t.Fatal(err)
	}
	if want := []string{"signup", "recovery", "magiclink", "reauthentication", "invite", "email_change"}; !slices.Equal(actions, want) {
		t.Errorf("mails %v, want %v", actions, want)
	}
	f.as(t, u, "PUT", "/user", map[string]any{"password": "another password"}).ok(t, 200)
	if e = f.told(t, email); field(e, "email_data.email_action_type") != "password_changed_notification" {
		t.Errorf("told %v", e)
	}
	// a notification that cannot be sent stops nothing
	f.answerHook(t, email, "raise")
	f.as(t, u, "PUT", "/user", map[string]any{"password": "yet another one"}).ok(t, 200)
	f.signIn(t, user{email: "other@example.com", password: "yet another one"})
	f.post(t, "/recover", map[string]any{"email": "other@example.com"}).
		refused(t, 500, "unexpected_failure", "Error running hook URI: pg-functions://postgres/public/send_email")
	if n := len(f.box.List(mail.Filter{})); n != 0 {
		t.Errorf("%d messages in the mailbox", n)
	}
}
