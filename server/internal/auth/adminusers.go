package auth

import (
	"net/http"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/auth/password"
)

// adminParams is the body of POST /admin/users and PUT /admin/users/{id}.
type adminParams struct {
	ID           string  `json:"id"`
	Aud          string  `json:"aud"`
	Role         string  `json:"role"`
	Email        string  `json:"email"`
	Phone        string  `json:"phone"`
	Password     *string `json:"password"`
	PasswordHash string  `json:"password_hash"`
	EmailConfirm bool    `json:"email_confirm"`
	PhoneConfirm bool    `json:"phone_confirm"`
	UserMetadata object  `json:"user_metadata"`
	AppMetadata  object  `json:"app_metadata"`
	BanDuration  string  `json:"ban_duration"`

	ban *time.Duration
}

const maxVarchar = 255

// check judges what creation and change have in common.
func (p *adminParams) check() (err error) {
	if p.Email != "" {
		if p.Email, err = validEmail(p.Email); err != nil {
			return err
		}
	}
	if p.Phone != "" {
		if p.Phone, err = validPhone(p.Phone); err != nil {
			return err
		}
	}
	if len([]rune(p.Role)) > maxVarchar || len([]rune(p.Aud)) > maxVarchar {
		return invalid("role and aud cannot be longer than %d characters", maxVarchar)
	}
	if p.BanDuration != "" {
		var d time.Duration
		if p.BanDuration != "none" {
			if d, err = time.ParseDuration(p.BanDuration); err != nil {
				return invalid("invalid format for ban duration: %v", err)
			}
		}
		p.ban = &d
	}
	return nil
}

// adminCreateUser is POST /admin/users. No mail is sent, and a password is not
// judged by the project's rules.
func (h *Handler) adminCreateUser(w http.ResponseWriter, r *http.Request) error {
	var p adminParams
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	if p.Email == "" && p.Phone == "" {
		return invalid("Cannot create a user without either an email or phone")
	}
	if err := p.check(); err != nil {
		return err
	}
	aud := h.audience(r)
	if p.Aud != "" {
		aud = p.Aud
	}
	if err := h.refuseTakenByAnyone(r, p, aud); err != nil {
		return err
	}
	n := newUser{Aud: aud, Role: p.Role, Email: p.Email, Phone: p.Phone, Data: p.UserMetadata, ByAdmin: true}
	var err error
	if n.ID, err = newUserID(p.ID); err != nil {
		return err
	}
	if n.PasswordHash, err = h.adminPassword(r, p); err != nil {
		return err
	}
	if p.Email != "" {
		n.Providers = append(n.Providers, providerEmail)
	}
	if p.Phone != "" {
		n.Providers = append(n.Providers, providerPhone)
	}

	var u *User
	err = h.inTx(r, func(tx *work) error {
		const message = "Database error creating new user"
		id, err := tx.insertUser(n, message)
		if err != nil {
			return err
		}
		if err := tx.addIdentities(id, p); err != nil {
			return internal(message, err)
		}
		if p.AppMetadata != nil {
			if err := tx.mergeMetadata(id, appMetadata, p.AppMetadata); err != nil {
				return err
			}
		}
		if err := tx.confirmAndBan(id, p); err != nil {
			return err
		}
		if u, err = tx.reload(id); err != nil {
			return err
		}
		tx.auditAdmin(auditSignedUp, u, map[string]any{"provider": n.Providers[0]})
		return nil
	})
	if err != nil {
		return err
	}
	return writeOK(w, u)
}

func newUserID(s string) (string, error) {
	if s == "" {
		return newID(), nil
	}
	id, ok := parseID(s)
	switch {
	case !ok:
		return "", invalid("ID must conform to the uuid v4 format")
	case id == nilUUID:
		return "", invalid("ID cannot be a nil uuid")
	}
	return id, nil
}

// adminPassword is the hash for a new user: the given one, that of the given
// password, or that of one nobody knows.
func (h *Handler) adminPassword(r *http.Request, p adminParams) (string, error) {
	switch {
	case p.Password != nil && p.PasswordHash != "":
		return "", invalid("Only a password or a password hash should be provided")
	case p.PasswordHash != "":
		if err := password.Check(p.PasswordHash); err != nil || len(p.PasswordHash) > maxVarchar {
			return "", &Error{Status: http.StatusBadRequest, Code: codeValidation, Cause: err,
				Message: "The password hash has no supported form: bcrypt, Argon2i, Argon2id and Firebase scrypt are, up to 255 characters"}
		}
		return p.PasswordHash, nil
	case p.Password != nil && *p.Password != "":
		if len(*p.Password) > maxPassword {
			return "", invalid("Password cannot be longer than %d characters", maxPassword)
		}
		return h.hash(r.Context(), *p.Password)
	}
	return h.hash(r.Context(), randomPassword())
}

func (h *Handler) refuseTakenByAnyone(r *http.Request, p adminParams, aud string) error {
	return h.withConn(r.Context(), func(q querier) error {
		if p.Email != "" {
			owner, err := h.emailOwner(r.Context(), q, p.Email, aud, "")
			switch {
			case err != nil:
				return internal("Database error checking email", err)
			case owner != nil:
				return unprocessable(codeEmailExists, messageDuplicateEmail)
			}
		}
		if p.Phone != "" {
			owner, err := h.userByPhone(r.Context(), q, p.Phone, aud)
			switch {
			case err != nil:
				return internal("Database error checking phone", err)
			case owner != nil:
				return unprocessable(codePhoneExists, "Phone number already registered by another user")
			}
		}
		return nil
	})
}

func (w *work) addIdentities(id string, p adminParams) error {
	if p.Email != "" {
		if err := w.insertIdentity(id, providerEmail, id, identityData(id, p.Email, "", false, nil)); err != nil {
			return err
		}
	}
	if p.Phone != "" {
		return w.insertIdentity(id, providerPhone, id, identityData(id, "", p.Phone, false, nil))
	}
	return nil
}

func (w *work) confirmAndBan(id string, p adminParams) error {
	if p.EmailConfirm {
		if err := w.confirmEmail(id); err != nil {
			return err
		}
	}
	if p.PhoneConfirm {
		if err := w.confirmPhone(id); err != nil {
			return err
		}
	}
	if p.ban == nil {
		return nil
	}
	var until any
	if *p.ban != 0 {
		until = w.now.Add(*p.ban)
	}
	return w.exec("Error updating user", `
		update auth.users set banned_until = $2, updated_at = $3 where id = $1`, id, until, w.now)
}

// adminGetUser is GET /admin/users/{id}.
func (h *Handler) adminGetUser(w http.ResponseWriter, r *http.Request) error {
	return writeOK(w, loadedUser(r))
}

// adminUpdateUser is PUT /admin/users/{id}: addresses change at once, without
// mails, and a new password ends all sessions.
func (h *Handler) adminUpdateUser(w http.ResponseWriter, r *http.Request) error {
	var p adminParams
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	u, hash := loadedUser(r), ""
	if p.Password != nil {
		if err := h.checkStrength(r.Context(), *p.Password); err != nil {
			return err
		}
		var err error
		if hash, err = h.hash(r.Context(), *p.Password); err != nil {
			return err
		}
	}
	var updated *User
	err := h.inTx(r, func(tx *work) error {
		if err := tx.applyAdminUpdate(u, p, hash); err != nil {
			return err
		}
		var err error
		if updated, err = tx.reload(u.ID); err != nil {
			return err
		}
		tx.auditAdmin(auditModified, updated, nil)
		return nil
	})
	if err != nil {
		return err
	}
	return writeOK(w, updated)
}

func (w *work) applyAdminUpdate(u *User, p adminParams, hash string) error {
	if p.Role != "" {
		if err := w.exec("Error updating user", `update auth.users set role = $2, updated_at = $3 where id = $1`,
			u.ID, strings.TrimSpace(p.Role), w.now); err != nil {
			return err
		}
	}
	if p.Password != nil {
		if err := w.storePassword(u.ID, hash, ""); err != nil {
			return err
		}
	}
	if err := w.confirmAndBan(u.ID, p); err != nil {
		return err
	}
	if p.Email != "" {
		if err := w.assign(u.ID, providerEmail, p.Email, p.EmailConfirm, identityData(u.ID, p.Email, "", p.EmailConfirm, nil)); err != nil {
			return err
		}
	}
	if p.Phone != "" {
		if err := w.assign(u.ID, providerPhone, p.Phone, p.PhoneConfirm, identityData(u.ID, "", p.Phone, p.PhoneConfirm, nil)); err != nil {
			return err
		}
	}
	if p.AppMetadata != nil {
		if err := w.mergeMetadata(u.ID, appMetadata, p.AppMetadata); err != nil {
			return err
		}
	}
	if p.UserMetadata != nil {
		return w.mergeMetadata(u.ID, userMetadata, p.UserMetadata)
	}
	return nil
}

// assign gives the user an address or number, and the identity for it. An
// anonymous user becomes permanent with a confirmed one.
func (w *work) assign(userID, column, value string, confirmed bool, data object) error {
	_, err := w.Exec(w.ctx, `
		with i as (
		  insert into auth.identities (id, user_id, provider, provider_id, identity_data, last_sign_in_at, created_at, updated_at)
		  values ($1, $2, '`+column+`', $2::uuid::text, $3::jsonb, $4, $4, $4)
		  on conflict (provider_id, provider) do update
		  set identity_data = auth.identities.identity_data || jsonb_build_object('`+column+`', $5::text, '`+column+`_verified', $6::boolean),
		      updated_at = excluded.updated_at
		)
		update auth.users set `+column+` = $5, is_anonymous = is_anonymous and not $6, updated_at = $4
		where id = $2`, newID(), userID, string(mustJSON(data)), w.now, value, confirmed)
	switch {
	case isState(err, stateUnique) && column == providerEmail:
		return unprocessable(codeEmailExists, messageDuplicateEmail)
	case isState(err, stateUnique):
		return unprocessable(codePhoneExists, messageDuplicatePhone)
	case err != nil:
		return internal("Error updating user", err)
	}
	return nil
}

// adminDeleteUser is DELETE /admin/users/{id}.
func (h *Handler) adminDeleteUser(w http.ResponseWriter, r *http.Request) error {
	var p struct {
		Soft bool `json:"should_soft_delete"`
	}
	if err := readOptionalJSON(w, r, &p); err != nil {
		return err
	}
	u := loadedUser(r)
	err := h.inTx(r, func(tx *work) error {
		tx.auditAdmin(auditDeleted, u, nil)
		switch {
		case !p.Soft:
			return tx.exec("Database error deleting user", `delete from auth.users where id = $1`, u.ID)
		case u.DeletedAt != nil:
			return nil
		}
		return tx.softDelete(u)
	})
	if err != nil {
		return err
	}
	return writeOK(w, empty{})
}

var errNoFactor = notFound(codeFactorNotFound, "Factor not found")

// pathFactor is the factor of u that the path names.
func pathFactor(u *User, id string) (Factor, error) {
	id, ok := parseID(id)
	if !ok {
		return Factor{}, notFound(codeValidation, "factor_id must be an UUID")
	}
	f, ok := u.factor(id)
	if !ok {
		return Factor{}, errNoFactor
	}
	return f, nil
}
