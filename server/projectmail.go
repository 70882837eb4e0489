package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/project"
)

// loadMail takes [local_smtp], which older files name [inbucket], and
// [auth.email.smtp].
func (c *Config) loadMail(p *project.Project) {
	box, out := p.Config.LocalSMTP, p.Config.Auth.Email.SMTP
	c.Mail.Disabled, c.Mail.Port, c.Mail.SMTPPort = !box.Enabled, int(box.Port), int(box.SMTPPort)
	c.Mail.From = MailAddress{Name: box.SenderName, Address: box.AdminEmail}
	if box.POP3Port != 0 {
		p.Warnings = append(p.Warnings, "local_smtp.pop3_port is ignored: the mailbox is read over HTTP, at local_smtp.port")
	}
	if out == nil || !out.Enabled {
		return
	}
	c.Mail.SMTP = SMTPConfig{Host: out.Host, Port: int(out.Port), User: out.User, Password: string(out.Pass)}
	if out.AdminEmail != "" {
		c.Mail.From = MailAddress{Name: out.SenderName, Address: out.AdminEmail}
	}
}

// loadTemplates reads the templates of mails that the project brings along,
// and which notifications it wants.
func (a *AuthConfig) loadTemplates(p *project.Project) error {
	a.Email.Templates, a.Email.Notifications = map[string]auth.Template{}, map[string]bool{}
	email := &p.Config.Auth.Email
	load := func(section string, kinds []string, from map[string]project.EmailTemplate) error {
		for kind, t := range from {
			name := "auth.email." + section + "." + kind
			if !slices.Contains(kinds, kind) {
				p.Warnings = append(p.Warnings, fmt.Sprintf("%s is no mail that is sent: the kinds are %s", name, strings.Join(kinds, ", ")))
				continue
			}
			if section == "notification" {
				a.Email.Notifications[kind] = t.Enabled
			}
			html := t.Content
			if t.ContentPath != "" {
				b, err := p.ReadFile(t.ContentPath)
				if err != nil {
					return fmt.Errorf("the mail template %s: %w", name, err)
				}
				html = string(b)
			}
			a.Email.Templates[kind] = auth.Template{Subject: t.Subject, HTML: html}
		}
		return nil
	}
	if err := load("template", auth.MailKinds, email.Template); err != nil {
		return err
	}
	return load("notification", auth.Notifications, email.Notification)
}
