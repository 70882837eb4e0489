package auth

import (
	"bytes"
	"fmt"
	"text/template"

	"github.com/suparust/suparust/server/internal/mail"
)

// sendMailCode gives the user a fresh code of the kind and mails it.
func (w *work) sendMailCode(u *User, kind codeKind, mailKind, linkType string, c challenge) error {
	code := w.h.newCode(u.Email, w.h.cfg.Email.CodeLength)
	hash := c.prefix() + codeHash(u.Email, code)
	if err := w.storeCode(u.ID, kind, hash, u.Email); err != nil {
		return err
	}
	return w.mailOut(letter{kind: mailKind, to: u.Email, linkType: linkType, code: code, hash: hash, user: u})
}

func (w *work) mailTooSoon(u *User, kind codeKind) error {
	sent := u.ConfirmationSent
	switch kind {
	case codeRecovery:
		sent = u.RecoverySent
	case codeReauthenticate:
		sent = u.Reauthenticated
	case codeChangeNew:
		sent = u.EmailChangeSent
	}
	return tooSoon(codeEmailLimit, sent, w.h.cfg.Email.MaxFrequency, w.now)
}

// sendConfirmation mails what confirms a new user's address.
func (w *work) sendConfirmation(u *User, c challenge) error {
	if err := w.mailTooSoon(u, codeConfirmation); err != nil {
		return err
	}
	return w.sendMailCode(u, codeConfirmation, mailConfirmation, "signup", c)
}

// sendRecovery mails a link to set a new password.
func (w *work) sendRecovery(u *User, c challenge) error {
	if err := w.mailTooSoon(u, codeRecovery); err != nil {
		return err
	}
	return w.sendMailCode(u, codeRecovery, mailRecovery, "recovery", c)
}

// sendMagicLink mails a link to sign in. It shares the code and the frequency
// limit of the recovery.
func (w *work) sendMagicLink(u *User, c challenge) error {
	if err := w.mailTooSoon(u, codeRecovery); err != nil {
		return err
	}
	return w.sendMailCode(u, codeRecovery, mailMagicLink, "magiclink", c)
}

// sendReauthentication mails a code that shows that it is still the user.
func (w *work) sendReauthentication(u *User) error {
	if err := w.mailTooSoon(u, codeReauthenticate); err != nil {
		return err
	}
	return w.sendMailCode(u, codeReauthenticate, mailReauthenticate, "", challenge{})
}

// sendEmailChange mails what confirms a change of the address: to the new one
// and, where both have to confirm, to the old one.
func (w *work) sendEmailChange(u *User, newEmail string, c challenge) error {
	if err := w.mailTooSoon(u, codeChangeNew); err != nil {
		return err
	}
	if err := w.exec("Error sending email change email", `
		update auth.users set email_change = $2, email_change_confirm_status = 0, email_change_token_current = '', updated_at = $3
		where id = $1`, u.ID, newEmail, w.now); err != nil {
		return err
	}
	send := func(kind codeKind, address string) error {
		code := w.h.newCode(address, w.h.cfg.Email.CodeLength)
		hash := c.prefix() + codeHash(address, code)
		if err := w.storeCode(u.ID, kind, hash, address); err != nil {
			return err
		}
		return w.mailOut(letter{kind: mailEmailChange, to: address, linkType: "email_change", code: code, hash: hash, user: u, newEmail: newEmail})
	}
	if err := send(codeChangeNew, newEmail); err != nil {
		return err
	}
	if w.h.cfg.Email.SingleConfirmChange || u.Email == "" {
		return w.exec("Error sending email change email",
			`delete from auth.one_time_tokens where user_id = $1 and token_type = 'email_change_token_current'`, u.ID)
	}
	return send(codeChangeCurrent, u.Email)
}

type smsTemplate struct{ *template.Template }

func parseSMSTemplate(s string) (smsTemplate, error) {
	t, err := template.New("sms").Parse(s)
	if err != nil {
		return smsTemplate{}, fmt.Errorf("auth: the template of text messages: %w", err)
	}
	return smsTemplate{t}, nil
}

// sendPhoneCode texts the user a fresh code of the kind. It returns the id of
// the message. Numbers with a fixed test code get none sent.
func (w *work) sendPhoneCode(u *User, kind codeKind, phone string) (messageID string, err error) {
	cfg := w.h.cfg.Phone
	sent := u.ConfirmationSent
	switch kind {
	case codePhoneChange:
		sent = u.PhoneChangeSent
	case codeReauthenticate:
		sent = u.Reauthenticated
	}
	if err := tooSoon(codeSMSLimit, sent, cfg.MaxFrequency, w.now); err != nil {
		return "", err
	}
	code, fixed := cfg.testCode(phone, w.now)
	if fixed {
		messageID = "test-otp"
	} else {
		code = w.h.newCode(phone, cfg.CodeLength)
		var text bytes.Buffer
		if err := w.h.smsText.Execute(&text, map[string]string{"Code": code}); err != nil {
			return "", internal("error generating sms template", err)
		}
		messageID = newID()
		m := mail.Message{Kind: mail.SMS, To: phone, Text: text.String(), Created: w.now, Tags: []string{kind.column}}
		m.Locate(code, "")
		w.mails = append(w.mails, outgoing{Message: m})
	}
	if kind == codePhoneChange {
		if err := w.exec("Database error updating user for phone",
			`update auth.users set phone_change = $2 where id = $1`, u.ID, phone); err != nil {
			return "", err
		}
	}
	return messageID, w.storeCode(u.ID, kind, codeHash(phone, code), phone)
}
