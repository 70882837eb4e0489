package auth

import (
	_ "embed"
	"strings"
)

// newUser is what a user row is made from.
type newUser struct {
	ID           string // "" makes one
	Aud          string
	Role         string // "" is the default role
	Email        string
	Phone        string
	PasswordHash string
	Data         object
	Providers    []string // none for anonymous users
	Anonymous    bool
	ByAdmin      bool // the hooks are not asked
}

//go:embed queries/insert_user.sql
var insertUserSQL string

// insertUser inserts the row. Triggers of the project see just what the caller
// gave: what the server adds comes with later updates.
func (w *work) insertUser(n newUser, message string) (id string, err error) {
	if n.ID == "" && w.approved != nil {
		n.ID = w.approved.ID
	}
	if n.ID == "" {
		n.ID = newID()
	}
	if !n.ByAdmin && w.approved == nil && w.h.hooks.on(HookBeforeUserCreated) {
		return "", &unapproved{n}
	}
	if n.Role == "" {
		n.Role = w.h.cfg.DefaultRole
	}
	if n.Data == nil {
		n.Data = object{}
	}
	if err := w.Later(w.ctx, func(err error) { w.failed = insertFailure(err, message) }, insertUserSQL, n.ID, n.Aud, strings.TrimSpace(n.Role),
		nullable(strings.ToLower(n.Email)), nullable(n.Phone), n.PasswordHash, string(n.appMetadata()), string(mustJSON(n.Data)), n.Anonymous, w.now); err != nil {
		return "", err
	}
	if !n.ByAdmin {
		w.created = n.ID
	}
	return n.ID, nil
}

// insertFailure is the answer to a user who cannot be inserted.
func insertFailure(err error, message string) error {
	switch {
	case isConstraint(err, "users_email_partial_key"):
		return unprocessable(codeEmailExists, messageDuplicateEmail)
	case isConstraint(err, "users_phone_key"):
		return unprocessable(codePhoneExists, messageDuplicatePhone)
	case isConstraint(err, "users_pkey"):
		return unprocessable(codeValidation, "A user with this ID already exists")
	}
	return internal(message, err)
}

//go:embed queries/insert_identity.sql
var insertIdentitySQL string

// insertIdentity gives the user a way to sign in; providerID is the provider's
// own id of them, the user's for email and phone.
func (w *work) insertIdentity(userID, provider, providerID string, data object) error {
	return w.later("Error creating identity", insertIdentitySQL, newID(), userID, provider, providerID, string(mustJSON(data)), w.now)
}

// identityData is what the identity of an address or number holds, together
// with what the user gave at sign-up.
func identityData(userID, email, phone string, verified bool, data object) object {
	d := object{}
	for k, v := range data {
		d[k] = v
	}
	// an address in the data is only said to be the user's: as the identity's
	// it would keep its owner from signing up
	delete(d, "email")
	d["sub"] = userID
	d["email_verified"], d["phone_verified"] = false, false
	if email != "" {
		d["email"], d["email_verified"] = email, verified
	}
	if phone != "" {
		d["phone"], d["phone_verified"] = phone, verified
	}
	return d
}

// Metadata columns.
const (
	userMetadata = "raw_user_meta_data"
	appMetadata  = "raw_app_meta_data"
)

// mergeMetadata sets the keys of data in a metadata column and removes those
// that are null. Nested objects are replaced whole.
func (w *work) mergeMetadata(userID, column string, data object) error {
	set, remove := data.merge()
	return w.later("Error updating user", `
		update auth.users set updated_at = $4, `+column+` =
		  (case jsonb_typeof(`+column+`) when 'object' then `+column+` else '{}' end || $2::jsonb) - $3::text[]
		where id = $1`, userID, string(set), remove, w.now)
}

// setProviders makes the providers of the app metadata those of the user's
// identities, the oldest first.
func (w *work) setProviders(userID string) error {
	return w.exec("Database error updating user", setProvidersSQL, userID, w.now)
}

//go:embed queries/set_providers.sql
var setProvidersSQL string

// confirmEmail marks the user's address as theirs.
func (w *work) confirmEmail(userID string) error {
	if err := w.later("Database error updating user", `
		update auth.users set updated_at = $2, confirmation_token = '', email_confirmed_at = $2, raw_user_meta_data =
		  case jsonb_typeof(raw_user_meta_data) when 'object' then raw_user_meta_data else '{}' end || '{"email_verified": true}'
		where id = $1`, userID, w.now); err != nil {
		return err
	}
	return w.clearCodes(userID)
}

// confirmPhone marks the user's number as theirs.
func (w *work) confirmPhone(userID string) error {
	if err := w.later("Database error updating user", `
		update auth.users set updated_at = $2, confirmation_token = '', phone_confirmed_at = $2
		where id = $1`, userID, w.now); err != nil {
		return err
	}
	return w.clearCodes(userID)
}
