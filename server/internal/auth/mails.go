package auth

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/suparust/suparust/server/internal/mail"
)

// letter is what a mail is made from.
type letter struct {
	kind     string
	to       string
	linkType string // type of the link: signup, invite, magiclink, recovery, email_change
	code     string
	hash     string
	user     *User
	newEmail string
	more     map[string]any // further variables of the template
}

// outgoing is a message that leaves when its work is done.
type outgoing struct {
	mail.Message
	failure string // what is answered when it cannot be sent; "" lets the work stand
}

// mailOut composes a mail; it leaves when the work is done.
func (w *work) mailOut(l letter) error {
	if w.h.hooks.on(HookSendEmail) {
		return w.hookLetter(l)
	}
	failure := "Error sending " + strings.ReplaceAll(l.kind, "_", " ") + " email"
	target := w.h.redirectTarget(w.r)
	var data map[string]any
	if err := json.Unmarshal(l.user.UserMetadata, &data); err != nil {
		return internal(failure, err)
	}
	vars := map[string]any{"SiteURL": w.h.cfg.SiteURL, "Email": l.user.Email, "Data": data}
	if l.code != "" {
		vars["Token"] = l.code
	}
	if l.linkType != "" {
		vars["ConfirmationURL"], vars["TokenHash"], vars["RedirectTo"] = w.h.mailLink(l, target), l.hash, target
	}
	if l.newEmail != "" {
		vars["NewEmail"], vars["SendingTo"] = l.newEmail, l.to
	}
	for name, v := range l.more {
		vars[name] = v
	}
	subject, body, err := w.h.templates.execute(w.ctx, l.kind, vars)
	if err != nil {
		return internal(failure, err)
	}
	m := mail.Message{
		Kind: mail.Email, From: w.h.cfg.Sender, To: l.to, Subject: subject, HTML: body, Text: mail.HTMLToText(body),
		Created: w.now, Tags: []string{l.kind}, Header: w.h.mailHeader(l.kind),
	}
	m.Locate(l.code, l.hash)
	m.Complete()
	if isNotification(l.kind) {
		failure = ""
	}
	w.mails = append(w.mails, outgoing{m, failure})
	return nil
}

// mailHeader are the configured fields of a mail of the kind.
func (h *Handler) mailHeader(kind string) map[string]string {
	if len(h.cfg.Email.Headers) == 0 {
		return nil
	}
	name := kind
	switch {
	case kind == mailReauthenticate:
		name = "reauthenticate"
	case isNotification(kind):
		name += "_notification"
	}
	header := make(map[string]string, len(h.cfg.Email.Headers))
	for field, value := range h.cfg.Email.Headers {
		header[field] = strings.ReplaceAll(value, "$messageType", name)
	}
	return header
}

// send hands the mails of the work on to the SMTP server. It is part of the
// transaction: a mail that cannot be sent undoes what it was about.
func (w *work) send() error {
	if w.h.cfg.SMTP == nil {
		return nil
	}
	for _, m := range w.mails {
		if m.Kind != mail.Email {
			continue
		}
		if err := w.Flush(w.ctx); err != nil {
			return err
		}
		err := w.h.cfg.SMTP.Send(w.ctx, m.Message)
		switch {
		case err == nil:
		case m.failure != "":
			w.deliver() // for whoever looks why it failed
			return internal(m.failure, err)
		default:
			w.h.log.Warn("a notification was not sent", "kind", m.Tags, "error", err)
		}
	}
	return nil
}

// deliver puts the messages of the work into the mailbox.
func (w *work) deliver() {
	for _, m := range w.mails {
		w.h.mail.Deliver(m.Message)
	}
}

// mailLink is the link of a mail: verifyURL, at the path that is configured
// for its kind.
func (h *Handler) mailLink(l letter, target string) string {
	kind := l.kind
	if kind == mailMagicLink {
		kind = mailRecovery // they share it
	}
	link := h.verifyURL(l.hash, l.linkType, target)
	path := h.cfg.Email.URLPaths[kind]
	base, err := url.Parse(h.cfg.ExternalURL)
	if path == "" || err != nil {
		return link
	}
	at, err := base.Parse(path)
	if err != nil {
		return link
	}
	_, at.RawQuery, _ = strings.Cut(link, "?")
	return at.String()
}

// verifyURL is the link of a mail. The target stands in it as it is unless its
// characters would end the parameter.
func (h *Handler) verifyURL(hash, linkType, target string) string {
	if strings.ContainsAny(target, "&=#") {
		target = url.QueryEscape(target)
	}
	return strings.TrimSuffix(h.cfg.ExternalURL, "/") + "/verify?token=" + url.QueryEscape(hash) +
		"&type=" + url.QueryEscape(linkType) + "&redirect_to=" + target
}
