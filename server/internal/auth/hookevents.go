package auth

import (
	"encoding/json"
	"net/http"

	"github.com/suparust/suparust/server/internal/auth/hook"
)

// customClaims are the claims of a token as the hook of the project wants them.
func (w *work) customClaims(c accessClaims, method string) (any, error) {
	if !w.h.hooks.on(HookCustomAccessToken) {
		return c, nil
	}
	answer, err := w.ask(HookCustomAccessToken, map[string]any{
		"metadata": w.h.hookMetadata(w.r, HookCustomAccessToken), "user_id": c.Subject, "claims": c, "authentication_method": method,
	})
	if err != nil {
		return nil, err
	}
	claims, err := hook.Claims(answer)
	if err != nil {
		return nil, hookError(w.h.hooks[HookCustomAccessToken], err)
	}
	return claims, nil
}

// unapproved ends a transaction that was about to insert a user of whom the
// project was not asked yet. It is asked outside of the transaction, which then
// is run anew: what the hook writes stays when it refuses the user.
type unapproved struct{ user newUser }

func (*unapproved) Error() string { return "the hook before_user_created was not asked yet" }

// beforeUserCreated asks whether there may be the user.
func (h *Handler) beforeUserCreated(r *http.Request, n newUser) error {
	data := n.Data
	if data == nil {
		data = object{}
	}
	_, err := h.ask(r, HookBeforeUserCreated, map[string]any{
		"metadata": h.hookMetadata(r, HookBeforeUserCreated),
		"user": &User{ID: n.ID, Aud: n.Aud, Email: n.Email, Phone: n.Phone, AppMetadata: n.appMetadata(), UserMetadata: mustJSON(data),
			Identities: []Identity{}, IsAnonymous: n.Anonymous},
	})
	return err
}

// afterUserCreated tells of a user that there is now.
func (h *Handler) afterUserCreated(r *http.Request, id string) error {
	var u *User
	err := h.withConn(r.Context(), func(q querier) (err error) {
		u, err = h.userByID(r.Context(), q, id)
		return err
	})
	if err != nil || u == nil {
		return err
	}
	_, err = h.ask(r, HookAfterUserCreated, map[string]any{"metadata": h.hookMetadata(r, HookAfterUserCreated), "user": u})
	return err
}

// verdict is the answer of a hook that hears of an attempt to sign in.
type verdict struct {
	Decision         string `json:"decision"`
	Message          string `json:"message"`
	ShouldLogoutUser bool   `json:"should_logout_user"`
}

const decisionReject = "reject"

// passwordAttempt tells the project of a password that was right or wrong.
func (h *Handler) passwordAttempt(r *http.Request, u *User, valid bool) error {
	if !h.hooks.on(HookPasswordVerification) {
		return nil
	}
	answer, err := h.ask(r, HookPasswordVerification, map[string]any{
		"metadata": h.hookMetadata(r, HookPasswordVerification), "user_id": u.ID, "valid": valid,
	})
	if err != nil {
		return err
	}
	v := verdict{Message: "Further password verification attempts will be rejected."}
	if err := v.read(answer); err != nil || v.Decision != decisionReject {
		return err
	}
	if v.ShouldLogoutUser {
		if err := h.endSessions(r, u); err != nil {
			return err
		}
	}
	return badRequest(codeInvalidLogin, "%s", v.Message)
}

// factorAttempt tells the project of a second factor's code that was right or
// wrong.
func (h *Handler) factorAttempt(r *http.Request, u *User, f Factor, valid bool) error {
	answer, err := h.ask(r, HookMFAVerification, map[string]any{
		"metadata": h.hookMetadata(r, HookMFAVerification), "user_id": u.ID, "factor_id": f.ID, "factor_type": f.Type, "valid": valid,
	})
	if err != nil {
		return err
	}
	v := verdict{Message: "Further MFA verification attempts will be rejected."}
	if err := v.read(answer); err != nil || v.Decision != decisionReject {
		return err
	}
	if err := h.endSessions(r, u); err != nil {
		return err
	}
	return forbidden("mfa_verification_rejected", "%s", v.Message)
}

// read takes the answer; an empty message keeps the usual one.
func (v *verdict) read(answer []byte) error {
	usual := v.Message
	err := decodeAnswer(answer, v)
	if v.Message == "" {
		v.Message = usual
	}
	return err
}

// endSessions signs the user out everywhere.
func (h *Handler) endSessions(r *http.Request, u *User) error {
	return h.inTx(r, func(w *work) error {
		return w.exec("Database error ending sessions", `delete from auth.sessions where user_id = $1`, u.ID)
	})
}

// smsData is what the hook send_sms is to send.
type smsData struct {
	OTP   string `json:"otp,omitempty"`
	Type  string `json:"sms_type,omitempty"`
	Phone string `json:"phone,omitempty"`
}

// hookSMS lets the project send a code by text message.
func (w *work) hookSMS(u *User, sms smsData) error {
	_, err := w.ask(HookSendSMS, map[string]any{"metadata": w.h.hookMetadata(w.r, HookSendSMS), "user": u, "sms": sms})
	return err
}

// emailData is what the hook send_email is to send. Of a change of the address
// that both confirm, Token is that of the current one and TokenHash that of the
// new one, and TokenNew and TokenHashNew the other way around: so the platform
// names them, and functions are written for it.
type emailData struct {
	Token        string `json:"token"`
	TokenHash    string `json:"token_hash"`
	RedirectTo   string `json:"redirect_to"`
	ActionType   string `json:"email_action_type"`
	SiteURL      string `json:"site_url"`
	TokenNew     string `json:"token_new"`
	TokenHashNew string `json:"token_hash_new"`
	OldEmail     string `json:"old_email"`
	OldPhone     string `json:"old_phone"`
	Provider     string `json:"provider"`
	FactorType   string `json:"factor_type"`
}

// hookEmail lets the project send a mail.
func (w *work) hookEmail(u *User, d emailData) error {
	d.RedirectTo, d.SiteURL = w.h.redirectTarget(w.r), w.h.cfg.ExternalURL
	_, err := w.ask(HookSendEmail, map[string]any{"metadata": w.h.hookMetadata(w.r, HookSendEmail), "user": u, "email_data": d})
	return err
}

// emailActions name kinds of mails in what the hook is told.
var emailActions = map[string]string{
	mailConfirmation: "signup", mailInvite: "invite", mailMagicLink: "magiclink", mailRecovery: "recovery",
	mailEmailChange: "email_change", mailReauthenticate: "reauthentication",
}

// hookLetter lets the project send a mail of one code, or a notification.
func (w *work) hookLetter(l letter) error {
	text := func(name string) string { s, _ := l.more[name].(string); return s }
	d := emailData{Token: l.code, TokenHash: l.hash, ActionType: emailActions[l.kind],
		OldEmail: text("OldEmail"), OldPhone: text("OldPhone"), Provider: text("Provider"), FactorType: text("FactorType")}
	if isNotification(l.kind) {
		d.ActionType = l.kind + "_notification"
	}
	return w.hookEmail(l.user, d)
}

// appMetadata is that of a row as it is inserted.
func (n newUser) appMetadata() json.RawMessage {
	app := map[string]any{}
	if len(n.Providers) > 0 {
		app["provider"], app["providers"] = n.Providers[0], n.Providers
	}
	return mustJSON(app)
}
