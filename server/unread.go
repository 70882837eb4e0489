package server

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/suparust/suparust/server/internal/project"
	"github.com/suparust/suparust/server/internal/rest"
)

const goTruePrefix = "GOTRUE_"

// quietGoTrue are settings of a GoTrue that say here what is so anyway.
var quietGoTrue = []string{
	"GOTRUE_DB_DRIVER",              // see goTrueLookup
	"GOTRUE_JWT_VALIDMETHODS",       // those of the keys that there are
	"GOTRUE_JWT_VALID_METHODS",      // likewise
	"GOTRUE_DB_MIGRATIONS_PATH",     // the schema is built in
	"GOTRUE_API_ENDPOINT",           // read by no GoTrue
	"GOTRUE_OPERATOR_TOKEN",         // likewise
	"GOTRUE_LOG_DISABLE_COLORS",     // the log has its own form
	"GOTRUE_LOG_TSFORMAT",           // likewise
	"GOTRUE_LOG_QUOTE_EMPTY_FIELDS", // likewise
}

// unoffered are parts of a GoTrue that are not offered, by what their settings
// begin with.
var unoffered = []struct{ part, prefixes string }{
	{"sign-in through SAML is not offered", "SAML_ RATE_LIMIT_SSO"},
	{"passkeys and WebAuthn factors are not offered", "PASSKEY_ WEBAUTHN_ MFA_WEB_AUTHN_ RATE_LIMIT_PASSKEY"},
	{"sign-in with a wallet is not offered", "EXTERNAL_WEB3_"},
	{"Auth is no OAuth server here", "OAUTH_SERVER_ RATE_LIMIT_O_AUTH_"},
	{"providers that an admin adds are not offered", "CUSTOM_OAUTH_"},
	{"SCIM is not offered", "EXPERIMENTAL_SCIM_"},
	{"secrets of second factors are not encrypted in the database", "SECURITY_DB_ENCRYPTION_"},
}

// warnUnread tells of settings of a GoTrue that are given and mean nothing
// here. read are those that were read.
func warnUnread(lookup func(string) (string, bool), note func(Note), names []string, read map[string]bool) {
	for _, name := range slices.Sorted(slices.Values(names)) {
		rest, ok := strings.CutPrefix(name, goTruePrefix)
		if !ok || read[name] || slices.Contains(quietGoTrue, name) {
			continue
		}
		value, _ := lookup(name)
		if value == "" || isFalse(value) {
			continue // nothing is asked for
		}
		why := "no setting has this name"
		for _, u := range unoffered {
			if slices.ContainsFunc(strings.Fields(u.prefixes), func(p string) bool { return strings.HasPrefix(rest, p) }) {
				why = u.part
			}
		}
		note(Note{slog.LevelWarn, fmt.Sprintf("%s has no effect: %s", name, why)})
	}
}

func isFalse(v string) bool {
	b, ok := rest.Boolean(v)
	return ok && !b
}

// warnUnserved tells of what config.toml asks Auth for and does not get.
func warnUnserved(p *project.Project) {
	t := &p.Config.Auth
	say := func(asked bool, key, why string) {
		if asked {
			p.Warnings = append(p.Warnings, fmt.Sprintf("auth.%s has no effect: %s", key, why))
		}
	}
	const passkeys = "passkeys and WebAuthn factors are not offered"
	say(!t.Enabled, "enabled", "Auth is always served")
	say(t.Passkey.Enabled, "passkey.enabled", passkeys)
	say(t.MFA.WebAuthn.EnrollEnabled || t.MFA.WebAuthn.VerifyEnabled, "mfa.web_authn", passkeys)
	say(t.OAuthServer.Enabled, "oauth_server.enabled", "Auth is no OAuth server here")
	for _, name := range slices.Sorted(maps.Keys(t.Web3)) {
		say(t.Web3[name].Enabled, "web3."+name+".enabled", "sign-in with a wallet is not offered")
	}
	for _, name := range slices.Sorted(maps.Keys(t.ThirdParty)) {
		say(t.ThirdParty[name].Enabled, "third_party."+name+".enabled", "tokens of other issuers are not accepted")
	}
}
