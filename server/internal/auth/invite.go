package auth

import "net/http"

// invite is POST /invite: a user is made, or asked again, by mail.
func (h *Handler) invite(w http.ResponseWriter, r *http.Request) error {
	var p struct {
		Email string `json:"email"`
		Data  object `json:"data"`
	}
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	email, err := validEmail(p.Email)
	if err != nil {
		return err
	}
	var u *User
	err = h.inTx(r, func(tx *work) error {
		if u, err = h.userByEmail(tx.ctx, tx, email, h.audience(r)); err != nil {
			return internal("Database error finding user", err)
		}
		var id string
		switch {
		case u == nil:
			if id, err = tx.inviteUser(email, "", p.Data); err != nil {
				return err
			}
		case u.EmailConfirmedAt != nil:
			return unprocessable(codeEmailExists, messageDuplicateEmail)
		default:
			id = u.ID
		}
		if err := tx.markInvited(id); err != nil {
			return err
		}
		if u, err = tx.reload(id); err != nil {
			return err
		}
		tx.auditAdmin(auditInvited, u, nil)
		if err := tx.sendMailCode(u, codeConfirmation, mailInvite, verifyInvite, challenge{}); err != nil {
			return err
		}
		u, err = tx.reload(id)
		return err
	})
	if err != nil {
		return err
	}
	return writeOK(w, u)
}
