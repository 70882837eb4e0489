package auth

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

// Parts of the API that are switched off answer what the platform answers when
// they are: clients tell them from unknown paths.

func oauthServerDisabled(http.ResponseWriter, *http.Request) error {
	return notFound(codeFeatureDisabled, "OAuth server is disabled")
}

func passkeysDisabled(http.ResponseWriter, *http.Request) error {
	return notFound("passkey_disabled", "Passkeys are disabled")
}

func samlDisabled(http.ResponseWriter, *http.Request) error {
	return notFound("saml_provider_disabled", "SAML 2.0 is disabled")
}

func scimDisabled(http.ResponseWriter, *http.Request) error {
	return notFound(codeFeatureDisabled, "SCIM server is disabled")
}

func (h *Handler) disabledRoutes(r chi.Router) {
	r.Route("/sso", func(r chi.Router) { every(r, h.answer(samlDisabled)) })
	r.Route("/passkeys", func(r chi.Router) { every(r, h.answer(passkeysDisabled)) })
	r.Route("/oauth", func(r chi.Router) { every(r, h.answer(oauthServerDisabled)) })
	r.Route("/scim/v2", func(r chi.Router) { every(r, h.answer(scimDisabled)) })
}

// The lists of what only a switched off part could fill are empty.

func emptySSOProviders(w http.ResponseWriter, _ *http.Request) error {
	return writeOK(w, map[string]any{"items": []any{}})
}

func emptyCustomProviders(w http.ResponseWriter, _ *http.Request) error {
	return writeOK(w, map[string]any{"providers": []any{}})
}
