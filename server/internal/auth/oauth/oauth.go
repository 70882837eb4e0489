// Package oauth speaks with the outside services that users sign in through:
// it sends browsers to them, exchanges the codes they come back with, reads
// what the service tells of the user and verifies ID tokens.
//
// A service is one entry of a table, see services.go; the engine is the same
// for all. Every request to the outside goes through one client that is bounded
// in time and size and reaches only the hosts of the service, see client.go.
// Fake stands in for every service where no network is wanted.
package oauth

import (
	"encoding/json"
	"strings"
)

// Account is what a service tells of a user.
type Account struct {
	Emails []Email
	Claims Claims
}

// Email is an address of a user.
type Email struct {
	Address  string
	Verified bool
	Primary  bool
}

// Claims are kept as the identity's data and merged into the user's metadata.
type Claims struct {
	Issuer   string   `json:"iss,omitempty"`
	Subject  string   `json:"sub,omitempty"`
	Audience audience `json:"aud,omitempty"`
	IssuedAt float64  `json:"iat,omitempty"`
	Expires  float64  `json:"exp,omitempty"`

	Name              string  `json:"name,omitempty"`
	FamilyName        string  `json:"family_name,omitempty"`
	GivenName         string  `json:"given_name,omitempty"`
	MiddleName        string  `json:"middle_name,omitempty"`
	NickName          string  `json:"nickname,omitempty"`
	PreferredUsername string  `json:"preferred_username,omitempty"`
	Profile           string  `json:"profile,omitempty"`
	Picture           string  `json:"picture,omitempty"`
	Website           string  `json:"website,omitempty"`
	Gender            string  `json:"gender,omitempty"`
	Birthdate         string  `json:"birthdate,omitempty"`
	ZoneInfo          string  `json:"zoneinfo,omitempty"`
	Locale            string  `json:"locale,omitempty"`
	UpdatedAt         any     `json:"updated_at,omitempty"`
	Email             string  `json:"email,omitempty"`
	EmailVerified     boolean `json:"email_verified"`
	Phone             string  `json:"phone,omitempty"`
	PhoneVerified     boolean `json:"phone_verified"`

	Custom map[string]any `json:"custom_claims,omitzero"`

	FullName   string `json:"full_name,omitempty"`
	AvatarURL  string `json:"avatar_url,omitempty"`
	Slug       string `json:"slug,omitempty"`
	ProviderID string `json:"provider_id,omitempty"`
	UserName   string `json:"user_name,omitempty"`
}

// Data is the JSON object of the claims.
func (c Claims) Data() map[string]any {
	raw, err := json.Marshal(c)
	if err != nil {
		panic("oauth: " + err.Error()) // the claims came from JSON
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		panic("oauth: " + err.Error())
	}
	return m
}

// audience is one text or a list of them.
type audience []string

// UnmarshalJSON reads either form.
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// boolean is a boolean that some services write as text or number.
type boolean bool

// UnmarshalJSON reads any of the forms; what is none of them is false, so that
// an odd value never verifies an address.
func (f *boolean) UnmarshalJSON(raw []byte) error {
	switch strings.ToLower(strings.Trim(string(raw), `"`)) {
	case "true", "1":
		*f = true
	default:
		*f = false
	}
	return nil
}

// one is the list of a single address, none without one.
func one(address string, verified bool) []Email {
	if address == "" {
		return nil
	}
	return []Email{{Address: address, Verified: verified, Primary: true}}
}

// Primary is the address that stands for the user: the primary one, else the
// last one named.
func (a *Account) Primary() (e Email) {
	for _, e = range a.Emails {
		if e.Primary {
			return e
		}
	}
	return e
}

// Settle makes the claims about the address those of the primary one.
func (a *Account) Settle() {
	e := a.Primary()
	if len(a.Emails) > 0 {
		a.Claims.Email = e.Address
	}
	a.Claims.EmailVerified = boolean(e.Verified)
}
