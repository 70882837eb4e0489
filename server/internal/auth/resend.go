package auth

import "net/http"

type resendParams struct {
	Type  string `json:"type"`
	Email string `json:"email"`
	Phone string `json:"phone"`
	challenge
}

func (h *Handler) checkResend(p *resendParams) (err error) {
	switch p.Type {
	case "signup", "email_change":
		if err := p.challenge.check(); err != nil {
			return err
		}
	case "sms", "phone_change":
	default:
		return invalid("Missing one of these types: signup, email_change, sms, phone_change")
	}
	switch {
	case p.Email == "" && p.Type == "signup":
		return invalid("Type provided requires an email address")
	case p.Phone == "" && p.Type == "sms":
		return invalid("Type provided requires a phone number")
	case p.Email != "" && p.Phone != "":
		return invalid("Only an email address or phone number should be provided.")
	case p.Email != "" && h.cfg.Email.Disabled:
		return badRequest(codeEmailDisabled, messageEmailLogins)
	case p.Email != "":
		p.Email, err = validEmail(p.Email)
	case p.Phone != "" && !h.cfg.Phone.Enabled:
		return badRequest(codePhoneDisabled, "Phone logins are disabled")
	case p.Phone != "":
		p.Phone, err = validPhone(p.Phone)
	default:
		return invalid("Missing email address or phone number")
	}
	return err
}

// resend is POST /resend: a fresh code for what is still pending. Where
// nothing is, the answer is the same.
func (h *Handler) resend(w http.ResponseWriter, r *http.Request) error {
	var p resendParams
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	if err := h.checkResend(&p); err != nil {
		return err
	}
	var answer messageAnswer
	err := h.inTx(r, func(tx *work) error {
		var u *User
		var err error
		if p.Email != "" {
			u, err = h.userByEmail(tx.ctx, tx, p.Email, h.audience(r))
		} else {
			u, err = h.userByPhone(tx.ctx, tx, p.Phone, h.audience(r))
		}
		if err != nil {
			return internal("Unable to process request", err)
		}
		if u == nil {
			return nil
		}
		answer.MessageID, err = tx.resend(u, p)
		return err
	})
	if err != nil {
		return err
	}
	return writeOK(w, answer)
}

func (w *work) resend(u *User, p resendParams) (messageID string, err error) {
	switch {
	case p.Type == "signup" && u.EmailConfirmedAt == nil:
		w.audit(u, auditConfirmation, nil)
		if err := w.startFlow(p.challenge, u.ID, methodEmailSignup, methodEmailSignup); err != nil {
			return "", err
		}
		return "", w.sendConfirmation(u, p.challenge)
	case p.Type == "email_change" && u.EmailChange != "":
		if err := w.startFlow(p.challenge, u.ID, methodEmailChange, methodEmailChange); err != nil {
			return "", err
		}
		return "", w.sendEmailChange(u, u.EmailChange, p.challenge)
	case p.Type == "sms" && u.PhoneConfirmedAt == nil:
		w.audit(u, auditRecovery, nil)
		return w.sendPhoneCode(u, codeConfirmation, p.Phone, "")
	case p.Type == "phone_change" && u.PhoneChange != "":
		return w.sendPhoneCode(u, codePhoneChange, u.PhoneChange, "")
	}
	return "", nil
}
