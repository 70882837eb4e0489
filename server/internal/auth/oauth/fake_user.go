package oauth

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// FakeUser is a user of the fake services. What is empty is made up from the
// address; without an address it is the canned user's.
type FakeUser struct {
	Subject    string         `json:"sub"` // the service's id of the user
	Email      string         `json:"email"`
	NoEmail    bool           `json:"no_email"`   // the service tells no address
	Unverified bool           `json:"unverified"` // the service has not verified the address
	Name       string         `json:"name"`
	Username   string         `json:"user_name"`
	Picture    string         `json:"picture"`
	Claims     map[string]any `json:"claims"` // further claims of ID tokens and of the user's document

	// Error, when set, makes the service refuse with this OAuth error.
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
}

// CannedEmail is the address of the user that the fake services offer.
const CannedEmail = "fake.user@example.com"

// complete fills in what was left open.
func (u FakeUser) complete(service string) FakeUser {
	if u.Email == "" {
		u.Email = CannedEmail
	}
	local, _, _ := strings.Cut(u.Email, "@")
	if u.Name == "" {
		words := strings.FieldsFunc(local, func(r rune) bool { return strings.ContainsRune("._+-", r) })
		for i, w := range words {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
		u.Name = strings.Join(words, " ")
	}
	if u.Username == "" {
		u.Username = local
	}
	if u.Subject == "" {
		u.Subject = strconv.FormatInt(numberOf(service+" "+strings.ToLower(u.Email)), 10)
	}
	if u.Picture == "" {
		u.Picture = "https://avatars.example.com/" + u.Subject + ".png"
	}
	if u.NoEmail {
		u.Email = ""
	}
	return u
}

// numberOf makes an id of a text, the same each time.
func numberOf(s string) int64 {
	h := fnv.New64a()
	fmt.Fprint(h, s)
	return int64(h.Sum64()%1_000_000_000) + 1
}

// number is the user's id at services whose ids are numbers.
func (u FakeUser) number() int64 {
	if n, err := strconv.ParseInt(u.Subject, 10, 64); err == nil {
		return n
	}
	return numberOf(u.Subject)
}

func (u FakeUser) names() (first, last string) {
	first, last, _ = strings.Cut(u.Name, " ")
	return first, last
}

// standardClaims are those that OpenID Connect names.
func (u FakeUser) standardClaims() map[string]any {
	first, last := u.names()
	c := map[string]any{"sub": u.Subject, "name": u.Name, "given_name": first, "family_name": last,
		"preferred_username": u.Username, "picture": u.Picture}
	if u.Email != "" {
		c["email"], c["email_verified"] = u.Email, !u.Unverified
	}
	for k, v := range u.Claims {
		c[k] = v
	}
	return c
}

// idClaims are the claims of an ID token as the service writes them.
func (u FakeUser) idClaims(service string) map[string]any {
	c := u.standardClaims()
	switch service {
	case "kakao":
		c["nickname"] = u.Name
	case "vercel_marketplace":
		c["user_email"], c["user_name"], c["user_avatar_url"] = u.Email, u.Name, u.Picture
	case "azure":
		if u.Unverified {
			c["xms_edov"] = false
		}
	}
	return c
}
