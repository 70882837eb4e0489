package auth

import (
	"errors"
	"net/http"
	"strings"

	"github.com/suparust/suparust/server/internal/auth/oauth"
)

// Who is it that has come from an outside service? Users of one service are told
// apart by the service's id; beyond that an address links them, but only one that
// the service has verified, for else anybody could enter anybody's account.

// inExternalTx is inTx for flows that make users of accounts: of two that come
// with a new account at once, the later one finds what the first has made.
func (h *Handler) inExternalTx(r *http.Request, fn func(*work) error) error {
	err := h.inTx(r, fn)
	if isState(err, stateUnique) || isDuplicate(err) {
		err = h.inTx(r, fn)
	}
	return err
}

func isDuplicate(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusUnprocessableEntity && e.Code == codeEmailExists
}

// linking is the decision.
type linking struct {
	user      *User // whose it is, nil for a new user
	identity  *Identity
	candidate oauth.Email // the address of a new user
}

// decideLinking finds the user of an account.
func (w *work) decideLinking(provider string, a *oauth.Account, aud string) (linking, error) {
	const message = "Database error finding user"
	var verified []string
	var d linking
	for _, e := range a.Emails {
		if e.Verified || w.h.autoconfirms(providerEmail) {
			verified = append(verified, strings.ToLower(e.Address))
		}
		if e.Primary {
			d.candidate = e
			d.candidate.Address = strings.ToLower(e.Address)
		}
	}
	u, err := w.identityOwner(provider, a.Claims.Subject)
	switch {
	case err != nil:
		return d, err
	case u != nil:
		d.user = u
		for _, i := range u.Identities {
			if i.Provider == provider && i.ProviderID == a.Claims.Subject {
				d.identity = &i
			}
		}
		d.candidate.Address = u.Email
		return d, nil
	}
	if len(verified) == 0 {
		owner, err := w.h.emailOwner(w.ctx, w, d.candidate.Address, aud, "")
		if err != nil {
			return d, internal(message, err)
		}
		if owner != nil && d.candidate.Address != "" {
			d.candidate.Address = "" // it is taken, and not shown to be theirs
		}
		return d, nil
	}
	owners, err := w.owners(`
		select distinct user_id::text from auth.identities where email = any($1) and provider not like 'sso:%' limit 2`, verified)
	if err == nil && len(owners) == 0 {
		owners, err = w.owners(`select id::text from auth.users where email = any($1) and not is_sso_user limit 2`, verified)
	}
	switch {
	case err != nil:
		return d, internal(message, err)
	case len(owners) > 1:
		return d, fail(500, codeUnexpected, "Multiple accounts with the same email address in the same linking domain detected: default")
	case len(owners) == 1:
		d.user, err = w.reload(owners[0])
	}
	return d, err
}

func (w *work) owners(sql string, emails []string) ([]string, error) {
	rows, err := w.Query(w.ctx, sql, emails)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// identityOwner is the user with the service's id, nil when there is none.
func (w *work) identityOwner(provider, subject string) (*User, error) {
	u, err := w.h.findUser(w.ctx, w, `
from auth.users u
where u.id = (select user_id from auth.identities where provider_id = $1 and provider = $2)`, subject, provider)
	if err != nil {
		return nil, internal("Database error finding identity", err)
	}
	return u, nil
}

// signInExternally finds or makes the user of an account and brings them up to
// date with what the service tells. Whoever has not shown that an address is
// theirs is not signed in; then the work is kept and the refusal answered.
func (w *work) signInExternally(provider string, a *oauth.Account, emailOptional bool) (*User, error) {
	aud := w.h.audience(w.r)
	d, err := w.decideLinking(provider, a, aud)
	if err != nil {
		return nil, err
	}
	data := externalData(a)
	var id string
	var identity Identity
	linked := false
	switch {
	case d.identity != nil:
		id, identity = d.user.ID, *d.identity
		if err := w.exec("Error updating identity", `
			update auth.identities set identity_data = $2::jsonb, last_sign_in_at = $3, updated_at = $3 where id = $1`,
			identity.ID, string(mustJSON(data)), w.now); err != nil {
			return nil, err
		}
	case d.user == nil && w.h.cfg.DisableSignup:
		return nil, unprocessable(codeSignupDisabled, "Signups not allowed for this instance")
	case d.user == nil:
		id, err = w.insertUser(newUser{Aud: aud, Email: d.candidate.Address, Data: data, Providers: []string{provider}}, "Database error saving new user")
		if err != nil {
			return nil, err
		}
		if identity, err = w.addIdentity(id, provider, data); err != nil {
			return nil, err
		}
	default:
		id = d.user.ID
		if identity, err = w.addIdentity(id, provider, data); err != nil {
			return nil, err
		}
		linked = true
	}
	if d.user != nil {
		if err := w.mergeMetadata(id, userMetadata, data); err != nil {
			return nil, err
		}
		if err := w.setProviders(id); err != nil {
			return nil, err
		}
	}
	u, err := w.reload(id)
	switch {
	case err != nil:
		return nil, err
	case u.banned(w.now):
		return nil, forbidden(codeUserBanned, "User is banned")
	}
	if linked {
		w.audit(u, auditLinked, map[string]any{"identity_id": identity.ID, "provider": provider, "provider_id": identity.ProviderID})
	}
	traits := map[string]any{"provider": provider}
	hasEmails := !emailOptional || d.candidate.Address != ""
	if !hasEmails || u.EmailConfirmedAt != nil {
		w.audit(u, auditLogin, traits)
		return u, nil
	}
	if err := w.keepOnly(u, identity, data); err != nil {
		return nil, err
	}
	if d.candidate.Verified || w.h.autoconfirms(providerEmail) {
		w.audit(u, auditSignedUp, traits)
		if err := w.confirmEmail(id); err != nil {
			return nil, err
		}
		return w.reload(id)
	}
	return nil, w.unverified(u, provider)
}

// unverified refuses a user whose address the service has not verified: a mail
// asks them to.
func (w *work) unverified(u *User, provider string) error {
	w.refusal = unprocessable(codeProviderUnverified,
		"Unverified email with %v. Verify the email with %v in order to sign in", provider, provider)
	if u.Email == "" {
		return errKeep
	}
	if err := w.sendConfirmation(u, challenge{}); err != nil {
		return err
	}
	w.refusal = unprocessable(codeProviderUnverified,
		"Unverified email with %v. A confirmation email has been sent to your %v email", provider, provider)
	return errKeep
}

// keepOnly takes every other way into an account that nobody has confirmed: a
// stranger may have made it with this user's address, to wait for them.
func (w *work) keepOnly(u *User, identity Identity, data object) error {
	if err := w.exec("Error updating user", `
		update auth.users set encrypted_password = null, raw_user_meta_data = $2::jsonb, updated_at = $3 where id = $1`,
		u.ID, string(mustJSON(data)), w.now); err != nil {
		return err
	}
	if err := w.exec("Error updating user", `delete from auth.identities where user_id = $1 and id <> $2`, u.ID, identity.ID); err != nil {
		return err
	}
	return w.setProviders(u.ID)
}

// externalData is what the identity of an account holds.
func externalData(a *oauth.Account) object {
	data := object(a.Claims.Data())
	if e, ok := data["email"].(string); ok {
		data["email"] = strings.ToLower(e)
	}
	return cleanValue(map[string]any(data)).(map[string]any)
}

// cleanValue makes what an outside service said fit for the database.
func cleanValue(v any) any {
	switch x := v.(type) {
	case string:
		return strings.ReplaceAll(x, "\x00", "")
	case []any:
		for i := range x {
			x[i] = cleanValue(x[i])
		}
	case map[string]any:
		clean := make(map[string]any, len(x))
		for k, v := range x {
			clean[strings.ReplaceAll(k, "\x00", "")] = cleanValue(v)
		}
		return clean
	}
	return v
}

// addIdentity gives the user the identity of an account.
func (w *work) addIdentity(userID, provider string, data object) (Identity, error) {
	i := Identity{ID: newID(), UserID: userID, Provider: provider, Data: mustJSON(data)}
	i.ProviderID, _ = data["sub"].(string)
	i.Email, _ = data["email"].(string)
	return i, w.exec("Error creating identity", insertIdentitySQL, i.ID, userID, provider, i.ProviderID, string(i.Data), w.now)
}

// acceptInvite makes an account that of an invited user.
func (w *work) acceptInvite(token, provider string, a *oauth.Account) (*User, error) {
	u, err := w.h.findUser(w.ctx, w, whereInvited, token)
	switch {
	case err != nil:
		return nil, internal("Database error finding user", err)
	case u == nil:
		return nil, notFound("invite_not_found", "Invite not found")
	}
	known := false
	for _, e := range a.Emails {
		known = known || strings.EqualFold(e.Address, u.Email)
	}
	if !known {
		return nil, invalid("Invited email does not match emails from external provider")
	}
	data := externalData(a)
	identity, err := w.addIdentity(u.ID, provider, data)
	if err != nil {
		return nil, err
	}
	w.audit(u, auditInviteAccepted, map[string]any{"provider": provider})
	if err := w.keepOnly(u, identity, data); err != nil {
		return nil, err
	}
	if err := w.confirmEmail(u.ID); err != nil {
		return nil, err
	}
	return w.reload(u.ID)
}

// linkIdentity adds an account to those a user signs in through.
func (w *work) linkIdentity(userID, provider string, a *oauth.Account) (*User, error) {
	owner, err := w.identityOwner(provider, a.Claims.Subject)
	switch {
	case err != nil:
		return nil, err
	case owner != nil && owner.ID == userID:
		return nil, unprocessable(codeIdentityExists, "Identity is already linked")
	case owner != nil:
		return nil, unprocessable(codeIdentityExists, "Identity is already linked to another user")
	}
	u, err := w.reload(userID)
	if err != nil {
		return nil, err
	}
	identity, err := w.addIdentity(userID, provider, externalData(a))
	if err != nil {
		return nil, err
	}
	w.audit(u, auditLinked, map[string]any{"identity_id": identity.ID, "provider": provider, "provider_id": identity.ProviderID})
	if u.Email == "" {
		if err := w.adoptEmail(u, identity, provider); err != nil {
			return nil, err
		}
	}
	if err := w.setProviders(userID); err != nil {
		return nil, err
	}
	if u, err = w.reload(userID); err != nil {
		return nil, err
	}
	return u, w.notifyIdentityLinked(u, provider)
}

// adoptEmail gives a user without an address that of the account they add. An
// anonymous user becomes a permanent one by it.
func (w *work) adoptEmail(u *User, identity Identity, provider string) error {
	if identity.Email == "" {
		return nil
	}
	owner, err := w.h.userByEmail(w.ctx, w, identity.Email, u.Aud)
	if err == nil && owner == nil {
		err = w.takeEmail(u.ID, identity)
	}
	var e *Error
	switch {
	case owner != nil, errors.As(err, &e) && e.Code == codeUnlinkConflict:
		return badRequest(codeEmailExists, messageDuplicateEmail)
	case err != nil:
		return internal("Database error updating user email", err)
	}
	if !identity.verified() {
		if u, err = w.reload(u.ID); err != nil {
			return err
		}
		w.refusal = unprocessable("email_not_confirmed",
			"Unverified email with %v. A confirmation email has been sent to your %v email", provider, provider)
		if err := w.sendConfirmation(u, challenge{}); err != nil {
			return err
		}
		return errKeep
	}
	if err := w.confirmEmail(u.ID); err != nil {
		return err
	}
	return w.exec("Error updating user", `update auth.users set is_anonymous = false where id = $1 and is_anonymous`, u.ID)
}
