package auth

import (
	"net/http"
	"net/url"
	"strings"
)

// authorize is GET /authorize and GET /user/identities/authorize: the way to
// an outside service. None is configured, which is what it tells.
func (h *Handler) authorize(_ http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	c := challenge{Challenge: q.Get("code_challenge"), Method: q.Get("code_challenge_method")}
	if err := externalProvider(q.Get("provider")); err != nil {
		return err
	}
	return c.check()
}

// callback is where an outside service sends a user back. No flow to one was
// ever begun, so every state is unknown.
func (h *Handler) callback(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return badRequest(codeValidation, "The callback's form cannot be read")
	}
	e := badRequest("bad_oauth_callback", "OAuth state parameter missing")
	if r.Form.Get("state") != "" {
		e = badRequest("bad_oauth_state", "OAuth state not found or expired")
	}
	w.Header().Set("Location", withQuery(h.cfg.SiteURL, url.Values{
		"error": {oauthNames[e.Status]}, "error_code": {e.Code}, "error_description": {e.Message},
	}))
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// grantIDToken is POST /token?grant_type=id_token. The token of an outside
// service is judged as far as can be without one: no issuer is enabled.
func (h *Handler) grantIDToken(w http.ResponseWriter, r *http.Request) error {
	var p struct {
		Provider string `json:"provider"`
		IDToken  string `json:"id_token"`
		ClientID string `json:"client_id"`
		Issuer   string `json:"issuer"`
		Link     bool   `json:"link_identity"`
	}
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	oauth := func(message string) error {
		return &Error{Status: http.StatusBadRequest, OAuth: "invalid request", Message: message}
	}
	if p.IDToken == "" {
		return oauth("id_token required")
	}
	if p.Provider == "" && (p.ClientID == "" || p.Issuer == "") {
		return oauth("provider or client_id and issuer required")
	}
	if p.Link {
		if _, err := h.authenticate(r); err != nil {
			return oauth("Linking requires a valid user access token in Authorization")
		}
	}
	if strings.Count(p.IDToken, ".") != 2 {
		return oauth("Bad ID token")
	}
	issuer := idTokenIssuers[p.Provider]
	switch {
	case p.Provider == "":
		issuer = p.Issuer
	case issuer == "":
		return invalid("Custom OIDC provider %q not allowed", cleanText(p.Provider, 255))
	}
	return badRequest("provider_disabled", "Provider (issuer %q) is not enabled", cleanText(issuer, 255))
}

// idTokenIssuers are the issuers of the services whose tokens clients send.
var idTokenIssuers = map[string]string{
	"google":   "https://accounts.google.com",
	"apple":    "https://appleid.apple.com",
	"azure":    "https://login.microsoftonline.com/common/v2.0",
	"facebook": "https://www.facebook.com",
	"kakao":    "https://kauth.kakao.com",
	"keycloak": "keycloak",
}
