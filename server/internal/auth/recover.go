package auth

import "net/http"

// recoverPassword is POST /recover. Its answer does not tell who is
// registered.
func (h *Handler) recoverPassword(w http.ResponseWriter, r *http.Request) error {
	var p struct {
		Email string `json:"email"`
		challenge
	}
	if h.cfg.Email.Disabled {
		return badRequest(codeEmailDisabled, messageEmailLogins)
	}
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	if p.Email == "" {
		return invalid("Password recovery requires an email")
	}
	email, err := validEmail(p.Email)
	if err != nil {
		return err
	}
	if err := p.challenge.check(); err != nil {
		return err
	}
	err = h.inTx(r, func(tx *work) error {
		u, err := h.userByEmail(tx.ctx, tx, email, h.audience(r))
		if err != nil {
			return internal("Unable to process request", err)
		}
		if u == nil {
			return nil
		}
		if err := tx.startFlow(p.challenge, u.ID, methodRecovery, methodRecovery); err != nil {
			return err
		}
		tx.audit(u, auditRecovery, nil)
		return tx.sendRecovery(u, p.challenge)
	})
	if err != nil {
		return err
	}
	return writeOK(w, empty{})
}
