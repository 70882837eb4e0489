package auth_test

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/mail"
)

// TestNotifications: a user with an address is told of each change, where that
// is turned on.
//
//covers:auth 149
func TestNotifications(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		c.Email.SingleConfirmChange = true
		c.Phone.Enabled, c.ManualLinking = true, true
		c.Email.Notifications = map[string]bool{}
		for _, kind := range auth.Notifications {
			c.Email.Notifications[kind] = true
		}
		c.Email.Templates = map[string]auth.Template{
			"email_changed":         {HTML: "{{ .OldEmail }} to {{ .Email }}"},
			"phone_changed":         {HTML: "{{ .OldPhone }} to {{ .Phone }} of {{ .Email }}"},
			"identity_linked":       {HTML: "{{ .Provider }} of {{ .Data.name }}"},
			"identity_unlinked":     {HTML: "{{ .Provider }} of {{ .Email }}"},
			"mfa_factor_enrolled":   {HTML: "{{ .FactorType }}"},
			"mfa_factor_unenrolled": {HTML: "{{ .FactorType }}"},
		}
	})
	r := f.post(t, "/signup", map[string]any{"email": "ann@note.test", "password": goodPassword, "data": map[string]any{"name": "Ann"}}).ok(t, 200)
	u := user{id: r.text("user.id"), email: "ann@note.test", token: r.text("access_token")}
	told := func(kind, to, text string) {
		t.Helper()
		got := f.box.List(mail.Filter{Tag: kind})
		if len(got) != 1 || got[0].To != to || text != "" && got[0].Text != text || got[0].Subject == "" || got[0].Code != "" || got[0].Link != "" {
			t.Errorf("%s: %+v", kind, got)
		}
		f.box.Delete()
	}
	f.as(t, u, "PUT", "/user", map[string]any{"password": "another good one"}).ok(t, 200)
	told("password_changed", "ann@note.test", "")
	f.as(t, u, "PUT", "/user", map[string]any{"phone": "15550100"}).ok(t, 200)
	told("identity_linked", "ann@note.test", "phone of Ann")
	f.as(t, u, "PUT", "/user", map[string]any{"phone": "15550101"}).ok(t, 200)
	told("phone_changed", "ann@note.test", "15550100 to 15550101 of ann@note.test")
	f.as(t, u, "PUT", "/user", map[string]any{"email": "eve@note.test"}).ok(t, 200)
	f.follow(t, f.link(t, "eve@note.test"))
	told("email_changed", "ann@note.test", "ann@note.test to eve@note.test")
	id := f.value(t, "select id::text from auth.identities where provider = 'phone'")
	f.as(t, u, "DELETE", "/user/identities/"+id, nil).ok(t, 200)
	told("identity_unlinked", "eve@note.test", "phone of eve@note.test")

	factor := f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "totp", "friendly_name": "one"}).ok(t, 200)
	path := "/factors/" + factor.text("id")
	challenge := f.as(t, u, "POST", path+"/challenge", nil).ok(t, 200).text("id")
	code := totp(t, factor.text("totp.secret"), f.clock.now())
	r = f.as(t, u, "POST", path+"/verify", map[string]any{"challenge_id": challenge, "code": code}).ok(t, 200)
	told("mfa_factor_enrolled", "eve@note.test", "totp")
	u.token = r.text("access_token")
	f.as(t, u, "DELETE", path, nil).ok(t, 200)
	told("mfa_factor_unenrolled", "eve@note.test", "totp")
}

// TestNotificationsAreOffByDefault: nobody is told unasked.
func TestNotificationsAreOffByDefault(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "quiet@note.test")
	f.as(t, u, "PUT", "/user", map[string]any{"password": "another good one"}).ok(t, 200)
	if got := f.box.List(mail.Filter{}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestMailsLeaveBySMTP: an SMTP server gets a copy before the answer; without
// it the flow fails and leaves nothing behind but the mail in the box.
//
//covers:auth 152
func TestMailsLeaveBySMTP(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	outside := mail.NewBox(0)
	receiver := mail.NewReceiver(outside, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- receiver.Serve(l) }()
	f := start(t, func(c *auth.Config) {
		confirming(c)
		c.Sender = mail.Address{Name: "Acme", Address: "noreply@acme.test"}
		c.SMTP = &mail.Sender{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Timeout: 5 * time.Second}
		c.Email.Headers = map[string]string{"X-Kind": "acme $messageType"}
		c.Email.Notifications = map[string]bool{"password_changed": true}
	})
	body := map[string]any{"email": "one@smtp.test", "password": goodPassword}
	f.post(t, "/signup", body).ok(t, 200)
	got := outside.List(mail.Filter{To: "one@smtp.test"})
	in := f.mailFor(t, "one@smtp.test")
	if len(got) != 1 || got[0].From.Name != "Acme" || got[0].From.Address != "noreply@acme.test" || got[0].Subject != in.Subject ||
		got[0].MessageID != in.MessageID || !strings.Contains(string(got[0].Raw), "\r\nX-Kind: acme confirmation\r\n") || got[0].Code != in.Code || in.Code == "" {
		t.Fatalf("%+v", got)
	}
	u := f.post(t, "/verify", map[string]any{"type": "signup", "token_hash": in.TokenHash}).ok(t, 200)

	if err := receiver.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	f.post(t, "/signup", map[string]any{"email": "two@smtp.test", "password": goodPassword}).refused(t, 500, "unexpected_failure", "Error sending confirmation email")
	if n := f.value(t, "select count(*) from auth.users where email = 'two@smtp.test'"); n != "0" {
		t.Errorf("%s users are left", n)
	}
	f.mailFor(t, "two@smtp.test")
	for path, message := range map[string]string{"/recover": "Error sending recovery email", "/otp": "Error sending magic link email"} {
		f.post(t, path, map[string]any{"email": "one@smtp.test"}).refused(t, 500, "unexpected_failure", message)
	}
	f.admin(t, "POST", "/invite", map[string]any{"email": "three@smtp.test"}).refused(t, 500, "unexpected_failure", "Error sending invite email")
	token := user{token: u.text("access_token")}
	f.as(t, token, "PUT", "/user", map[string]any{"email": "four@smtp.test"}).refused(t, 500, "unexpected_failure", "Error sending email change email")
	f.as(t, token, "GET", "/reauthenticate", nil).refused(t, 500, "unexpected_failure", "Error sending reauthentication email")
	f.as(t, token, "PUT", "/user", map[string]any{"password": "another good one"}).ok(t, 200) // a notification stops nothing
}

// TestTemplatesFromElsewhere: a body comes from an address, a file or a path of
// the site; while it cannot be had, the built-in one is sent.
//
//covers:auth 148
func TestTemplatesFromElsewhere(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "from %s: {{ .Token }} {{ .TokenHash }} {{ .SiteURL }} {{ .Email }} {{ .RedirectTo }} {{ .Data.name }}", r.URL.Path)
	}))
	t.Cleanup(site.Close)
	file := filepath.Join(t.TempDir(), "invite.html")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first {{ .ConfirmationURL }}")
	large := filepath.Join(t.TempDir(), "large.html")
	if err := os.WriteFile(large, []byte(strings.Repeat("x", 1_000_001)), 0o600); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	f := start(t, func(c *auth.Config) {
		confirming(c)
		c.SiteURL = site.URL
		c.Email.Templates = map[string]auth.Template{
			"confirmation": {Subject: "Hi {{ .Data.name }} & co{{ .Data.missing }}", Location: "/mails/confirm.html"},
			"recovery":     {Location: site.URL + "/reset"},
			"invite":       {Location: file},
			"magic_link":   {Location: large},
		}
		c.Email.URLPaths = map[string]string{"invite": "https://api.test/auth/v1/verify", "recovery": "/elsewhere"}
	})
	signUp := func(email string) mail.Message {
		t.Helper()
		f.post(t, "/signup", map[string]any{"email": email, "password": goodPassword, "data": map[string]any{"name": "O'Brien\r\nBcc: x@y.z"}}).ok(t, 200)
		return f.mailFor(t, email)
	}
	if m := signUp("a@tpl.test"); !strings.Contains(m.HTML, "Confirm your email address") || m.Link == "" || m.Code == "" {
		t.Errorf("while the site is broken: %+v", m)
	}
	broken.Store(false)
	f.admin(t, "POST", "/admin/users", map[string]any{"email": "c@tpl.test", "email_confirm": true, "user_metadata": map[string]any{"name": "<b>"}}).ok(t, 200)
	f.post(t, "/recover", map[string]any{"email": "c@tpl.test"}).ok(t, 200)
	m := f.mailFor(t, "c@tpl.test")
	want := fmt.Sprintf("from /reset: %s %s %s c@tpl.test %s &lt;b&gt;", m.Code, m.TokenHash, site.URL, site.URL)
	if m.HTML != want || len(m.Code) != 6 || len(m.TokenHash) != 56 || m.Link != "" {
		t.Errorf("got  %s\nwant %s", m.HTML, want)
	}
	if m := signUp("d@tpl.test"); m.Subject != "Hi O'Brien Bcc: x@y.z & co" || strings.Contains(string(m.Raw), "\nBcc") {
		t.Errorf("subject %q of %s", m.Subject, m.Raw)
	}
	f.admin(t, "POST", "/admin/users", map[string]any{"email": "l@tpl.test", "email_confirm": true}).ok(t, 200)
	f.post(t, "/magiclink", map[string]any{"email": "l@tpl.test"}).ok(t, 200)
	if m := f.mailFor(t, "l@tpl.test"); m.Link == "" || len(m.HTML) > 1000 {
		t.Errorf("of a template that is too long %d bytes are sent", len(m.HTML))
	}
	for i, text := range []string{"first ", "second "} {
		write(text + "{{ .ConfirmationURL }}") // is read anew
		email := fmt.Sprintf("e%d@tpl.test", i)
		f.admin(t, "POST", "/invite", map[string]any{"email": email}).ok(t, 200)
		if m := f.mailFor(t, email); !strings.HasPrefix(m.HTML, text+"https://api.test/auth/v1/verify?token="+m.TokenHash+"&amp;type=invite&amp;redirect_to=") {
			t.Errorf("%s", m.HTML)
		}
	}
}
