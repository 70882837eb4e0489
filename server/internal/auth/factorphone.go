package auth

import (
	"net/http"
	"time"
)

// PhoneFactorConfig is about second factors that are a phone.
type PhoneFactorConfig struct {
	EnrollEnabled bool
	VerifyEnabled bool
	CodeLength    int           // 6 to 10; default 6
	Template      string        // default "Your code is {{ .Code }}"
	MaxFrequency  time.Duration // between two codes to a factor; 0 means five seconds, less than 0 no limit
}

// enrollPhone is POST /factors for a phone.
func (h *Handler) enrollPhone(w http.ResponseWriter, r *http.Request, c *caller, p enrollParams) error {
	if p.Phone == "" {
		return invalid("Phone number required to enroll Phone factor")
	}
	phone, err := validPhone(p.Phone)
	if err != nil {
		return err
	}
	if err := checkFactorName(p.FriendlyName); err != nil {
		return err
	}
	id := newID()
	err = h.inTx(r, func(tx *work) error {
		// one after the other, so that a number is enrolled once
		if err := tx.exec("Database error finding user", `select from auth.users where id = $1 for no key update`, c.User.ID); err != nil {
			return err
		}
		u, err := tx.reload(c.User.ID)
		if err != nil {
			return err
		}
		for _, f := range u.Factors {
			switch {
			case f.Type != factorPhone || f.Phone != phone:
			case f.verified():
				return unprocessable("mfa_verified_factor_exists", "A verified phone factor already exists, unenroll the existing factor to continue")
			default:
				if err := tx.deleteFactor(f); err != nil {
					return err
				}
			}
		}
		if err := tx.admitFactor(c, p.FriendlyName); err != nil {
			return err
		}
		_, err = tx.Exec(tx.ctx, `
			insert into auth.mfa_factors (id, user_id, friendly_name, factor_type, status, secret, phone, created_at, updated_at)
			values ($1, $2, $3, 'phone', 'unverified', '', $4, $5, $5)`, id, c.User.ID, p.FriendlyName, phone, tx.now)
		if err != nil {
			return nameConflict(err, p.FriendlyName)
		}
		tx.audit(c.User, auditFactorEnroll, map[string]any{"factor_id": id, "factor_type": factorPhone})
		return nil
	})
	if err != nil {
		return err
	}
	return writeOK(w, enrollAnswer{ID: id, Type: factorPhone, FriendlyName: p.FriendlyName, Phone: p.Phone})
}

// textChallenge texts the code of a challenge and returns it.
func (w *work) textChallenge(u *User, f Factor, channel string) (code string, err error) {
	cfg := w.h.cfg.MFA.Phone
	var last *time.Time
	err = w.QueryRow(w.ctx, `select last_challenged_at from auth.mfa_factors where id = $1 for no key update`, f.ID).Scan(&last)
	if err != nil {
		return "", internal("Database error creating challenge", err)
	}
	if err := tooSoon(codeSMSLimit, last, cfg.MaxFrequency, w.now); err != nil {
		return "", err
	}
	code = w.h.newCode(f.Phone, cfg.CodeLength)
	if w.h.hooks.on(HookSendSMS) {
		if err := w.hookSMS(u, smsData{OTP: code, Type: "mfa", Phone: f.Phone}); err != nil {
			return "", &Error{Status: http.StatusInternalServerError, Code: codeUnexpected, Message: "error invoking hook", Cause: err}
		}
		return code, nil
	}
	if _, err := w.textOut(text{phone: f.Phone, channel: channel, code: code, template: w.h.factorText, tag: "mfa"}); err != nil {
		return "", internal("error sending message", err)
	}
	return code, nil
}
