package oauth

import (
	"encoding/json"
	"regexp"
	"strings"
)

const (
	azureCommon        = "https://login.microsoftonline.com/common/v2.0"
	azureOrganizations = "https://login.microsoftonline.com/organizations/v2.0"
)

var (
	azureIssuer         = regexp.MustCompile(`^https://login[.]microsoftonline[.]com/([^/?#]+)/v2[.]0/?$`)
	azureCustomerIssuer = regexp.MustCompile(`^https://[a-z0-9-]+[.]ciamlogin[.]com/([^/?#]+)/v2[.]0/?$`)
	azureOlderIssuer    = regexp.MustCompile(`^https://sts[.]windows[.]net/([^/?#]+)/?$`)
)

// IsAppleIssuer reports whether Apple's ID tokens name the issuer.
func IsAppleIssuer(issuer string) bool { return isApple(issuer) }

// IsAzureIssuer reports whether the issuer is that of a tenant.
func IsAzureIssuer(issuer string) bool { return isAzure(issuer) }

// IsAzureTokenIssuer reports whether ID tokens of the issuer may be brought
// along: those of tenants, under their newer or their older name.
func IsAzureTokenIssuer(issuer string) bool {
	return isAzure(issuer) || azureOlderIssuer.MatchString(issuer)
}

func isAzure(issuer string) bool         { return azureIssuer.MatchString(issuer) }
func isAzureCustomer(issuer string) bool { return azureCustomerIssuer.MatchString(issuer) }

// accountOf reads the claims of a verified token as its issuer writes them.
func accountOf(t *IDToken) (*Account, error) {
	switch {
	case t.Issuer == issuerGoogle || t.Issuer == "accounts.google.com":
		return googleClaims(t)
	case t.Issuer == issuerLinkedin:
		return linkedinClaims(t)
	case t.Issuer == issuerKakao:
		return kakaoClaims(t)
	case t.Issuer == issuerVercel:
		return vercelClaims(t)
	case t.Issuer == issuerFacebook:
		return facebookClaims(t)
	case t.Issuer == issuerSnapchat:
		return standardClaims(t, true)
	case isApple(t.Issuer):
		return appleClaims(t)
	case isAzure(t.Issuer):
		return azureClaims(t)
	}
	return standardClaims(t, false)
}

func googleClaims(t *IDToken) (*Account, error) {
	var c struct {
		Name          string  `json:"name"`
		Picture       string  `json:"picture"`
		Email         string  `json:"email"`
		VerifiedEmail boolean `json:"verified_email"`
		EmailVerified boolean `json:"email_verified"`
		Domain        string  `json:"hd"`
	}
	if err := json.Unmarshal(t.raw, &c); err != nil {
		return nil, err
	}
	a := &Account{Emails: one(c.Email, bool(c.VerifiedEmail || c.EmailVerified)), Claims: Claims{
		Issuer: t.Issuer, Subject: t.Subject, Name: c.Name, Picture: c.Picture,
		AvatarURL: c.Picture, FullName: c.Name, ProviderID: t.Subject,
	}}
	if c.Domain != "" {
		a.Claims.Custom = map[string]any{"hd": c.Domain}
	}
	return a, nil
}

// facebookClaims are those of the limited login, whose addresses are verified.
func facebookClaims(t *IDToken) (*Account, error) {
	var c struct {
		Email   string `json:"email"`
		Name    string `json:"name"`
		Picture string `json:"picture"`
	}
	if err := json.Unmarshal(t.raw, &c); err != nil {
		return nil, err
	}
	return &Account{Emails: one(c.Email, true), Claims: Claims{
		Issuer: t.Issuer, Subject: t.Subject, Name: c.Name, Picture: c.Picture, ProviderID: t.Subject,
		Email: c.Email, EmailVerified: c.Email != "",
	}}, nil
}

func appleClaims(t *IDToken) (*Account, error) {
	var c struct {
		Email    string   `json:"email"`
		AuthTime *float64 `json:"auth_time"`
		Private  *boolean `json:"is_private_email"`
		Transfer string   `json:"transfer_sub"`
	}
	if err := json.Unmarshal(t.raw, &c); err != nil {
		return nil, err
	}
	a := &Account{Emails: one(c.Email, true), Claims: Claims{Issuer: t.Issuer, Subject: t.Subject, ProviderID: t.Subject}}
	custom := map[string]any{}
	if c.Private != nil {
		custom["is_private_email"] = bool(*c.Private)
	}
	if c.AuthTime != nil {
		custom["auth_time"] = *c.AuthTime
	}
	if c.Transfer != "" {
		custom["transfer_sub"] = c.Transfer
	}
	if len(custom) > 0 {
		a.Claims.Custom = custom
	}
	return a, nil
}

func linkedinClaims(t *IDToken) (*Account, error) {
	var c struct {
		Email    string  `json:"email"`
		Verified boolean `json:"email_verified"`
		Family   string  `json:"family_name"`
		Given    string  `json:"given_name"`
		Locale   any     `json:"locale"`
		Picture  string  `json:"picture"`
	}
	if err := json.Unmarshal(t.raw, &c); err != nil {
		return nil, err
	}
	locale, _ := c.Locale.(string)
	return &Account{Emails: one(c.Email, bool(c.Verified)), Claims: Claims{
		Issuer: t.Issuer, Subject: t.Subject, Name: strings.TrimSpace(c.Given + " " + c.Family),
		GivenName: c.Given, FamilyName: c.Family, Locale: locale, Picture: c.Picture, ProviderID: t.Subject,
	}}, nil
}

// azureStandard are the claims that are not the user's own.
var azureStandard = []string{"aud", "iss", "iat", "nbf", "exp", "c_hash", "at_hash", "aio", "nonce", "rh", "uti", "jti", "ver", "sub",
	"name", "preferred_username"}

func azureClaims(t *IDToken) (*Account, error) {
	var c struct {
		Email    string `json:"email"`
		Name     string `json:"name"`
		Username string `json:"preferred_username"`
		Owner    any    `json:"xms_edov"`
	}
	if err := json.Unmarshal(t.raw, &c); err != nil {
		return nil, err
	}
	custom := map[string]any{}
	if err := json.Unmarshal(t.raw, &custom); err != nil {
		return nil, err
	}
	for _, k := range azureStandard {
		delete(custom, k)
	}
	// without the claim the directory was not asked to tell, and sends unverified
	// addresses for its own tenant alone
	verified := c.Owner == nil || c.Owner == true || c.Owner == "1" || c.Owner == "true"
	a := &Account{Emails: one(c.Email, verified), Claims: Claims{
		Issuer: t.Issuer, Subject: t.Subject, ProviderID: t.Subject, PreferredUsername: c.Username, FullName: c.Name, Custom: custom,
	}}
	return a, nil
}

func kakaoClaims(t *IDToken) (*Account, error) {
	var c struct {
		Email    string `json:"email"`
		Nickname string `json:"nickname"`
		Picture  string `json:"picture"`
	}
	if err := json.Unmarshal(t.raw, &c); err != nil {
		return nil, err
	}
	return &Account{Emails: one(c.Email, true), Claims: Claims{
		Issuer: t.Issuer, Subject: t.Subject, Name: c.Nickname, PreferredUsername: c.Nickname, ProviderID: t.Subject, Picture: c.Picture,
	}}, nil
}

func vercelClaims(t *IDToken) (*Account, error) {
	var c struct {
		Global  string `json:"global_user_id"`
		Email   string `json:"user_email"`
		Name    string `json:"user_name"`
		Picture string `json:"user_avatar_url"`
	}
	if err := json.Unmarshal(t.raw, &c); err != nil {
		return nil, err
	}
	subject := t.Subject
	if c.Global != "" {
		subject = "global_user_id:" + c.Global
	}
	return &Account{Emails: one(c.Email, true), Claims: Claims{
		Issuer: t.Issuer, Subject: subject, ProviderID: subject, Name: c.Name, Picture: c.Picture,
	}}, nil
}

// standardClaims are those of OpenID Connect.
func standardClaims(t *IDToken, verified bool) (*Account, error) {
	a := &Account{}
	if err := json.Unmarshal(t.raw, &a.Claims); err != nil {
		return nil, err
	}
	if verified && a.Claims.Email != "" {
		a.Claims.EmailVerified = true
	}
	a.Emails = one(a.Claims.Email, bool(a.Claims.EmailVerified))
	return a, nil
}
