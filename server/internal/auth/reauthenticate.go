package auth

import "net/http"

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

// checkNonce judges the code of a reauthentication and uses it up.
func (w *work) checkNonce(u *User, nonce string) error {
	address, life := u.Email, w.h.cfg.Email.CodeExpiry
	if address == "" {
		address, life = u.Phone, w.h.cfg.Phone.CodeExpiry
	}
	if !codeFits(codeHash(address, nonce), u.ReauthenticationToken, u.Reauthenticated, life, w.now) {
		return unprocessable("reauthentication_not_valid", "Nonce has expired or is invalid")
	}
	if err := w.exec("Error during reauthentication", `
		update auth.users set reauthentication_token = '', updated_at = $2 where id = $1`, u.ID, w.now); err != nil {
		return err
	}
	return w.clearCodes(u.ID)
}
