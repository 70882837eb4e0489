package auth

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
)

// method is how a session is authenticated by the factor.
func (f Factor) method() string {
	if f.Type == factorTOTP {
		return methodTOTP
	}
	return "mfa/" + f.Type
}

// attempt is a try to use a factor.
type attempt struct {
	caller      *caller
	factor      Factor
	challengeID string
	code        string
}

// verifyFactor is POST /factors/{id}/verify: it raises the session to aal2.
func (h *Handler) verifyFactor(w http.ResponseWriter, r *http.Request) error {
	c := callerOf(r)
	f, err := h.usableFactor(r, limitFactorVerify)
	if err != nil {
		return err
	}
	var p struct {
		ChallengeID string `json:"challenge_id"`
		Code        string `json:"code"`
	}
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	if p.Code == "" {
		return invalid("Code needs to be non-empty")
	}
	if c.Session == nil {
		return internal("A valid session and a registered user are required to verify a factor", nil)
	}
	challengeID, ok := parseID(p.ChallengeID)
	if !ok && p.ChallengeID != "" {
		return badRequest(codeBadJSON, badJSONMessage, fmt.Sprintf("uuid: incorrect UUID length %d in string %q",
			len(p.ChallengeID), cleanText(p.ChallengeID, 64)))
	}
	a := attempt{caller: c, factor: f, challengeID: challengeID, code: p.Code}
	fits := func(tx *work) (bool, error) { return tx.judgeAttempt(a) }
	if h.hooks.on(HookMFAVerification) || f.Type == factorPhone && h.verifiesPhones() {
		valid, err := h.judgeOutside(r, a)
		if err != nil {
			return h.dropExpired(r, challengeID, err)
		}
		fits = func(tx *work) (bool, error) {
			_, err := tx.judgeChallenge(f, challengeID)
			return valid, err
		}
	}
	var res *TokenResponse
	err = h.inTx(r, func(tx *work) error {
		valid, err := fits(tx)
		switch {
		case err != nil:
			return err
		case !valid && f.Type == factorPhone:
			return unprocessable("mfa_verification_failed", "Invalid MFA Phone code entered")
		case !valid:
			return unprocessable("mfa_verification_failed", "Invalid TOTP code entered")
		}
		tx.audit(c.User, auditVerification, map[string]any{"factor_id": f.ID, "challenge_id": challengeID, "factor_type": f.Type})
		if res, err = tx.raiseSession(c, f, challengeID); err != nil || f.verified() {
			return err
		}
		return tx.notifyFactorEnrolled(c.User, f.Type)
	})
	if err != nil {
		return h.dropExpired(r, challengeID, err)
	}
	return writeToken(w, res)
}

// dropExpired removes the challenge that err calls too old: from now on it is
// an unknown one. It returns err.
func (h *Handler) dropExpired(r *http.Request, challengeID string, err error) error {
	if asError(err).Code != codeChallengeExpired {
		return err
	}
	if derr := h.inTx(r, func(tx *work) error {
		return tx.exec("Database error deleting challenge", `delete from auth.mfa_challenges where id = $1`, challengeID)
	}); derr != nil {
		return derr
	}
	return err
}

// judgeOutside judges an attempt before the transaction that it opens the
// session in: of the project's hook, what it writes stays when the code is
// wrong, and a service that checks codes is asked once.
func (h *Handler) judgeOutside(r *http.Request, a attempt) (valid bool, err error) {
	service := a.factor.Type == factorPhone && h.verifiesPhones()
	err = h.inTx(r, func(tx *work) error {
		if service {
			_, err := tx.judgeChallenge(a.factor, a.challengeID)
			return err
		}
		var err error
		valid, err = tx.judgeAttempt(a)
		return err
	})
	if err != nil {
		return false, err
	}
	if service {
		if err := h.sms.Check(r.Context(), a.factor.Phone, a.code); err != nil {
			return false, &Error{Status: http.StatusForbidden, Code: codeOTPExpired, Message: errCode.Message, Cause: err}
		}
		valid = true
	}
	if h.hooks.on(HookMFAVerification) {
		err = h.factorAttempt(r, a.caller.User, a.factor, valid)
	}
	return valid, err
}

// judgeAttempt reports whether the code is right.
func (w *work) judgeAttempt(a attempt) (bool, error) {
	sent, err := w.judgeChallenge(a.factor, a.challengeID)
	if err != nil {
		return false, err
	}
	if a.factor.Type == factorPhone {
		return sent != "" && equalSecret(sent, a.code), nil
	}
	fits, err := totpFits(a.factor.Secret, a.code, w.now)
	if err != nil {
		return false, internal("Database error verifying MFA TOTP secret", err)
	}
	return fits, nil
}

// judgeChallenge refuses a challenge that is unknown, used, of another address
// or too old, and returns the code that was sent. The row stays locked, so that
// it is used once.
func (w *work) judgeChallenge(f Factor, id string) (code string, err error) {
	var created time.Time
	var used bool
	var ip string
	err = w.QueryRow(w.ctx, `
		select created_at, verified_at is not null, host(ip_address), coalesce(otp_code, '')
		from auth.mfa_challenges where id = $1 and factor_id = $2 for update`, id, f.ID).Scan(&created, &used, &ip, &code)
	peer := clientIP(w.r)
	if peer == "" {
		peer = "::"
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", unprocessable(codeFactorNotFound, "MFA factor with the provided challenge ID not found")
	case err != nil:
		return "", internal("Database error finding Challenge", err)
	case used || ip != peer:
		return "", unprocessable("mfa_ip_address_mismatch", "Challenge and verify IP addresses mismatch.")
	case w.now.After(created.Add(w.h.cfg.MFA.ChallengeLife)):
		return "", unprocessable(codeChallengeExpired,
			"MFA challenge %s has expired, verify against another challenge or create a new challenge.", id)
	}
	return code, nil
}
