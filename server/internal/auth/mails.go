package auth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"net/url"
	"regexp"
	"strings"
	texttemplate "text/template"

	"github.com/suparust/suparust/server/internal/mail"
)

// Kinds of mails; they are the names of templates in the configuration.
const (
	mailConfirmation   = "confirmation"
	mailInvite         = "invite"
	mailMagicLink      = "magic_link"
	mailRecovery       = "recovery"
	mailEmailChange    = "email_change"
	mailReauthenticate = "reauthentication"
)

// builtinTemplates are short on purpose, and always hold both the link and the
// code, so that a test can use either.
var builtinTemplates = map[string]Template{
	mailConfirmation: {"Confirm your email address", mailPage("Confirm your email address",
		"Open the link to confirm {{ .Email }} and sign in.", "Confirm email address")},
	mailInvite: {"You have been invited", mailPage("You have been invited",
		"You were invited to create a user on {{ .SiteURL }}. Open the link to accept.", "Accept the invitation")},
	mailMagicLink: {"Your sign-in link", mailPage("Your sign-in link",
		"Open the link to sign in as {{ .Email }}.", "Sign in")},
	mailRecovery: {"Reset your password", mailPage("Reset your password",
		"Open the link to choose a new password for {{ .Email }}.", "Reset password")},
	mailEmailChange: {"Confirm your new email address", mailPage("Confirm your new email address",
		"Open the link to change the address of your user from {{ .Email }} to {{ .NewEmail }}.", "Change email address")},
	mailReauthenticate: {"{{ .Token }} is your verification code", "<h2>Verify that it is you</h2>\n" +
		"<p>Enter the code: <strong>{{ .Token }}</strong></p>\n"},
}

func mailPage(title, sentence, link string) string {
	return "<h2>" + title + "</h2>\n<p>" + sentence + "</p>\n" +
		`<p><a href="{{ .ConfirmationURL }}">` + link + "</a></p>\n" +
		"<p>Or enter the code: <strong>{{ .Token }}</strong></p>\n"
}

type mailTemplate struct {
	subject *texttemplate.Template
	html    *template.Template
}

func parseMailTemplates(custom map[string]Template) (map[string]mailTemplate, error) {
	for kind := range custom {
		if _, ok := builtinTemplates[kind]; !ok {
			return nil, fmt.Errorf("auth: there is no mail of the kind %q to have a template: the kinds are confirmation, "+
				"invite, magic_link, recovery, email_change, reauthentication", kind)
		}
	}
	out := map[string]mailTemplate{}
	for kind, t := range builtinTemplates {
		if c := custom[kind]; c.Subject != "" {
			t.Subject = c.Subject
		}
		if c := custom[kind]; c.HTML != "" {
			t.HTML = c.HTML
		}
		subject, err := texttemplate.New(kind).Parse(t.Subject)
		if err != nil {
			return nil, fmt.Errorf("auth: the subject of the %s mail: %w", kind, err)
		}
		body, err := template.New(kind).Parse(t.HTML)
		if err != nil {
			return nil, fmt.Errorf("auth: the template of the %s mail: %w", kind, err)
		}
		out[kind] = mailTemplate{subject, body}
	}
	return out, nil
}

// letter is what a mail is made from.
type letter struct {
	kind     string
	to       string
	linkType string // type of the link: signup, invite, magiclink, recovery, email_change
	code     string
	hash     string
	user     *User
	newEmail string
}

// mailOut composes a mail; it leaves when the work is done.
func (w *work) mailOut(l letter) error {
	target := w.h.redirectTarget(w.r)
	var data map[string]any
	if err := json.Unmarshal(l.user.UserMetadata, &data); err != nil {
		return internal("Error composing email", err)
	}
	vars := map[string]any{
		"ConfirmationURL": w.h.verifyURL(l.hash, l.linkType, target),
		"Token":           l.code,
		"TokenHash":       l.hash,
		"SiteURL":         w.h.cfg.SiteURL,
		"Email":           l.user.Email,
		"NewEmail":        l.newEmail,
		"SendingTo":       l.to,
		"Data":            data,
		"RedirectTo":      target,
	}
	t := w.h.templates[l.kind]
	var subject, body bytes.Buffer
	if err := t.subject.Execute(&subject, vars); err != nil {
		return internal("Error composing email", err)
	}
	if err := t.html.Execute(&body, vars); err != nil {
		return internal("Error composing email", err)
	}
	w.mails = append(w.mails, mail.Message{
		Kind: mail.Email, From: senderAddress, To: l.to, Subject: oneLine(subject.String()), HTML: body.String(),
		Text: htmlToText(body.String()), Created: w.now, Tags: []string{l.kind},
	})
	return nil
}

const senderAddress = "admin@email.com"

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// verifyURL is the link of a mail. The target stands in it as it is unless its
// characters would end the parameter.
func (h *Handler) verifyURL(hash, linkType, target string) string {
	if strings.ContainsAny(target, "&=#") {
		target = url.QueryEscape(target)
	}
	return strings.TrimSuffix(h.cfg.ExternalURL, "/") + "/verify?token=" + url.QueryEscape(hash) +
		"&type=" + url.QueryEscape(linkType) + "&redirect_to=" + target
}

var (
	anchor    = regexp.MustCompile(`(?is)<a\s[^>]*?href="([^"]*)"[^>]*>(.*?)</a>`)
	blockEnd  = regexp.MustCompile(`(?i)</(p|h[1-6]|div|li|tr)>|<br\s*/?>`)
	invisible = regexp.MustCompile(`(?is)<(style|script|head)\b.*?</(style|script|head)>`)
	tag       = regexp.MustCompile(`(?s)<[^>]*>`)
	blank     = regexp.MustCompile(`[ \t]+`)
	newlines  = regexp.MustCompile(`\s*\n\s*`)
)

// htmlToText is the plain form of a mail: links are shown behind their words.
func htmlToText(s string) string {
	s = invisible.ReplaceAllString(s, "")
	s = anchor.ReplaceAllString(s, "$2 ( $1 )")
	s = blockEnd.ReplaceAllString(s, "\n")
	s = html.UnescapeString(tag.ReplaceAllString(s, ""))
	return strings.TrimSpace(newlines.ReplaceAllString(blank.ReplaceAllString(s, " "), "\n\n"))
}
