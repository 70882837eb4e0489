package server_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
)

// A setting of a GoTrue that means nothing here is not passed over in silence,
// unless it asks for nothing.
//
//covers:auth 172
func TestGoTrueSettingsWithoutEffect(t *testing.T) {
	_, warnings, err := configured(t,
		"GOTRUE_RATE_LIMIT_SSO=30", "GOTRUE_SAML_ENABLED=true", "GOTRUE_SAML_PRIVATE_KEY=", "GOTRUE_PASSKEY_ENABLED=1", "GOTRUE_OAUTH_SERVER_ENABLED=false",
		"GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPT=true", "GOTRUE_EXTERNAL_WEB3_SOLANA_ENABLED=true", "GOTRUE_EXTERNAL_NOBODY_ENABLED=true",
		"GOTRUE_DB_DRIVER=postgres", "GOTRUE_JWT_VALIDMETHODS=HS256,RS256", "GOTRUE_MAILER_OTP_LENGHT=8", "GOTRUEX=1",
		"GOTRUE_SITE_URL=https://site.example", "GOTRUE_EXTERNAL_GITHUB_ENABLED=true", "GOTRUE_HOOK_SEND_SMS_ENABLED=false")
	if err != nil {
		t.Fatal(err)
	}
	warnings = slices.DeleteFunc(warnings, func(w string) bool { return strings.HasPrefix(w, "Using legacy env ") })
	want := []string{
		"GOTRUE_EXTERNAL_NOBODY_ENABLED has no effect: no setting has this name",
		"GOTRUE_EXTERNAL_WEB3_SOLANA_ENABLED has no effect: sign-in with a wallet is not offered",
		"GOTRUE_MAILER_OTP_LENGHT has no effect: no setting has this name",
		"GOTRUE_PASSKEY_ENABLED has no effect: passkeys and WebAuthn factors are not offered",
		"GOTRUE_RATE_LIMIT_SSO has no effect: sign-in through SAML is not offered",
		"GOTRUE_SAML_ENABLED has no effect: sign-in through SAML is not offered",
		"GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPT has no effect: secrets of second factors are not encrypted in the database",
	}
	if !slices.Equal(warnings, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(warnings, "\n"), strings.Join(want, "\n"))
	}
}

// Nor is what config.toml switches on and nobody serves.
func TestProjectSettingsWithoutEffect(t *testing.T) {
	for toml, want := range map[string]string{
		"":                                "",
		"[auth]\nenabled = false":         "auth.enabled has no effect: Auth is always served",
		"[auth.passkey]\nenabled = true":  "auth.passkey.enabled has no effect: passkeys and WebAuthn factors are not offered",
		"[auth.passkey]\nenabled = false": "",
		"[auth.mfa.web_authn]\nverify_enabled = true": "auth.mfa.web_authn has no effect: passkeys and WebAuthn factors are not offered",
		"[auth.oauth_server]\nenabled = true":         "auth.oauth_server.enabled has no effect: Auth is no OAuth server here",
		"[auth.web3.solana]\nenabled = true\n[auth.web3.ethereum]\nenabled = true": "auth.web3.ethereum.enabled has no effect: sign-in with a wallet is not offered; " +
			"auth.web3.solana.enabled has no effect: sign-in with a wallet is not offered",
		"[auth.third_party.firebase]\nenabled = true\nproject_id = 'x'": "auth.third_party.firebase.enabled has no effect: tokens of other issuers are not accepted",
		"[auth.third_party.auth0]\nenabled = false":                     "",
	} {
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, "supabase"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "supabase", "config.toml"), []byte(toml+"\n[db.seed]\nenabled = false\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		c := server.DefaultConfig()
		warnings, err := c.LoadProject(root, os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(warnings, "; "); got != want {
			t.Errorf("%s\n got %s\nwant %s", toml, got, want)
		}
	}
}
