package auth

import (
	"encoding/json"
	"time"
)

// User is a row of auth.users with its identities and factors, in the form
// that clients see. Fields without a JSON name are never shown.
type User struct {
	ID               string          `json:"id"`
	Aud              string          `json:"aud"`
	Role             string          `json:"role"`
	Email            string          `json:"email"`
	EmailConfirmedAt *time.Time      `json:"email_confirmed_at,omitempty"`
	InvitedAt        *time.Time      `json:"invited_at,omitempty"`
	Phone            string          `json:"phone"`
	PhoneConfirmedAt *time.Time      `json:"phone_confirmed_at,omitempty"`
	ConfirmationSent *time.Time      `json:"confirmation_sent_at,omitempty"`
	ConfirmedAt      *time.Time      `json:"confirmed_at,omitempty"`
	RecoverySent     *time.Time      `json:"recovery_sent_at,omitempty"`
	EmailChange      string          `json:"new_email,omitempty"`
	EmailChangeSent  *time.Time      `json:"email_change_sent_at,omitempty"`
	PhoneChange      string          `json:"new_phone,omitempty"`
	PhoneChangeSent  *time.Time      `json:"phone_change_sent_at,omitempty"`
	Reauthenticated  *time.Time      `json:"reauthentication_sent_at,omitempty"`
	LastSignInAt     *time.Time      `json:"last_sign_in_at,omitempty"`
	AppMetadata      json.RawMessage `json:"app_metadata"`
	UserMetadata     json.RawMessage `json:"user_metadata"`
	Factors          []Factor        `json:"factors,omitempty"`
	Identities       []Identity      `json:"identities"`
	CreatedAt        time.Time       `json:"created_at"`
	UpdatedAt        time.Time       `json:"updated_at"`
	BannedUntil      *time.Time      `json:"banned_until,omitempty"`
	DeletedAt        *time.Time      `json:"deleted_at,omitempty"`
	IsAnonymous      bool            `json:"is_anonymous"`

	IsSSO                   bool   `json:"-"`
	PasswordHash            string `json:"-"`
	ConfirmationToken       string `json:"-"`
	RecoveryToken           string `json:"-"`
	EmailChangeTokenNew     string `json:"-"`
	EmailChangeTokenCurrent string `json:"-"`
	EmailChangeStatus       int    `json:"-"`
	PhoneChangeToken        string `json:"-"`
	ReauthenticationToken   string `json:"-"`
}

// Identity is a way a user signs in. The names are swapped against the
// columns: clients call the row's key identity_id and the provider's own id id.
type Identity struct {
	ID           string          `json:"identity_id"`
	ProviderID   string          `json:"id"`
	UserID       string          `json:"user_id"`
	Data         json.RawMessage `json:"identity_data,omitempty"` // nil when it is empty, as of a user who was deleted softly
	Provider     string          `json:"provider"`
	LastSignInAt *time.Time      `json:"last_sign_in_at,omitempty"`
	CreatedAt    *time.Time      `json:"created_at"`
	UpdatedAt    *time.Time      `json:"updated_at"`
	Email        string          `json:"email,omitempty"`
}

// verified reports whether the provider has verified the identity's address.
func (i Identity) verified() bool {
	var d struct {
		Verified any `json:"email_verified"`
	}
	if json.Unmarshal(i.Data, &d) != nil {
		return false
	}
	v, _ := d.Verified.(bool)
	return v
}

// Factor is a second factor of a user.
type Factor struct {
	ID               string     `json:"id"`
	CreatedAt        time.Time  `json:"created_at"`
	UpdatedAt        time.Time  `json:"updated_at"`
	Status           string     `json:"status"`
	FriendlyName     string     `json:"friendly_name,omitempty"`
	Type             string     `json:"factor_type"`
	Phone            string     `json:"phone"`
	LastChallengedAt *time.Time `json:"last_challenged_at"`
	Secret           string     `json:"-"`
}

func (f Factor) verified() bool { return f.Status == factorVerified }

const (
	factorVerified   = "verified"
	factorUnverified = "unverified"
)

const (
	providerEmail     = "email"
	providerPhone     = "phone"
	providerAnonymous = "anonymous"
)

func (u *User) banned(now time.Time) bool { return u.BannedUntil != nil && now.Before(*u.BannedUntil) }

func (u *User) hasMFA() bool {
	for _, f := range u.Factors {
		if f.verified() {
			return true
		}
	}
	return false
}

func (u *User) factor(id string) (Factor, bool) {
	for _, f := range u.Factors {
		if f.ID == id {
			return f, true
		}
	}
	return Factor{}, false
}

func (u *User) identity(provider string) (Identity, bool) {
	for _, i := range u.Identities {
		if i.Provider == provider {
			return i, true
		}
	}
	return Identity{}, false
}
