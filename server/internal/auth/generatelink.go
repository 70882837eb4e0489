package auth

import (
	"net/http"
	"strings"
)

// linkParams is the body of POST /admin/generate_link.
type linkParams struct {
	Type       string `json:"type"`
	Email      string `json:"email"`
	NewEmail   string `json:"new_email"`
	Password   string `json:"password"`
	Data       object `json:"data"`
	RedirectTo string `json:"redirect_to"`
}

// linkAnswer is a user together with a link that acts for them.
type linkAnswer struct {
	*User
	ActionLink       string `json:"action_link"`
	EmailOTP         string `json:"email_otp"`
	HashedToken      string `json:"hashed_token"`
	VerificationType string `json:"verification_type"`
	RedirectTo       string `json:"redirect_to"`
}

const (
	linkChangeCurrent = "email_change_current"
	linkChangeNew     = "email_change_new"
)

// generateLink is POST /admin/generate_link: what a mail would hold, without
// the mail.
func (h *Handler) generateLink(w http.ResponseWriter, r *http.Request) (err error) {
	var p linkParams
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	if p.Email, err = validEmail(p.Email); err != nil {
		return err
	}
	var u *User
	err = h.withConn(r.Context(), func(q querier) error {
		u, err = h.userByEmail(r.Context(), q, p.Email, h.audience(r))
		return err
	})
	if err != nil {
		return internal("Database error finding user", err)
	}
	hash, err := h.checkLink(r, &p, u)
	if err != nil {
		return err
	}

	address := p.Email
	if p.Type == linkChangeNew {
		address = p.NewEmail
	}
	code := h.newCode(address, h.cfg.Email.CodeLength)
	a := linkAnswer{EmailOTP: code, VerificationType: p.Type, RedirectTo: h.redirectTarget(r)}
	if h.redirectAllowed(p.RedirectTo) {
		a.RedirectTo = p.RedirectTo
	}
	linkType := p.Type
	err = h.inTx(r, func(tx *work) error {
		id, err := tx.linkUser(p, u, hash)
		if err != nil {
			return err
		}
		kind := codeConfirmation
		switch p.Type {
		case verifyMagicLink, verifyRecovery:
			tx.audit(u, auditRecovery, nil)
			kind = codeRecovery
		case verifyInvite:
			if err := tx.markInvited(id); err != nil {
				return err
			}
			tx.auditAdmin(auditInvited, &User{ID: id, Email: p.Email}, nil)
		case linkChangeCurrent, linkChangeNew:
			linkType, kind = verifyEmailChange, codeChangeCurrent
			if p.Type == linkChangeNew {
				kind = codeChangeNew
			}
			if err := tx.prepareEmailChange(u, p.NewEmail); err != nil {
				return err
			}
		}
		a.HashedToken = codeHash(address, code)
		if err := tx.storeCode(id, kind, a.HashedToken, address); err != nil {
			return err
		}
		a.User, err = tx.reload(id)
		return err
	})
	if err != nil {
		return err
	}
	a.ActionLink = h.verifyURL(a.HashedToken, linkType, a.RedirectTo)
	return writeOK(w, a)
}

// checkLink judges the request and returns the hash of a new user's password.
func (h *Handler) checkLink(r *http.Request, p *linkParams, u *User) (hash string, err error) {
	if u == nil {
		switch p.Type {
		case verifyMagicLink:
			p.Type, p.Password = verifySignup, h.acceptablePassword()
		case verifyRecovery, linkChangeCurrent, linkChangeNew:
			return "", notFound(codeUserNotFound, "User with this email not found")
		}
	}
	switch p.Type {
	case verifyMagicLink, verifyRecovery:
	case verifySignup, verifyInvite:
		if u != nil {
			if u.EmailConfirmedAt != nil {
				return "", unprocessable(codeEmailExists, messageDuplicateEmail)
			}
			return "", nil
		}
		if p.Type == verifyInvite {
			return "", nil
		}
		if p.Password == "" {
			return "", invalid("Signup requires a valid password")
		}
		if err := h.checkStrength(r.Context(), p.Password); err != nil {
			return "", err
		}
		return h.hash(r.Context(), p.Password)
	case linkChangeCurrent, linkChangeNew:
		if p.Type == linkChangeCurrent && h.cfg.Email.SingleConfirmChange {
			return "", invalid("Enable secure email change to generate link for current email")
		}
		if p.NewEmail, err = validEmail(p.NewEmail); err != nil {
			return "", err
		}
		return "", h.withConn(r.Context(), func(q querier) error {
			owner, err := h.emailOwner(r.Context(), q, p.NewEmail, u.Aud, u.ID)
			switch {
			case err != nil:
				return internal("Database error checking email", err)
			case owner != nil:
				return unprocessable(codeEmailExists, messageDuplicateEmail)
			}
			return nil
		})
	default:
		return "", invalid("Invalid email action link type requested: %s", cleanText(p.Type, 64))
	}
	return "", nil
}

// linkUser is the user of the link; one who is unknown is made.
func (w *work) linkUser(p linkParams, u *User, hash string) (id string, err error) {
	if u != nil {
		if p.Type == verifySignup && p.Data != nil {
			err = w.mergeMetadata(u.ID, userMetadata, p.Data)
		}
		return u.ID, err
	}
	return w.inviteUser(p.Email, hash, p.Data)
}

// inviteUser makes a user whom nobody has confirmed yet.
func (w *work) inviteUser(email, hash string, data object) (id string, err error) {
	id, err = w.insertUser(newUser{Aud: w.h.audience(w.r), Email: email, PasswordHash: hash, Data: data,
		Providers: []string{providerEmail}}, "Database error saving new user")
	if err != nil {
		return "", err
	}
	return id, w.insertIdentity(id, providerEmail, id, identityData(id, email, "", false, nil))
}

func (w *work) markInvited(id string) error {
	return w.exec("Database error updating user for invite", `
		update auth.users set invited_at = $2, updated_at = $2 where id = $1`, id, w.now)
}

// prepareEmailChange notes the new address; a code already out for the same
// change stays good, so that both links of one change can be made in turn.
func (w *work) prepareEmailChange(u *User, newEmail string) error {
	if strings.EqualFold(u.EmailChange, newEmail) && u.EmailChangeStatus == 0 {
		return nil
	}
	return w.exec("Database error updating user for email change", `
		update auth.users set email_change = $2, email_change_confirm_status = 0, updated_at = $3 where id = $1`, u.ID, newEmail, w.now)
}
