package auth

import (
	"log/slog"
	"net/http"
)

// grantPassword is POST /token?grant_type=password.
func (h *Handler) grantPassword(w http.ResponseWriter, r *http.Request) error {
	var p struct {
		Email    string `json:"email"`
		Phone    string `json:"phone"`
		Password string `json:"password"`
	}
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	provider := providerEmail
	switch {
	case p.Email != "" && p.Phone != "":
		return invalid("Only an email address or phone number should be provided on login.")
	case p.Email != "" && h.cfg.Email.Disabled:
		return unprocessable(codeEmailDisabled, messageEmailLogins)
	case p.Email != "":
	case p.Phone != "" && !h.cfg.Phone.Enabled:
		return unprocessable(codePhoneDisabled, "Phone logins are disabled")
	case p.Phone != "":
		provider = providerPhone
	default:
		return invalid("missing email or phone")
	}

	var u *User
	err := h.withConn(r.Context(), func(q querier) (err error) {
		if provider == providerEmail {
			u, err = h.userByEmail(r.Context(), q, p.Email, h.audience(r))
		} else {
			u, err = h.userByPhone(r.Context(), q, phoneDigits(p.Phone), h.audience(r))
		}
		return err
	})
	if err != nil {
		return internal("Database error querying schema", err)
	}
	wrong := badRequest(codeInvalidLogin, "Invalid login credentials")
	if u == nil || u.PasswordHash == "" {
		h.passwords.VerifyNobody(r.Context(), p.Password)
		return wrong
	}
	if u.banned(h.now()) {
		return badRequest(codeUserBanned, "User is banned")
	}
	ok, outdated, err := h.checkPassword(r.Context(), u, p.Password)
	if err == nil {
		err = h.passwordAttempt(r, u, ok)
	}
	switch {
	case err != nil:
		return err
	case !ok:
		return wrong
	case provider == providerEmail && u.EmailConfirmedAt == nil:
		return badRequest("email_not_confirmed", "Email not confirmed")
	case provider == providerPhone && u.PhoneConfirmedAt == nil:
		return badRequest("phone_not_confirmed", "Phone not confirmed")
	}
	newHash := ""
	if outdated {
		if newHash, err = h.hash(r.Context(), p.Password); err != nil {
			return err
		}
	}

	var res *TokenResponse
	err = h.inTx(r, func(tx *work) error {
		if newHash != "" {
			if err := tx.upgradeHash(u, newHash); err != nil {
				return err
			}
		}
		tx.audit(u, auditLogin, map[string]any{"provider": provider})
		var err error
		res, err = tx.signInLast(u.ID, methodPassword)
		return err
	})
	if err != nil {
		return err
	}
	if res.WeakPassword, err = h.weakness(r.Context(), p.Password); err != nil {
		h.log.LogAttrs(r.Context(), slog.LevelWarn, "the strength of a password cannot be judged at a sign-in", slog.Any("cause", err))
	}
	return writeToken(w, res)
}
