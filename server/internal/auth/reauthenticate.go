package auth

import (
	"context"
	"net/http"
)

// reauthenticate is GET /reauthenticate: a code that a password change may ask
// for.
func (h *Handler) reauthenticate(w http.ResponseWriter, r *http.Request) error {
	u := callerOf(r).User
	switch {
	case u.Email == "" && u.Phone == "":
		return invalid("Reauthentication requires the user to have an email or a phone number")
	case u.Email != "" && u.EmailConfirmedAt == nil:
		return unprocessable("email_not_confirmed", "Please verify your email first.")
	case u.Email == "" && u.PhoneConfirmedAt == nil:
		return unprocessable("phone_not_confirmed", "Please verify your phone first.")
	}
	var answer messageAnswer
	err := h.inTx(r, func(tx *work) error {
		tx.audit(u, auditReauthenticate, nil)
		if u.Email != "" {
			return tx.sendReauthentication(u)
		}
		var err error
		answer.MessageID, err = tx.sendPhoneCode(u, codeReauthenticate, u.Phone, "")
		return err
	})
	if err != nil {
		return err
	}
	return writeOK(w, answer)
}

// nonceFits judges the code of a reauthentication. A service that makes the
// codes itself is asked, and uses them up.
func (h *Handler) nonceFits(ctx context.Context, u *User, nonce string) error {
	if h.nonceElsewhere(u) {
		if err := h.sms.Check(ctx, u.Phone, nonce); err != nil {
			return &Error{Status: errCode.Status, Code: errCode.Code, Message: errCode.Message, Cause: err}
		}
		return nil
	}
	address, life := u.Email, h.cfg.Email.CodeExpiry
	if address == "" {
		address, life = u.Phone, h.cfg.Phone.CodeExpiry
	}
	if !codeFits(codeHash(address, nonce), u.ReauthenticationToken, u.Reauthenticated, life, h.now()) {
		return errNonce
	}
	return nil
}

var errNonce = unprocessable("reauthentication_not_valid", "Nonce has expired or is invalid")

// nonceElsewhere reports whether the user's code is the SMS service's own.
func (h *Handler) nonceElsewhere(u *User) bool { return u.Email == "" && h.verifiesPhones() }

// useNonce uses the code of a reauthentication up, which another request may
// have done since it was judged.
func (w *work) useNonce(u *User) error {
	if w.h.nonceElsewhere(u) {
		return nil
	}
	tag, err := w.Exec(w.ctx, `
		update auth.users set reauthentication_token = '', updated_at = $2 where id = $1 and reauthentication_token = $3`,
		u.ID, w.now, u.ReauthenticationToken)
	switch {
	case err != nil:
		return internal("Error during reauthentication", err)
	case tag.RowsAffected() == 0:
		return errNonce
	}
	return w.clearCodes(u.ID)
}
