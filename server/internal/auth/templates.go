package auth

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"html/template"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kinds of mails; they are the names of templates in the configuration.
const (
	mailConfirmation   = "confirmation"
	mailInvite         = "invite"
	mailMagicLink      = "magic_link"
	mailRecovery       = "recovery"
	mailEmailChange    = "email_change"
	mailReauthenticate = "reauthentication"

	notePasswordChanged     = "password_changed"
	noteEmailChanged        = "email_changed"
	notePhoneChanged        = "phone_changed"
	noteIdentityLinked      = "identity_linked"
	noteIdentityUnlinked    = "identity_unlinked"
	noteMFAFactorEnrolled   = "mfa_factor_enrolled"
	noteMFAFactorUnenrolled = "mfa_factor_unenrolled"
)

// MailKinds are the mails that ask their reader to do something, Notifications
// those that tell of a change. Both name templates.
var (
	MailKinds     = []string{mailConfirmation, mailInvite, mailMagicLink, mailRecovery, mailEmailChange, mailReauthenticate}
	Notifications = []string{
		notePasswordChanged, noteEmailChanged, notePhoneChanged, noteIdentityLinked, noteIdentityUnlinked,
		noteMFAFactorEnrolled, noteMFAFactorUnenrolled,
	}
)

func isNotification(kind string) bool { return slices.Contains(Notifications, kind) }

// builtinTemplates are short on purpose, and always hold both the link and the
// code, so that a test can use either.
var builtinTemplates = map[string]Template{
	mailConfirmation: {Subject: "Confirm your email address", HTML: mailPage("Confirm your email address",
		"Open the link to confirm {{ .Email }} and sign in.", "Confirm email address")},
	mailInvite: {Subject: "You've been invited", HTML: mailPage("You've been invited",
		"You were invited to create a user on {{ .SiteURL }}. Open the link to accept.", "Accept the invitation")},
	mailMagicLink: {Subject: "Your sign-in link", HTML: mailPage("Your sign-in link",
		"Open the link to sign in as {{ .Email }}.", "Sign in")},
	mailRecovery: {Subject: "Reset your password", HTML: mailPage("Reset your password",
		"Open the link to choose a new password for {{ .Email }}.", "Reset password")},
	mailEmailChange: {Subject: "Confirm your new email address", HTML: mailPage("Confirm your new email address",
		"Open the link to change the address of your user from {{ .Email }} to {{ .NewEmail }}.", "Change email address")},
	mailReauthenticate: {Subject: "{{ .Token }} is your verification code", HTML: "<h2>Verify that it is you</h2>\n" +
		"<p>Enter the code: <strong>{{ .Token }}</strong></p>\n"},

	notePasswordChanged: {Subject: "Your password was changed", HTML: notePage("Your password was changed",
		"The password of {{ .Email }} was changed.")},
	noteEmailChanged: {Subject: "Your email address was changed", HTML: notePage("Your email address was changed",
		"The address of your user was changed from {{ .OldEmail }} to {{ .Email }}.")},
	notePhoneChanged: {Subject: "Your phone number was changed", HTML: notePage("Your phone number was changed",
		"The number of {{ .Email }} was changed from {{ .OldPhone }} to {{ .Phone }}.")},
	noteIdentityLinked: {Subject: "A new sign-in method was linked to your account", HTML: notePage("A new sign-in method was linked to your account",
		"{{ .Email }} can now sign in with {{ .Provider }}.")},
	noteIdentityUnlinked: {Subject: "A sign-in method was removed from your account", HTML: notePage("A sign-in method was removed from your account",
		"{{ .Email }} can no longer sign in with {{ .Provider }}.")},
	noteMFAFactorEnrolled: {Subject: "A new verification method was added to your account", HTML: notePage("A new verification method was added to your account",
		"{{ .Email }} now signs in with a second factor of the kind {{ .FactorType }}.")},
	noteMFAFactorUnenrolled: {Subject: "A verification method was removed from your account", HTML: notePage("A verification method was removed from your account",
		"The second factor of the kind {{ .FactorType }} of {{ .Email }} was removed.")},
}

func mailPage(title, sentence, link string) string {
	return "<h2>" + title + "</h2>\n<p>" + sentence + "</p>\n" +
		`<p><a href="{{ .ConfirmationURL }}">` + link + "</a></p>\n" +
		"<p>Or enter the code: <strong>{{ .Token }}</strong></p>\n"
}

func notePage(title, sentence string) string {
	return "<h2>" + title + "</h2>\n<p>" + sentence + "</p>\n<p>If this was not you, reset your password and tell whoever runs {{ .SiteURL }}.</p>\n"
}

// The bounds of templates that are fetched.
const (
	templateTimeout = 10 * time.Second
	maxTemplate     = 1_000_000
	templateAge     = 10 * time.Minute // then it is fetched anew
	templateRetry   = 10 * time.Second // after a failure
)

// mailTemplates are the templates of all kinds of mails.
type mailTemplates struct {
	kinds map[string]*mailTemplate
	log   *slog.Logger
}

// mailTemplate is the template of a kind. With a location its body comes from
// there; while it cannot be had, the last one or the built-in one is used.
type mailTemplate struct {
	subject  *template.Template
	location string // address, file or path of the site; "" for none
	siteURL  string
	via      http.RoundTripper // to an address; nil is the default one

	mu      sync.Mutex
	body    *template.Template
	fetched time.Time // when it was last tried
	good    bool      // what was fetched is in body
}

func parseMailTemplates(c EmailConfig, siteURL string, via http.RoundTripper, log *slog.Logger) (*mailTemplates, error) {
	for kind := range c.Templates {
		if _, ok := builtinTemplates[kind]; !ok {
			return nil, fmt.Errorf("auth: there is no mail of the kind %q to have a template: the kinds are %s",
				kind, strings.Join(slices.Sorted(maps.Keys(builtinTemplates)), ", "))
		}
	}
	for kind := range c.Notifications {
		if !isNotification(kind) {
			return nil, fmt.Errorf("auth: there is no notification %q: there are %s", kind, strings.Join(Notifications, ", "))
		}
	}
	out := &mailTemplates{kinds: map[string]*mailTemplate{}, log: log}
	for kind, t := range builtinTemplates {
		custom := c.Templates[kind]
		if custom.Subject != "" {
			t.Subject = custom.Subject
		}
		if custom.HTML != "" {
			t.HTML = custom.HTML
		}
		subject, err := template.New(kind).Parse(t.Subject)
		if err != nil {
			return nil, fmt.Errorf("auth: the subject of the %s mail: %w", kind, err)
		}
		body, err := template.New(kind).Parse(t.HTML)
		if err != nil {
			return nil, fmt.Errorf("auth: the template of the %s mail: %w", kind, err)
		}
		out.kinds[kind] = &mailTemplate{subject: subject, body: body, location: custom.Location, siteURL: siteURL, via: via}
	}
	return out, nil
}

// source is where the template is now: at an address, in a file of this
// machine, or else at a path of the site.
func (t *mailTemplate) source() (location string, isFile bool) {
	if strings.HasPrefix(t.location, "http://") || strings.HasPrefix(t.location, "https://") {
		return t.location, false
	}
	if info, err := os.Stat(t.location); err == nil && info.Mode().IsRegular() {
		return t.location, true
	}
	return strings.TrimSuffix(t.siteURL, "/") + "/" + strings.TrimPrefix(t.location, "/"), false
}

// execute makes the subject and the body of a mail.
func (t *mailTemplates) execute(ctx context.Context, kind string, vars map[string]any) (subject, body string, err error) {
	k := t.kinds[kind]
	bodyTemplate, err := k.current(ctx)
	if err != nil {
		t.log.Warn("the template of a mail cannot be had: the last one is used", "kind", kind, "location", k.location, "error", err)
	}
	var b bytes.Buffer
	if err := k.subject.Execute(&b, vars); err != nil {
		return "", "", err
	}
	subject = strings.Join(strings.Fields(html.UnescapeString(b.String())), " ") // it is no HTML
	b.Reset()
	if err := bodyTemplate.Execute(&b, vars); err != nil {
		return "", "", err
	}
	return subject, b.String(), nil
}

// current is the body's template as it is now. An error is no reason not to
// use it.
func (t *mailTemplate) current(ctx context.Context) (*template.Template, error) {
	if t.location == "" {
		return t.body, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := templateRetry
	if t.good {
		wait = templateAge
	}
	location, isFile := t.source()
	if !isFile && !t.fetched.IsZero() && time.Since(t.fetched) < wait {
		return t.body, nil
	}
	t.fetched = time.Now()
	text, err := t.fetch(context.WithoutCancel(ctx), location, isFile) // it is not for this request alone
	if err != nil {
		return t.body, err
	}
	body, err := template.New(t.location).Parse(text)
	if err != nil {
		return t.body, err
	}
	t.body, t.good = body, true
	return t.body, nil
}

func (t *mailTemplate) fetch(ctx context.Context, location string, isFile bool) (string, error) {
	if isFile {
		f, err := os.Open(location)
		if err != nil {
			return "", err
		}
		defer f.Close()
		return readTemplate(f)
	}
	ctx, cancel := context.WithTimeout(ctx, templateTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return "", err
	}
	res, err := (&http.Client{Transport: t.via}).Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d", res.StatusCode)
	}
	return readTemplate(res.Body)
}

// readTemplate reads a template as a whole or not at all.
func readTemplate(r io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxTemplate+1))
	if err == nil && len(text) > maxTemplate {
		return "", fmt.Errorf("it is longer than %d bytes: make it shorter", maxTemplate)
	}
	return string(text), err
}
