package auth

import (
	_ "embed"
)

// What a verified code does to its user.

// acceptSignup confirms a new or invited user.
func (w *work) acceptSignup(u *User) error {
	if u.PasswordHash == "" && u.InvitedAt != nil {
		// the app asks an invited user for a password next; until then there
		// is one that nobody knows
		hash, err := w.h.hash(w.ctx, randomPassword())
		if err != nil {
			return err
		}
		if err := w.storePassword(u.ID, hash, ""); err != nil {
			return err
		}
	}
	w.audit(u, auditSignedUp, map[string]any{"provider": providerEmail})
	if err := w.confirmEmail(u.ID); err != nil {
		return err
	}
	return w.exec("Error setting email_verified to true on identity", `
		update auth.identities set identity_data = identity_data || '{"email_verified": true}', updated_at = $3
		where user_id = $1 and email = $2`, u.ID, u.Email, w.now)
}

// acceptRecovery uses the code of a recovery or magic link up; it confirms the
// user too, for the mail was theirs to read.
func (w *work) acceptRecovery(u *User) error {
	if err := w.exec("Database error updating user", `
		update auth.users set recovery_token = '', updated_at = $2 where id = $1`, u.ID, w.now); err != nil {
		return err
	}
	if u.EmailConfirmedAt != nil {
		w.audit(u, auditLogin, nil)
		return w.clearCodes(u.ID)
	}
	w.audit(u, auditSignedUp, map[string]any{"provider": providerEmail})
	return w.confirmEmail(u.ID)
}

//go:embed queries/change_email.sql
var changeEmailSQL string

// acceptEmailChange moves the user to the new address, or notes the first of
// two confirmations; then done is false.
func (w *work) acceptEmailChange(u *User, hash string) (done bool, err error) {
	cfg := w.h.cfg.Email
	both := cfg.RequireConfirmation && !cfg.SingleConfirmChange && u.Email != ""
	if both && u.EmailChangeStatus == 0 {
		kind := codeChangeNew
		if equalSecret(hash, u.EmailChangeTokenCurrent) || equalSecret(pkcePrefix+hash, u.EmailChangeTokenCurrent) {
			kind = codeChangeCurrent
		}
		if err := w.exec("Database error updating user", `
			update auth.users set email_change_confirm_status = 1, `+kind.column+` = '', updated_at = $2
			where id = $1`, u.ID, w.now); err != nil {
			return false, err
		}
		return false, w.exec("Database error updating user",
			`delete from auth.one_time_tokens where user_id = $1 and token_type = $2::text::auth.one_time_token_type`, u.ID, kind.column)
	}
	w.audit(u, auditModified, nil)
	if err := w.moveEmail(u, u.EmailChange); err != nil {
		return true, err
	}
	return true, w.notifyEmailChanged(u, u.EmailChange)
}

// moveEmail makes address the user's own, confirmed.
func (w *work) moveEmail(u *User, address string) error {
	data := identityData(u.ID, address, "", true, nil)
	if _, err := w.Exec(w.ctx, changeEmailSQL, u.ID, address, string(mustJSON(data)), w.now, newID()); err != nil {
		if isState(err, stateUnique) {
			return unprocessable(codeEmailExists, messageDuplicateEmail)
		}
		return internal("Error confirm email", err)
	}
	if err := w.clearCodes(u.ID); err != nil {
		return err
	}
	if u.EmailConfirmedAt == nil {
		return w.confirmEmail(u.ID)
	}
	return nil
}

//go:embed queries/change_phone.sql
var changePhoneSQL string

// acceptPhoneChange moves the user to the new number.
func (w *work) acceptPhoneChange(u *User) error {
	w.audit(u, auditModified, nil)
	return w.movePhone(u, u.PhoneChange)
}

// movePhone makes phone the user's own, confirmed.
func (w *work) movePhone(u *User, phone string) error {
	data := identityData(u.ID, "", phone, true, nil)
	if _, err := w.Exec(w.ctx, changePhoneSQL, u.ID, phone, string(mustJSON(data)), w.now, newID()); err != nil {
		if isState(err, stateUnique) {
			return unprocessable(codePhoneExists, messageDuplicatePhone)
		}
		return internal("Error confirming user", err)
	}
	if err := w.notifyPhoneChanged(u, phone); err != nil {
		return err
	}
	return w.clearCodes(u.ID)
}
