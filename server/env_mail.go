package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/suparust/suparust/server/internal/auth"
)

// mailSettings are about mails: the mailbox, how they leave, what they say.
var mailSettings = slices.Concat(mailboxSettings, smtpSettings, mailerSettings)

var mailboxSettings = []Setting{
	{Name: "SUPARUST_MAIL_PORT", Default: "54324 beside a project, else SUPARUST_PORT + 20000", Help: "Port of the mailbox: its page, Mailpit's API and Inbucket's; 0 takes a free one.",
		set: portSetting(func(c *Config) *int { return &c.Mail.Port })},
	{Name: "SUPARUST_MAIL_ENABLED", Default: "true", Help: "Serve the mailbox on its port.",
		set: func(c *Config, v string) error {
			var on bool
			if err := boolSetting(func(*Config) *bool { return &on })(c, v); err != nil {
				return err
			}
			c.Mail.Disabled = !on
			return nil
		}},
	{Name: "SUPARUST_MAIL_LISTEN_ADDR", Default: "127.0.0.1", Help: "Address the mailbox listens on. Who reads its mails can sign in with them.",
		set: func(c *Config, v string) error {
			if net.ParseIP(v) == nil && v != "localhost" {
				return fmt.Errorf("%q is no IP address", v)
			}
			c.Mail.ListenAddr = v
			return nil
		}},
	{Name: "SUPARUST_MAIL_SMTP_PORT", Default: "none, or the project's local_smtp.smtp_port", Help: "Port where the mailbox takes mails of other programs by SMTP; 0 takes none.",
		set: portSetting(func(c *Config) *int { return &c.Mail.SMTPPort })},
	{Name: "SUPARUST_MAIL_CORS", Aliases: []string{"MP_API_CORS"}, Default: "the mailbox's own pages", Help: "Further origins whose pages may use the mailbox's API, with commas between; * is all. A mailbox on loopback answers to their hosts, too.",
		set: listSetting(func(c *Config) *[]string { return &c.Mail.Origins })},
}

var smtpSettings = []Setting{
	{Name: "SUPARUST_SMTP_HOST", Aliases: []string{"GOTRUE_SMTP_HOST", "SMTP_HOST"}, Default: "none: mails stay in the mailbox", Help: "SMTP server that every mail is sent through too.",
		set: textSetting(func(c *Config) *string { return &c.Mail.SMTP.Host })},
	{Name: "SUPARUST_SMTP_PORT", Aliases: []string{"GOTRUE_SMTP_PORT", "SMTP_PORT"}, Default: "587", Help: "Its port; on 465 TLS is spoken from the start, elsewhere where the server offers it.",
		set: portSetting(func(c *Config) *int { return &c.Mail.SMTP.Port })},
	{Name: "SUPARUST_SMTP_USER", Aliases: []string{"GOTRUE_SMTP_USER", "SMTP_USER"}, Default: "none", Help: "User to log in with.",
		set: textSetting(func(c *Config) *string { return &c.Mail.SMTP.User })},
	{Name: "SUPARUST_SMTP_PASS", Aliases: []string{"GOTRUE_SMTP_PASS", "SMTP_PASS"}, Default: "none", Secret: true, Help: "Password to log in with; told only to a server behind TLS or on this machine.",
		set: textSetting(func(c *Config) *string { return &c.Mail.SMTP.Password })},
	{Name: "SUPARUST_SMTP_ADMIN_EMAIL", Aliases: []string{"GOTRUE_SMTP_ADMIN_EMAIL", "SMTP_ADMIN_EMAIL"}, Default: "admin@email.com", Help: "Address that mails come from.",
		set: textSetting(func(c *Config) *string { return &c.Mail.From.Address })},
	{Name: "SUPARUST_SMTP_SENDER_NAME", Aliases: []string{"GOTRUE_SMTP_SENDER_NAME", "SMTP_SENDER_NAME"}, Default: "Admin", Help: "Name that mails come from.",
		set: textSetting(func(c *Config) *string { return &c.Mail.From.Name })},
	{Name: "SUPARUST_SMTP_HEADERS", Aliases: []string{"GOTRUE_SMTP_HEADERS"}, Default: "none", Help: `Further fields of every mail, as JSON: {"X-Kind":["$messageType"]}; $messageType is the mail's kind.`,
		set: func(c *Config, v string) error {
			var fields map[string][]string
			if err := json.Unmarshal([]byte(v), &fields); err != nil {
				return errors.New("it is no JSON object of lists of texts")
			}
			c.Auth.Email.Headers = map[string]string{}
			for name, values := range fields {
				c.Auth.Email.Headers[name] = strings.Join(values, ", ")
			}
			return nil
		}},
}

var mailerSettings = []Setting{
	{Name: "SUPARUST_MAILER_SUBJECTS_*", Aliases: []string{"GOTRUE_MAILER_SUBJECTS_*", "MAILER_SUBJECTS_*"}, Default: "built in", Help: "Subject of a kind of mail, a Go template: " + kindHelp + ".",
		setEach: templateSetting(func(t *auth.Template, v string) { t.Subject = v })},
	{Name: "SUPARUST_MAILER_TEMPLATES_*", Aliases: []string{"GOTRUE_MAILER_TEMPLATES_*", "MAILER_TEMPLATES_*"}, Default: "built in", Help: "Body of a kind of mail, a Go template: an address, a file, or a path of the site.",
		setEach: templateSetting(func(t *auth.Template, v string) { t.Location = v })},
	{Name: "SUPARUST_MAILER_URLPATHS_*", Aliases: []string{"GOTRUE_MAILER_URLPATHS_*", "MAILER_URLPATHS_*"}, Default: "/auth/v1/verify", Help: "Path or address of the link in a kind of mail: CONFIRMATION, INVITE, RECOVERY, EMAIL_CHANGE.",
		setEach: func(c *Config, rest, v string) error {
			kind := strings.ToLower(rest)
			if !slices.Contains(auth.MailKinds, kind) {
				return errors.New("there is no such mail: use CONFIRMATION, INVITE, RECOVERY or EMAIL_CHANGE")
			}
			if c.Auth.Email.URLPaths == nil {
				c.Auth.Email.URLPaths = map[string]string{}
			}
			c.Auth.Email.URLPaths[kind] = v
			return nil
		}},
	{Name: "SUPARUST_MAILER_NOTIFICATIONS_*", Aliases: []string{"GOTRUE_MAILER_NOTIFICATIONS_*", "MAILER_NOTIFICATIONS_*"}, Default: "false", Help: "Send a notification: " + strings.ToUpper(strings.Join(auth.Notifications, ", ")) + ", each with _ENABLED behind it.",
		setEach: func(c *Config, rest, v string) error {
			kind := strings.ToLower(strings.TrimSuffix(rest, "_ENABLED"))
			if !slices.Contains(auth.Notifications, kind) {
				return fmt.Errorf("there is no such notification: there are %s", strings.ToUpper(strings.Join(auth.Notifications, ", ")))
			}
			var on bool
			if err := boolSetting(func(*Config) *bool { return &on })(c, v); err != nil {
				return err
			}
			if c.Auth.Email.Notifications == nil {
				c.Auth.Email.Notifications = map[string]bool{}
			}
			c.Auth.Email.Notifications[kind] = on
			return nil
		}},
}

// kindHelp names the kinds of mails as variables do.
var kindHelp = strings.ToUpper(strings.Join(auth.MailKinds, ", ")) + ", and the notifications with _NOTIFICATION behind them"

// templateSetting changes the template of a kind of mail.
func templateSetting(change func(*auth.Template, string)) func(*Config, string, string) error {
	return func(c *Config, rest, v string) error {
		kind := strings.ToLower(rest)
		if note, ok := strings.CutSuffix(kind, "_notification"); ok && slices.Contains(auth.Notifications, note) {
			kind = note
		} else if !slices.Contains(auth.MailKinds, kind) {
			return fmt.Errorf("there is no such mail: there are %s", kindHelp)
		}
		if c.Auth.Email.Templates == nil {
			c.Auth.Email.Templates = map[string]auth.Template{}
		}
		t := c.Auth.Email.Templates[kind]
		change(&t, v)
		c.Auth.Email.Templates[kind] = t
		return nil
	}
}
