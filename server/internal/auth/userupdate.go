package auth

import (
	"context"
	"net/http"
)

// getUser is GET /user.
func (h *Handler) getUser(w http.ResponseWriter, r *http.Request) error {
	c := callerOf(r)
	if aud := claimAudience(c.Claims); aud == "" || aud != h.audience(r) {
		return invalid("Token audience doesn't match request audience")
	}
	return writeOK(w, c.User)
}

// updateParams is the body of PUT /user.
type updateParams struct {
	Email           string  `json:"email"`
	Phone           string  `json:"phone"`
	Password        *string `json:"password"`
	CurrentPassword string  `json:"current_password"`
	Nonce           string  `json:"nonce"`
	Data            object  `json:"data"`
	AppMetadata     object  `json:"app_metadata"`
	Channel         string  `json:"channel"`
	challenge
}

// updateUser is PUT /user.
func (h *Handler) updateUser(w http.ResponseWriter, r *http.Request) error {
	var p updateParams
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	if err := h.checkUpdate(r.Context(), &p); err != nil {
		return err
	}
	c := callerOf(r)
	u := c.User
	if err := mayUpdate(c, p); err != nil {
		return err
	}
	newEmail, newPhone := p.Email != "" && p.Email != u.Email, p.Phone != "" && p.Phone != u.Phone
	if err := h.refuseTaken(r, u, p, newEmail, newPhone); err != nil {
		return err
	}
	hash, useNonce, err := h.newPassword(r, c, p)
	if err != nil {
		return err
	}

	keep := ""
	if c.Session != nil {
		keep = c.Session.ID
	}
	var updated *User
	err = h.inTx(r, func(tx *work) error {
		if useNonce {
			if err := tx.useNonce(u); err != nil {
				return err
			}
		}
		if p.Password != nil {
			if err := tx.storePassword(u.ID, hash, keep); err != nil {
				return err
			}
			tx.audit(u, auditPassword, nil)
			if err := tx.notifyPasswordChanged(u); err != nil {
				return err
			}
			if u, err = tx.reload(u.ID); err != nil { // the change has ended what was pending
				return err
			}
		}
		if p.Data != nil {
			if err := tx.mergeMetadata(u.ID, userMetadata, p.Data); err != nil {
				return err
			}
		}
		if newEmail {
			if err := tx.changeEmail(u, p); err != nil {
				return err
			}
		}
		if newPhone {
			if err := tx.changePhone(u, p); err != nil {
				return err
			}
		}
		if updated, err = tx.reload(u.ID); err != nil {
			return err
		}
		tx.audit(updated, auditModified, nil)
		return nil
	})
	if err != nil {
		return err
	}
	return writeOK(w, updated)
}

func (h *Handler) checkUpdate(ctx context.Context, p *updateParams) (err error) {
	if p.Email != "" {
		if p.Email, err = validEmail(p.Email); err != nil {
			return err
		}
	}
	if p.Phone != "" {
		if p.Phone, err = validPhone(p.Phone); err != nil {
			return err
		}
		if err := h.validChannel(p.Channel); err != nil {
			return err
		}
	}
	if p.Password != nil {
		if err := h.checkStrength(ctx, *p.Password); err != nil {
			return err
		}
	}
	return p.challenge.check()
}

// mayUpdate refuses what the user, in this session, may not change.
func mayUpdate(c *caller, p updateParams) error {
	u := c.User
	password := p.Password != nil && *p.Password != ""
	email, phone := p.Email != "" && p.Email != u.Email, p.Phone != "" && p.Phone != u.Phone
	switch {
	case p.AppMetadata != nil:
		return forbidden(codeNotAdmin, "Updating app_metadata requires admin privileges")
	case u.hasMFA() && (c.Session == nil || c.Session.AAL != aal2) && (password || email || phone):
		return fail(http.StatusUnauthorized, codeInsufficientAAL, "AAL2 session is required to update email or password when MFA is enabled.")
	case u.IsAnonymous && password && p.Email == "" && p.Phone == "":
		return unprocessable(codeValidation, "Updating password of an anonymous user without an email or phone is not allowed")
	case u.IsSSO && (password || email || phone || p.Nonce != ""):
		return unprocessable("user_sso_managed", "Updating email, phone, password of a SSO account only possible via SSO")
	}
	return nil
}

func (h *Handler) refuseTaken(r *http.Request, u *User, p updateParams, newEmail, newPhone bool) error {
	if !newEmail && !newPhone {
		return nil
	}
	return h.withConn(r.Context(), func(q querier) error {
		if newEmail {
			owner, err := h.emailOwner(r.Context(), q, p.Email, h.audience(r), u.ID)
			switch {
			case err != nil:
				return internal("Database error checking email", err)
			case owner != nil:
				return unprocessable(codeEmailExists, messageDuplicateEmail)
			}
		}
		if newPhone {
			owner, err := h.userByPhone(r.Context(), q, p.Phone, h.audience(r))
			switch {
			case err != nil:
				return internal("Database error checking phone", err)
			case owner != nil && owner.ID != u.ID:
				return unprocessable(codePhoneExists, messageDuplicatePhone)
			}
		}
		return nil
	})
}

// newPassword judges a change of the password and returns the new hash, and
// whether the nonce is to be checked. The hash is made here, before the
// transaction.
func (h *Handler) newPassword(r *http.Request, c *caller, p updateParams) (hash string, useNonce bool, err error) {
	if p.Password == nil {
		return "", false, nil
	}
	u, cfg := c.User, h.cfg.Password
	if cfg.RequireReauthentication && (c.Session == nil || h.now().After(c.Session.CreatedAt.Add(reauthenticateAge))) {
		if p.Nonce == "" {
			return "", false, badRequest("reauthentication_needed", "Password update requires reauthentication")
		}
		if err := h.nonceFits(r.Context(), u, p.Nonce); err != nil {
			return "", false, err
		}
		useNonce = true
	}
	if u.PasswordHash != "" {
		const current = "Current password required when setting new password."
		if cfg.RequireCurrent && (c.Session == nil || !c.Session.isRecovery()) {
			if p.CurrentPassword == "" {
				return "", false, badRequest("current_password_required", current)
			}
			ok, _, err := h.checkPassword(r.Context(), u, p.CurrentPassword)
			if err != nil {
				return "", false, err
			}
			if !ok {
				return "", false, badRequest("current_password_invalid", current)
			}
		}
		same, _, err := h.checkPassword(r.Context(), u, *p.Password)
		if err != nil {
			return "", false, err
		}
		if same {
			return "", false, unprocessable("same_password", "New password should be different from the old password.")
		}
	}
	hash, err = h.hash(r.Context(), *p.Password)
	return hash, useNonce, err
}

// changeEmail begins the change of the address. An anonymous user of a project
// without confirmations has it at once; all others confirm it.
func (w *work) changeEmail(u *User, p updateParams) error {
	if u.IsAnonymous && !w.h.cfg.Email.RequireConfirmation {
		w.audit(u, auditModified, nil)
		return w.moveEmail(u, p.Email) // app_metadata names the provider from a verification on
	}
	if err := w.startFlow(p.challenge, u.ID, methodEmailChange, methodEmailChange); err != nil {
		return err
	}
	return w.sendEmailChange(u, p.Email, p.challenge)
}

// changePhone begins, or where nothing has to be confirmed makes, the change
// of the number.
func (w *work) changePhone(u *User, p updateParams) error {
	if !w.h.cfg.Phone.RequireConfirmation {
		w.audit(u, auditModified, nil)
		return w.movePhone(u, p.Phone)
	}
	_, err := w.sendPhoneCode(u, codePhoneChange, p.Phone, p.Channel)
	return err
}
