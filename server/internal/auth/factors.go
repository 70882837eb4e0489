package auth

import (
	"net/http"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/suparust/suparust/server/internal/auth/qr"
)

// Types of factors.
const (
	factorTOTP     = "totp"
	factorPhone    = "phone"
	factorWebAuthn = "webauthn"
)

const maxFactorName = 1024

type enrollParams struct {
	Type         string `json:"factor_type"`
	FriendlyName string `json:"friendly_name"`
	Issuer       string `json:"issuer"`
	Phone        string `json:"phone"`
}

type totpAnswer struct {
	QRCode string `json:"qr_code"`
	Secret string `json:"secret"`
	URI    string `json:"uri"`
}

type enrollAnswer struct {
	ID           string      `json:"id"`
	Type         string      `json:"type"`
	FriendlyName string      `json:"friendly_name"`
	TOTP         *totpAnswer `json:"totp,omitempty"`
	Phone        string      `json:"phone,omitempty"`
}

// enrollFactor is POST /factors.
func (h *Handler) enrollFactor(w http.ResponseWriter, r *http.Request) error {
	c := callerOf(r)
	if c.Session == nil {
		return internal("A valid session and a registered user are required to enroll a factor", nil)
	}
	var p enrollParams
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	switch {
	case p.Type == factorPhone && !h.cfg.MFA.Phone.EnrollEnabled:
		return unprocessable("mfa_phone_enroll_not_enabled", "MFA enroll is disabled for Phone")
	case p.Type == factorPhone:
		return h.enrollPhone(w, r, c, p)
	case p.Type == factorWebAuthn:
		return unprocessable("mfa_webauthn_enroll_not_enabled", "MFA enroll is disabled for WebAuthn")
	case p.Type != factorTOTP:
		return invalid("factor_type needs to be totp, phone, or webauthn")
	case h.cfg.MFA.DisableTOTPEnroll:
		return unprocessable("mfa_totp_enroll_not_enabled", "MFA enroll is disabled for TOTP")
	}
	if p.Issuer == "" {
		p.Issuer = h.siteHost()
	}
	if err := checkFactorName(p.FriendlyName); err != nil {
		return err
	}
	secret := newTOTPSecret()
	uri := totpURI(p.Issuer, c.User.Email, secret)
	code, err := qr.Encode(uri)
	if err != nil {
		return invalid("The issuer is too long to be drawn as a QR code")
	}
	id := newID()
	err = h.inTx(r, func(tx *work) error {
		if err := tx.admitFactor(c, p.FriendlyName); err != nil {
			return err
		}
		_, err := tx.Exec(tx.ctx, `
			insert into auth.mfa_factors (id, user_id, friendly_name, factor_type, status, secret, created_at, updated_at)
			values ($1, $2, $3, 'totp', 'unverified', $4, $5, $5)`, id, c.User.ID, p.FriendlyName, secret, tx.now)
		if err != nil {
			return nameConflict(err, p.FriendlyName)
		}
		tx.audit(c.User, auditFactorEnroll, map[string]any{"factor_id": id})
		return nil
	})
	if err != nil {
		return err
	}
	return writeOK(w, enrollAnswer{ID: id, Type: factorTOTP, FriendlyName: p.FriendlyName,
		TOTP: &totpAnswer{QRCode: code.SVG(), Secret: secret, URI: uri}})
}

func (h *Handler) siteHost() string {
	u, err := url.Parse(h.cfg.SiteURL)
	if err != nil {
		return ""
	}
	return u.Host
}

// admitFactor judges whether the user may have one more factor. Those that
// nobody ever used are cleared away first.
func (w *work) admitFactor(c *caller, name string) error {
	if err := w.exec("Database error deleting expired factors", `
		delete from auth.mfa_factors f
		where f.user_id = $2 and f.status = 'unverified' and f.created_at < $1
		  and not exists (select from auth.mfa_challenges ch where ch.factor_id = f.id and ch.created_at >= $1)`,
		w.now.Add(-w.h.cfg.MFA.UnverifiedLife), c.User.ID); err != nil {
		return err
	}
	u, err := w.reload(c.User.ID)
	if err != nil {
		return err
	}
	verified := 0
	for _, f := range u.Factors {
		if f.FriendlyName == name {
			return nameConflict(nil, name)
		}
		if f.verified() {
			verified++
		}
	}
	if len(u.Factors) >= w.h.cfg.MFA.MaxFactors || verified >= w.h.cfg.MFA.MaxVerified {
		return unprocessable("too_many_enrolled_mfa_factors", "Maximum number of verified factors reached, unenroll to continue")
	}
	if verified > 0 && c.Session.AAL != aal2 {
		return forbidden(codeInsufficientAAL, "AAL2 required to enroll a new factor")
	}
	return nil
}

// checkFactorName bounds the name, which stands in an index.
func checkFactorName(name string) error {
	if len(name) > maxFactorName {
		return invalid("friendly_name cannot be longer than %d bytes", maxFactorName)
	}
	return nil
}

func nameConflict(err error, name string) error {
	if err == nil || isConstraint(err, "mfa_factors_user_friendly_name_unique") {
		return unprocessable("mfa_factor_name_conflict", "A factor with the friendly name %q for this user already exists", name)
	}
	return internal("Database error storing factor", err)
}

func (w *work) renameFactor(f Factor, name string) error {
	_, err := w.Exec(w.ctx, `update auth.mfa_factors set friendly_name = $2, updated_at = $3 where id = $1`, f.ID, name, w.now)
	if err != nil {
		return nameConflict(err, name)
	}
	return nil
}

type challengeAnswer struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	ExpiresAt int64  `json:"expires_at"`
}

// usableFactor is the factor of the path when it is of a kind that is on, and
// the client has not asked for it too often.
func (h *Handler) usableFactor(r *http.Request, limit int) (Factor, error) {
	f, err := pathFactor(callerOf(r).User, chi.URLParam(r, "factor_id"))
	if err == nil {
		err = h.admit(r, limit)
	}
	if err != nil {
		return f, err
	}
	switch {
	case f.Type == factorPhone && h.cfg.MFA.Phone.VerifyEnabled:
		return f, nil
	case f.Type == factorPhone:
		return f, unprocessable("mfa_phone_verify_not_enabled", "MFA verification is disabled for Phone")
	case f.Type == factorWebAuthn:
		return f, unprocessable("mfa_webauthn_verify_not_enabled", "MFA verification is disabled for WebAuthn")
	case h.cfg.MFA.DisableTOTPVerify:
		return f, unprocessable("mfa_totp_verify_not_enabled", "MFA verification is disabled for TOTP")
	}
	return f, nil
}

// challengeFactor is POST /factors/{id}/challenge.
func (h *Handler) challengeFactor(w http.ResponseWriter, r *http.Request) error {
	f, err := h.usableFactor(r, limitChallenge)
	if err != nil {
		return err
	}
	var p struct {
		Channel string `json:"channel"`
	}
	if f.Type == factorPhone {
		if err := readOptionalJSON(w, r, &p); err != nil {
			return err
		}
		if err := h.validChannel(p.Channel); err != nil {
			return err
		}
	}
	id, ip := newID(), clientIP(r)
	if ip == "" {
		ip = "::"
	}
	var expires time.Time
	err = h.inTx(r, func(tx *work) error {
		expires = tx.now.Add(h.cfg.MFA.ChallengeLife)
		code := ""
		if f.Type == factorPhone {
			if code, err = tx.textChallenge(callerOf(r).User, f, p.Channel); err != nil {
				return err
			}
		}
		if err := tx.exec("Database error creating challenge", `
			insert into auth.mfa_challenges (id, factor_id, created_at, ip_address, otp_code) values ($1, $2, $3, $4::text::inet, $5)`,
			id, f.ID, tx.now, ip, code); err != nil {
			return err
		}
		// the column is unique over all users, so two in the same instant must differ
		if err := tx.exec("Database error creating challenge", `
			update auth.mfa_factors set last_challenged_at = (
			  select $2::timestamptz + n * interval '1 microsecond' from generate_series(0, 1000) n
			  where not exists (select from auth.mfa_factors o where o.last_challenged_at = $2::timestamptz + n * interval '1 microsecond')
			  limit 1)
			where id = $1`, f.ID, tx.now); err != nil {
			return err
		}
		tx.audit(callerOf(r).User, auditChallenge, map[string]any{"factor_id": f.ID, "factor_status": f.Status})
		return nil
	})
	if err != nil {
		return err
	}
	return writeOK(w, challengeAnswer{ID: id, Type: f.Type, ExpiresAt: expires.Unix()})
}

// raiseSession makes the session aal2 with a fresh refresh token, and ends
// every session of the user that is not.
func (w *work) raiseSession(c *caller, f Factor, challengeID string) (*TokenResponse, error) {
	s := c.Session
	const message = "Failed to update sessions."
	for _, st := range []struct {
		sql  string
		args []any
	}{
		{`select from auth.users where id = $1 for no key update`, []any{c.User.ID}},
		{`update auth.mfa_challenges set verified_at = $2 where id = $1`, []any{challengeID, w.now}},
		{`update auth.mfa_factors set status = 'verified', updated_at = $2 where id = $1 and status <> 'verified'`, []any{f.ID, w.now}},
		{`insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
			values ($1, $2, $3, $3, $4)
			on conflict on constraint mfa_amr_claims_session_id_authentication_method_pkey do update set updated_at = excluded.updated_at`,
			[]any{newID(), s.ID, w.now, f.method()}},
		{`update auth.sessions set aal = 'aal2', factor_id = $2, updated_at = $3 where id = $1`, []any{s.ID, f.ID, w.now}},
		{`delete from auth.sessions where user_id = $1 and aal is distinct from 'aal2' and id <> $2`, []any{c.User.ID, s.ID}},
		{`delete from auth.mfa_factors where user_id = $1 and status = 'unverified' and factor_type = $2::text::auth.factor_type`, []any{c.User.ID, f.Type}},
		{`update auth.users set last_sign_in_at = $2, updated_at = $2 where id = $1`, []any{c.User.ID, w.now}},
	} {
		if err := w.exec(message, st.sql, st.args...); err != nil {
			return nil, err
		}
	}
	var raised Session
	var found bool
	u, err := w.h.scanUser(w.QueryRow(w.ctx, userSelect+sessionSelect, c.User.ID, s.ID), raised.columns(&found)...)
	switch {
	case err != nil:
		return nil, internal(message, err)
	case !found:
		return nil, forbidden(codeSessionNotFound, "Session from session_id claim in JWT does not exist")
	}
	raised.UserID = u.ID
	refresh, err := w.raiseToken(u, &raised)
	if err != nil {
		return nil, err
	}
	return w.tokenResponse(u, &raised, refresh, f.method())
}

// raiseToken replaces the session's refresh token, so that the one which was
// there before the second factor was shown does not give what comes after it.
func (w *work) raiseToken(u *User, s *Session) (string, error) {
	if s.counter != nil && s.refreshKey != "" {
		return w.raiseCounter(s)
	}
	const message = "Failed to update sessions."
	refresh := newRefreshToken()
	w.audit(u, auditRevoked, nil)
	if err := w.exec(message, `
		insert into auth.refresh_tokens (instance_id, token, user_id, parent, session_id, revoked, created_at, updated_at)
		select '`+nilUUID+`', $1, $2::uuid::text,
		  coalesce((select token from auth.refresh_tokens where session_id = $3 and revoked is false order by id desc limit 1), ''),
		  $3, false, $4, $4`, refresh, s.UserID, s.ID, w.now); err != nil {
		return "", err
	}
	return refresh, w.exec(message, `
		update auth.refresh_tokens set revoked = true, updated_at = $3
		where session_id = $1 and token <> $2 and revoked is not true`, s.ID, refresh, w.now)
}

// unenrollFactor is DELETE /factors/{id}.
func (h *Handler) unenrollFactor(w http.ResponseWriter, r *http.Request) error {
	c := callerOf(r)
	f, err := pathFactor(c.User, chi.URLParam(r, "factor_id"))
	switch {
	case err != nil:
		return err
	case c.Session == nil:
		return internal("A valid session and factor are required to unenroll a factor", nil)
	case f.verified() && c.Session.AAL != aal2:
		return unprocessable(codeInsufficientAAL, "AAL2 required to unenroll verified factor")
	}
	err = h.inTx(r, func(tx *work) error {
		tx.audit(c.User, auditFactorUnenroll, map[string]any{"factor_id": f.ID, "factor_status": f.Status, "session_id": c.Session.ID})
		if err := tx.deleteFactor(f); err != nil {
			return err
		}
		return tx.notifyFactorUnenrolled(c.User, f.Type)
	})
	if err != nil {
		return err
	}
	return writeOK(w, map[string]string{"id": f.ID})
}

// deleteFactor removes a factor; sessions that it had raised fall back to
// aal1 and forget it.
func (w *work) deleteFactor(f Factor) error {
	return w.exec("Database error deleting factor", `
		with s as (
		  update auth.sessions set aal = 'aal1', factor_id = null, updated_at = $3 where factor_id = $1
		  returning id
		), a as (
		  delete from auth.mfa_amr_claims where authentication_method = $2 and session_id in (select id from s)
		)
		delete from auth.mfa_factors where id = $1`, f.ID, f.method(), w.now)
}
