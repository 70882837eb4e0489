package server

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/auth/oauth"
)

// oauthSettings are about sign-in through outside services.
var oauthSettings = []Setting{
	{Name: "SUPARUST_OAUTH_FAKE", Default: "auto",
		Help: "Sign-in providers that a page of the server stands in for: missing (enabled ones without a client id or a secret), all, off; auto is missing on loopback with the demo keys of a project, else off.",
		set:  textSetting(func(c *Config) *string { return &c.Auth.OAuth.Fake })},
	{Name: "SUPARUST_EXTERNAL_*", Aliases: []string{"GOTRUE_EXTERNAL_*"}, Default: "none", Secret: true,
		Help: "A sign-in provider: SUPARUST_EXTERNAL_GOOGLE_ENABLED, and _CLIENT_ID (several parted by commas), _SECRET, _URL, _REDIRECT_URI, _SKIP_NONCE_CHECK, " +
			"_EMAIL_OPTIONAL and _JWKS (keys of its ID tokens, which are fetched without it).",
		setEach: setProvider},
	{Name: "SUPARUST_IOS_BUNDLE_ID", Aliases: []string{"GOTRUE_EXTERNAL_IOS_BUNDLE_ID"}, Default: "none", Help: "A further client whose Apple ID tokens are accepted.",
		set: textSetting(func(c *Config) *string { return &c.Auth.OAuth.IOSBundleID })},
	{Name: "SUPARUST_OAUTH_REDIRECT_URL", Aliases: []string{"GOTRUE_EXTERNAL_REDIRECT_URL"}, Default: "what the request asks for", Help: "Where every sign-in through a provider ends.",
		set: textSetting(func(c *Config) *string { return &c.Auth.OAuth.RedirectURL })},
	{Name: "SUPARUST_ID_TOKEN_ISSUERS", Aliases: []string{"GOTRUE_EXTERNAL_ALLOWED_ID_TOKEN_ISSUERS"}, Default: "none",
		Help: "Further issuers whose ID tokens sign in, for the client that the request names.",
		set:  listSetting(func(c *Config) *[]string { return &c.Auth.OAuth.IDTokenIssuers })},
	{Name: "SUPARUST_OAUTH_FLOW_LIFE", Aliases: []string{"GOTRUE_EXTERNAL_FLOW_STATE_EXPIRY_DURATION"}, Default: "5m", Help: "How long a sign-in through a provider may take.",
		set: func(c *Config, v string) error {
			d, err := time.ParseDuration(v)
			if err != nil || d <= 0 {
				return fmt.Errorf("%q is no duration above 0 such as 5m", v)
			}
			c.Auth.OAuth.FlowLife = d
			return nil
		}},
}

// providerSettings set a part of a provider, by the end of the variable's name.
var providerSettings = map[string]func(p *OAuthProvider, v string) error{
	"_ENABLED":          func(p *OAuthProvider, v string) error { return setBool(&p.Enabled, v) },
	"_CLIENT_ID":        func(p *OAuthProvider, v string) error { p.ClientIDs = textList(v); return nil },
	"_SECRET":           func(p *OAuthProvider, v string) error { p.Secret = v; return nil },
	"_URL":              func(p *OAuthProvider, v string) error { p.URL = v; return nil },
	"_REDIRECT_URI":     func(p *OAuthProvider, v string) error { p.RedirectURI = v; return nil },
	"_SKIP_NONCE_CHECK": func(p *OAuthProvider, v string) error { return setBool(&p.SkipNonceCheck, v) },
	"_EMAIL_OPTIONAL":   func(p *OAuthProvider, v string) error { return setBool(&p.EmailOptional, v) },
	"_JWKS":             func(p *OAuthProvider, v string) error { p.JWKS = []byte(v); return nil },
}

// setProvider sets one variable of the family; rest is GOOGLE_CLIENT_ID and the
// like.
func setProvider(c *Config, rest, value string) error {
	for end, set := range providerSettings {
		name, ok := strings.CutSuffix(rest, end)
		name = strings.ToLower(name)
		if !ok || !slices.Contains(oauth.Names(), name) {
			continue
		}
		o := &c.Auth.OAuth
		p := o.Providers[name]
		if err := set(&p, value); err != nil {
			return err
		}
		if o.Providers == nil {
			o.Providers = map[string]OAuthProvider{}
		}
		o.Providers[name] = p
		return nil
	}
	return errNoMember // of sign-in by email, phone …
}

func setBool(to *bool, v string) error {
	b, err := strconv.ParseBool(strings.ToLower(v))
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", v)
	}
	*to = b
	return nil
}
