package auth

import "net/http"

// providers are the outside services that the settings tell of.
var providers = []string{
	"apple", "azure", "bitbucket", "discord", "facebook", "figma", "fly", "github", "gitlab", "google", "kakao", "keycloak",
	"linkedin", "linkedin_oidc", "notion", "slack", "slack_oidc", "snapchat", "spotify", "twitch", "twitter", "workos", "zoom",
}

// settings is GET /settings.
func (h *Handler) settings(w http.ResponseWriter, _ *http.Request) error {
	external := map[string]bool{
		"anonymous_users": h.cfg.AnonymousSignIns,
		providerEmail:     !h.cfg.Email.Disabled,
		providerPhone:     h.cfg.Phone.Enabled,
	}
	for _, p := range providers {
		external[p] = h.oauth.Enabled(p)
	}
	return writeOK(w, map[string]any{
		"external":                         external,
		"disable_signup":                   h.cfg.DisableSignup,
		"mailer_autoconfirm":               h.autoconfirms(providerEmail),
		"phone_autoconfirm":                h.autoconfirms(providerPhone),
		"sms_provider":                     h.sms.Provider(),
		"saml_enabled":                     false,
		"saml_private_key_next_configured": false,
		"passkeys_enabled":                 false,
	})
}

// health is GET /health.
func (h *Handler) health(w http.ResponseWriter, _ *http.Request) error {
	return writeOK(w, map[string]string{
		"version": h.cfg.Version, "name": "GoTrue", "description": "suparust serves the Auth API: users, sessions and tokens",
	})
}
