package auth

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"text/template"

	"github.com/suparust/suparust/server/internal/auth/sms"
	"github.com/suparust/suparust/server/internal/mail"
)

// SMSConfig names the service that sends text messages.
type SMSConfig = sms.Config

// CheckSMS reports what is wrong with the configuration of a service.
func CheckSMS(c SMSConfig) error {
	_, err := sms.New(c)
	return err
}

type smsTemplate struct{ *template.Template }

func parseSMSTemplate(s string) (smsTemplate, error) {
	t, err := template.New("sms").Parse(s)
	if err != nil {
		return smsTemplate{}, fmt.Errorf("auth: the template of text messages: %w", err)
	}
	return smsTemplate{t}, nil
}

// validChannel checks how a code is to be sent; none means sms.
func (h *Handler) validChannel(s string) error {
	switch {
	case s == "", s == sms.ChannelSMS, h.hooks.on(HookSendSMS):
	case s == sms.ChannelWhatsApp && h.sms.WhatsApp():
	default:
		return invalid(invalidChannel)
	}
	return nil
}

// verifiesPhones reports whether the codes of text messages are made and
// checked by the service that sends them.
func (h *Handler) verifiesPhones() bool { return h.sms.Verifies() && !h.hooks.on(HookSendSMS) }

// text is a code on its way to a phone.
type text struct {
	phone, channel, code string
	template             smsTemplate
	tag                  string // of the message in the mailbox
}

// textOut sends a message: through the service where there is one, and into the
// mailbox, unless the service makes the code itself. It returns the message's
// id.
func (w *work) textOut(t text) (id string, err error) {
	var body bytes.Buffer
	if err := t.template.Execute(&body, map[string]string{"Code": t.code}); err != nil {
		return "", internal("error generating sms template", err)
	}
	id = newID()
	if w.h.sms != nil {
		if err := w.Flush(w.ctx); err != nil {
			return "", err
		}
		sent, err := w.h.sms.Send(w.ctx, sms.Message{Phone: t.phone, Text: body.String(), Code: t.code, Channel: t.channel})
		if err != nil || w.h.sms.Verifies() {
			return sent, err
		}
		id = sent
	}
	m := mail.Message{Kind: mail.SMS, To: t.phone, Text: body.String(), Created: w.now, Tags: []string{t.tag}}
	m.Locate(t.code, "")
	w.mails = append(w.mails, outgoing{Message: m})
	return id, nil
}

// sendPhoneCode texts the user a fresh code of the kind. It returns the id of
// the message. Numbers with a fixed test code get none sent.
func (w *work) sendPhoneCode(u *User, kind codeKind, phone, channel string) (messageID string, err error) {
	cfg := w.h.cfg.Phone
	sent, what := u.ConfirmationSent, "confirmation"
	switch kind {
	case codePhoneChange:
		sent, what = u.PhoneChangeSent, "phone_change"
	case codeReauthenticate:
		sent, what = u.Reauthenticated, "reauthentication"
	}
	if err := tooSoon(codeSMSLimit, sent, cfg.MaxFrequency, w.now); err != nil {
		return "", err
	}
	code, fixed := cfg.testCode(phone, w.now)
	if fixed {
		messageID = "test-otp"
	} else {
		if err := w.h.admitSMS(); err != nil {
			return "", err
		}
		code = w.h.newCode(phone, cfg.CodeLength)
		if w.h.hooks.on(HookSendSMS) {
			told := *u
			if kind == codePhoneChange {
				told.PhoneChange = phone
			}
			err = w.hookSMS(&told, smsData{OTP: code, Phone: phone})
		} else {
			messageID, err = w.textOut(text{phone: phone, channel: channel, code: code, template: w.h.smsText, tag: kind.column})
			if err != nil && w.ctx.Err() == nil {
				err = smsFailure(what, err)
			}
		}
		if err != nil {
			return "", err
		}
	}
	if kind == codePhoneChange {
		if err := w.exec("Database error updating user for phone",
			`update auth.users set phone_change = $2 where id = $1`, u.ID, phone); err != nil {
			return "", err
		}
	}
	return messageID, w.storeCode(u.ID, kind, codeHash(phone, code), phone)
}

// smsFailure is the answer when a service does not take a message. An *Error
// keeps its own.
func smsFailure(what string, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	return &Error{Status: http.StatusUnprocessableEntity, Code: "sms_send_failed", Cause: err,
		Message: cleanText(fmt.Sprintf("Error sending %s OTP to provider: %v", what, err), 1024)}
}
