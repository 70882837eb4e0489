package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
)

// TestMailSettingsOfAProject: [local_smtp], [auth.email.smtp] and the templates
// of config.toml reach the configuration.
func TestMailSettingsOfAProject(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, "supabase", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("templates/changed.html", "<p>{{ .Email }}</p>")
	write("config.toml", `
[inbucket]
port = 55324
smtp_port = 55325
pop3_port = 55326
[auth.email.smtp]
host = "smtp.acme.test"
port = 2525
user = "mailer"
pass = "secret"
admin_email = "noreply@acme.test"
sender_name = "Acme"
[auth.email.template.invite]
subject = "Come in"
[auth.email.notification.password_changed]
enabled = true
subject = "Changed"
content_path = "./supabase/templates/changed.html"
[auth.email.notification.email_changed]
enabled = false
`)
	c := server.DefaultConfig()
	warnings, err := c.LoadProject(root, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	m := c.Mail
	if m.Port != 55324 || m.SMTPPort != 55325 || m.Disabled {
		t.Errorf("%+v", m)
	}
	if m.SMTP != (server.SMTPConfig{Host: "smtp.acme.test", Port: 2525, User: "mailer", Password: "secret"}) || m.From != (server.MailAddress{Name: "Acme", Address: "noreply@acme.test"}) {
		t.Errorf("%+v, %+v", m.SMTP, m.From)
	}
	e := c.Auth.Email
	if e.Templates["invite"].Subject != "Come in" || e.Templates["password_changed"].HTML != "<p>{{ .Email }}</p>" || !e.Notifications["password_changed"] || e.Notifications["email_changed"] {
		t.Errorf("%+v, %+v", e.Templates, e.Notifications)
	}
	if got := strings.Join(warnings, "\n"); !strings.Contains(got, "pop3_port") {
		t.Errorf("warnings: %s", got)
	}
	if c.Ephemeral(); c.Mail.SMTP.Host != "" || c.Mail.Port != 0 || !c.Mail.OnDemand {
		t.Errorf("a test would send mail: %+v", c.Mail)
	}
}

func TestMailSettingsOfTheEnvironment(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"SUPARUST_MAIL_PORT": "7001", "SUPARUST_MAIL_SMTP_PORT": "7002", "GOTRUE_SMTP_HOST": "smtp.acme.test", "GOTRUE_SMTP_PORT": "465",
		"GOTRUE_SMTP_USER": "u", "GOTRUE_SMTP_PASS": "p", "GOTRUE_SMTP_ADMIN_EMAIL": "a@b.c", "GOTRUE_SMTP_SENDER_NAME": "N",
		"GOTRUE_SMTP_HEADERS": `{"X-A":["$messageType","b"]}`, "GOTRUE_MAILER_SUBJECTS_INVITE": "Come", "GOTRUE_MAILER_TEMPLATES_INVITE": "/invite.html",
		"GOTRUE_MAILER_SUBJECTS_PASSWORD_CHANGED_NOTIFICATION": "Changed", "GOTRUE_MAILER_NOTIFICATIONS_PASSWORD_CHANGED_ENABLED": "true",
		"GOTRUE_MAILER_URLPATHS_RECOVERY": "/reset",
	}
	load := func(extra ...string) (server.Config, error) {
		all := map[string]string{}
		for k, v := range env {
			all[k] = v
		}
		for i := 0; i < len(extra); i += 2 {
			all[extra[i]] = extra[i+1]
		}
		var names []string
		for k := range all {
			names = append(names, k)
		}
		c := server.DefaultConfig()
		err := c.FromEnv(func(n string) (string, bool) { v, ok := all[n]; return v, ok }, nil, names...)
		return c, err
	}
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if c.Mail.Port != 7001 || c.Mail.SMTPPort != 7002 || c.Mail.SMTP != (server.SMTPConfig{Host: "smtp.acme.test", Port: 465, User: "u", Password: "p"}) ||
		c.Mail.From != (server.MailAddress{Name: "N", Address: "a@b.c"}) {
		t.Errorf("%+v", c.Mail)
	}
	e := c.Auth.Email
	if e.Headers["X-A"] != "$messageType, b" || e.Templates["invite"] != (server.MailTemplate{Subject: "Come", Location: "/invite.html"}) ||
		e.Templates["password_changed"].Subject != "Changed" || !e.Notifications["password_changed"] || e.URLPaths["recovery"] != "/reset" {
		t.Errorf("%+v", e)
	}
	for name, value := range map[string]string{
		"SUPARUST_MAIL_LISTEN_ADDR": "nowhere", "GOTRUE_MAILER_SUBJECTS_TYPO": "x", "GOTRUE_MAILER_NOTIFICATIONS_TYPO_ENABLED": "true",
		"GOTRUE_MAILER_URLPATHS_TYPO": "/", "SUPARUST_SMTP_HEADERS": "{", "SUPARUST_MAIL_ENABLED": "maybe",
	} {
		if _, err := load(name, value); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

// TestMailboxPorts: a server that was told to serves its mailbox over HTTP and
// takes mails by SMTP, until it is shut down.
func TestMailboxPorts(t *testing.T) {
	t.Parallel()
	c := server.DefaultConfig()
	c.Ephemeral()
	c.Mail.OnDemand, c.Mail.SMTPPort = false, -1
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.MailURL(); err == nil {
		t.Error("a mailbox before the start")
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	address, err := s.MailURL()
	if err != nil {
		t.Fatal(err)
	}
	if err := smtp.SendMail(s.MailSMTPAddr(), nil, "app@x.test", []string{"ann@x.test"}, []byte("Subject: Hi\r\nTo: ann@x.test\r\n\r\nhello\r\n")); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(address + "/api/v1/search?query=to:ann@x.test&wait=10s")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(body), `"Subject":"Hi"`) {
		t.Errorf("%s, %v", body, err)
	}

	for host, want := range map[string]int{strings.TrimPrefix(address, "http://"): 200, "localhost": 200, "evil.example.com": 403} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/api/v1/messages", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host // as a page sends it whose name was made to lead here
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != want || want == 403 && !strings.Contains(string(body), "SUPARUST_MAIL_CORS") {
			t.Errorf("%s: %d %s, %v", host, res.StatusCode, body, err)
		}
	}

	taken := server.DefaultConfig()
	taken.Ephemeral()
	taken.Mail.OnDemand = false
	if taken.Mail.Port, err = portOf(address); err != nil {
		t.Fatal(err)
	}
	taken.Port = freePortFor(t)
	other, err := server.New(taken)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "SUPARUST_MAIL_PORT") {
		t.Errorf("a taken port: %v", err)
	}

	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if res, err := http.Get(address + "/readyz"); err == nil {
		res.Body.Close()
		t.Error("the mailbox is still served")
	}
	if _, err := s.MailURL(); err == nil {
		t.Error("a mailbox of a server that has ended")
	}
}

func portOf(address string) (int, error) {
	u, err := url.Parse(address)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(u.Port())
}

// freePortFor finds a port that nobody listens on.
func freePortFor(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
