package auth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/httpx"
)

// Types of verification.
const (
	verifySignup      = "signup"
	verifyInvite      = "invite"
	verifyMagicLink   = "magiclink"
	verifyRecovery    = "recovery"
	verifyEmailChange = "email_change"
	verifyEmail       = "email" // signup or magiclink, whichever the code is of
	verifySMS         = "sms"
	verifyPhoneChange = "phone_change"
)

const oneAccepted = "Confirmation link accepted. Please proceed to confirm link sent to the other email"

// verifyParams is the body of POST /verify.
type verifyParams struct {
	Type       string `json:"type"`
	Token      string `json:"token"`      // the code that was typed
	TokenHash  string `json:"token_hash"` // what stands in links
	Email      string `json:"email"`
	Phone      string `json:"phone"`
	RedirectTo string `json:"redirect_to"`
}

// verified is what became of a verification.
type verified struct {
	user *User // nil when the first of two confirmations was given
	kind string
}

// verifyCode is POST /verify.
func (h *Handler) verifyCode(w http.ResponseWriter, r *http.Request) error {
	var p verifyParams
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	byHash := p.TokenHash != ""
	if err := checkVerify(&p); err != nil {
		return err
	}
	var res *TokenResponse
	var half bool
	err := h.inTx(r, func(tx *work) error {
		res, half = nil, false
		find := tx.findByCode
		if byHash {
			find = tx.findByHash
		}
		v, err := tx.verify(p, find)
		if err != nil {
			return err
		}
		if half = v.user == nil; half {
			return nil
		}
		res, err = tx.signIn(v.user.ID, methodOTP)
		return err
	})
	switch {
	case err != nil:
		return err
	case half:
		return httpx.WriteJSON(w, http.StatusOK, map[string]string{"code": "200", "msg": oneAccepted})
	}
	return writeToken(w, res)
}

func checkVerify(p *verifyParams) (err error) {
	switch {
	case p.Type == "":
		return invalid("Verify requires a verification type")
	case (p.Token == "") == (p.TokenHash == ""):
		return invalid("Verify requires either a token or a token hash")
	case p.TokenHash != "" && (p.Email != "" || p.Phone != "" || p.RedirectTo != ""):
		return invalid("Only the token_hash and type should be provided")
	case p.TokenHash != "":
		return nil
	case p.Phone != "" && p.Email == "":
		if p.Phone, err = validPhone(p.Phone); err != nil {
			return err
		}
		p.TokenHash = codeHash(p.Phone, p.Token)
	case p.Email != "" && p.Phone == "":
		if p.Email, err = validEmail(p.Email); err != nil {
			return unprocessable(codeValidation, "Invalid email format")
		}
		p.TokenHash = codeHash(p.Email, p.Token)
	default:
		return invalid("Only an email address or phone number should be provided on verify")
	}
	return nil
}

// verifyLink is GET /verify: the link of a mail. It leads on to the target,
// with a session or an error behind it.
func (h *Handler) verifyLink(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	p := verifyParams{Type: cleanText(q.Get("type"), 64), TokenHash: cleanText(q.Get("token"), 256)}
	switch {
	case p.Type == "":
		return invalid("Verify requires a verification type")
	case p.TokenHash == "":
		return invalid("Verify requires a token or a token hash")
	}
	target := h.redirectTarget(r)
	pkce := strings.HasPrefix(p.TokenHash, pkcePrefix)
	var res *TokenResponse
	var code string
	var v verified
	err := h.inTx(r, func(tx *work) (err error) {
		res, code = nil, ""
		if v, err = tx.verify(p, tx.findByHash); err != nil || v.user == nil {
			return err
		}
		if pkce {
			code, err = tx.issueCode(v.user.ID, flowMethod(p.Type))
			return err
		}
		res, err = tx.signIn(v.user.ID, methodOTP)
		return err
	})
	var to string
	switch {
	case err != nil:
		var e *Error
		if !errors.As(err, &e) {
			return err
		}
		to = errorTarget(target, e, pkce)
	case v.user == nil:
		to = messageTarget(target, oneAccepted, pkce)
	case pkce:
		to = withQuery(target, url.Values{"code": {code}})
	default:
		values := sessionValues(res)
		values.Set("type", v.kind)
		to = target + "#" + values.Encode()
	}
	redirect(w, to, http.StatusSeeOther)
	return nil
}

// flowMethod is what the flow of a link of the type was remembered under.
func flowMethod(kind string) string {
	if kind == verifySignup {
		return methodEmailSignup
	}
	return kind
}

// oauthNames name an answer's status as OAuth does.
var oauthNames = map[int]string{
	http.StatusBadRequest: "invalid_request", http.StatusUnauthorized: "unauthorized_client", http.StatusForbidden: "access_denied",
	http.StatusInternalServerError: "server_error", http.StatusServiceUnavailable: "temporarily_unavailable",
}

// errorTarget is the target with the error in its fragment, and in its query
// too where a server is to read it.
func errorTarget(target string, e *Error, inQuery bool) string {
	v := url.Values{"error_code": {e.code()}, "error_description": {e.Message}}
	if name := oauthNames[e.Status]; name != "" {
		v.Set("error", name)
	}
	if inQuery {
		target = withQuery(target, v)
	}
	v.Set("sb", "")
	return withFragment(target, v)
}

func messageTarget(target, message string, inQuery bool) string {
	v := url.Values{"message": {message}}
	if inQuery {
		target = withQuery(target, v)
	}
	v.Set("sb", "")
	return withFragment(target, v)
}

// withQuery merges values into the query of a target.
func withQuery(target string, values url.Values) string {
	u, err := url.Parse(target)
	if err != nil {
		return target
	}
	q := u.Query()
	for k := range values {
		q.Set(k, values.Get(k))
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func withFragment(target string, values url.Values) string {
	target, _, _ = strings.Cut(target, "#")
	return target + "#" + values.Encode()
}

// errLink and errCode are the same for every reason a link or code is refused.
var (
	errLink = forbidden(codeOTPExpired, "Email link is invalid or has expired")
	errCode = forbidden(codeOTPExpired, "Token has expired or is invalid")
)

// errBanned comes before any judgement of the code itself.
var errBanned = forbidden(codeUserBanned, "User is banned")

// verify finds whose the code is and gives it its effect.
func (w *work) verify(p verifyParams, find func(*verifyParams) (*User, error)) (verified, error) {
	u, err := find(&p)
	if err != nil {
		return verified{}, err
	}
	v := verified{kind: p.Type}
	switch p.Type {
	case verifySignup, verifyInvite:
		err = w.acceptSignup(u)
	case verifyRecovery, verifyMagicLink:
		err = w.acceptRecovery(u)
	case verifyEmailChange:
		var done bool
		if done, err = w.acceptEmailChange(u, p.TokenHash); err == nil && !done {
			return v, nil
		}
	case verifySMS:
		w.audit(u, auditSignedUp, map[string]any{"provider": providerPhone})
		err = w.confirmPhone(u.ID)
	case verifyPhoneChange:
		err = w.acceptPhoneChange(u)
	default:
		err = invalid("Unsupported verification type")
	}
	if err != nil {
		return v, err
	}
	if err := w.setProviders(u.ID); err != nil {
		return v, err
	}
	v.user = u
	return v, nil
}

// findByHash finds the user of a link.
func (w *work) findByHash(p *verifyParams) (*User, error) {
	kinds := map[string][]codeKind{
		verifySignup: {codeConfirmation}, verifyInvite: {codeConfirmation},
		verifyRecovery: {codeRecovery}, verifyMagicLink: {codeRecovery},
		verifyEmail: {codeConfirmation, codeRecovery}, verifyEmailChange: {codeChangeCurrent, codeChangeNew},
	}[p.Type]
	if kinds == nil {
		return nil, invalid("Invalid email verification type")
	}
	columns := make([]string, len(kinds))
	for i, k := range kinds {
		columns[i] = k.column
	}
	u, err := w.h.findUser(w.ctx, w, "\n"+`from auth.users u
		where u.id in (select user_id from auth.one_time_tokens where token_hash = $1 and token_type::text = any($2))
		limit 1 for no key update of u`, p.TokenHash, columns)
	switch {
	case err != nil:
		return nil, internal("Database error finding user from email link", err)
	case u == nil:
		return nil, errLink
	}
	if u.banned(w.now) {
		return nil, errBanned
	}
	sent := u.ConfirmationSent
	switch p.Type {
	case verifyEmail:
		p.Type = verifySignup
		if equalSecret(u.RecoveryToken, p.TokenHash) {
			p.Type, sent = verifyMagicLink, u.RecoverySent
		}
	case verifyRecovery, verifyMagicLink:
		sent = u.RecoverySent
	case verifyEmailChange:
		sent = u.EmailChangeSent
	}
	if sent == nil || w.now.After(sent.Add(w.h.cfg.Email.CodeExpiry)) {
		return nil, errLink
	}
	return u, nil
}

// findByCode finds the user of a code that was typed.
func (w *work) findByCode(p *verifyParams) (*User, error) {
	u, err := w.codeOwner(p)
	switch {
	case err != nil:
		return nil, internal("Database error finding user", err)
	case u == nil:
		return nil, errCode
	case u.banned(w.now):
		return nil, errBanned
	}
	life, phoneLife := w.h.cfg.Email.CodeExpiry, w.h.cfg.Phone.CodeExpiry
	fits := func(stored string) bool {
		sent := u.ConfirmationSent
		switch {
		case p.Type == verifyEmailChange:
			sent = u.EmailChangeSent
		case stored == u.RecoveryToken && stored != u.ConfirmationToken:
			sent = u.RecoverySent
		}
		return codeFits(p.TokenHash, stored, sent, life, w.now)
	}
	ok := false
	switch p.Type {
	case verifyEmail:
		switch {
		case fits(u.ConfirmationToken):
			ok, p.Type = true, verifySignup
		case fits(u.RecoveryToken):
			ok, p.Type = true, verifyMagicLink
		}
	case verifySignup, verifyInvite:
		ok = fits(u.ConfirmationToken)
	case verifyRecovery, verifyMagicLink:
		ok = fits(u.RecoveryToken)
	case verifyEmailChange:
		ok = fits(u.EmailChangeTokenCurrent) || fits(u.EmailChangeTokenNew)
	case verifySMS:
		ok = w.testCode(p) || w.phoneCode(p, u.Phone, u.ConfirmationToken, u.ConfirmationSent, phoneLife)
	case verifyPhoneChange:
		ok = w.testCode(p) || w.phoneCode(p, u.PhoneChange, u.PhoneChangeToken, u.PhoneChangeSent, phoneLife)
	}
	if !ok {
		return nil, errCode
	}
	return u, nil
}

// testCode reports whether the code is the fixed one of a test number.
func (w *work) testCode(p *verifyParams) bool {
	code, ok := w.h.cfg.Phone.testCode(p.Phone, w.now)
	return ok && equalSecret(code, p.Token)
}

// phoneCode reports whether the code is the one that was texted. A service
// that makes the codes itself is asked.
func (w *work) phoneCode(p *verifyParams, phone, stored string, sent *time.Time, life time.Duration) bool {
	if !w.h.verifiesPhones() {
		return codeFits(p.TokenHash, stored, sent, life, w.now)
	}
	err := w.h.sms.Check(w.ctx, phone, p.Token)
	if err != nil {
		w.h.log.Info("the SMS provider did not accept a code", "error", err)
	}
	return err == nil
}

func (w *work) codeOwner(p *verifyParams) (*User, error) {
	const lock = "\nlimit 1 for no key update of u"
	aud := w.h.audience(w.r)
	switch p.Type {
	case verifyPhoneChange:
		return w.h.findUser(w.ctx, w, wherePhone2+lock, p.Phone, aud)
	case verifySMS:
		return w.h.findUser(w.ctx, w, wherePhone+lock, p.Phone, aud)
	case verifyEmailChange:
		return w.h.findUser(w.ctx, w, "\n"+`from auth.users u
			where `+ofAudience+` and u.id in (
			  select t.user_id from auth.one_time_tokens t
			  where t.token_hash = any($3) and t.relates_to = $1
			    and t.token_type in ('email_change_token_current', 'email_change_token_new'))`+lock,
			p.Email, aud, []string{p.TokenHash, pkcePrefix + p.TokenHash})
	}
	if slices.Contains([]string{verifySignup, verifyInvite, verifyMagicLink, verifyRecovery, verifyEmail}, p.Type) {
		return w.h.findUser(w.ctx, w, whereEmail+lock, p.Email, aud)
	}
	return nil, nil
}
