package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/suparust/suparust/server/internal/auth/oauth"
)

// idTokenParams is the body of POST /token?grant_type=id_token.
type idTokenParams struct {
	IDToken     string `json:"id_token"`
	AccessToken string `json:"access_token"`
	Nonce       string `json:"nonce"`
	Provider    string `json:"provider"`
	ClientID    string `json:"client_id"`
	Issuer      string `json:"issuer"`
	Link        bool   `json:"link_identity"`
}

// idTokenSource is whose token it is and for whom it may be.
type idTokenSource struct {
	provider string
	service  string // the same, "" for an issuer that is no service's
	issuer   string
	clients  []string
	config   OAuthProvider
}

func errIDToken(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, OAuth: "invalid request", Message: fmt.Sprintf(format, args...)}
}

// grantIDToken is POST /token?grant_type=id_token: the token of a service, which
// an app has got by itself, for a session.
func (h *Handler) grantIDToken(w http.ResponseWriter, r *http.Request) error {
	var p idTokenParams
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	if p.IDToken == "" {
		return errIDToken("id_token required")
	}
	if p.Provider == "" && (p.ClientID == "" || p.Issuer == "") {
		return errIDToken("provider or client_id and issuer required")
	}
	var target *User
	if p.Link {
		c, err := h.linkingCaller(r)
		if err != nil {
			return err
		}
		target = c.User
	}
	src, err := h.idTokenSource(p)
	if err != nil {
		return err
	}
	t, err := h.oauth.VerifyIDToken(r.Context(), src.service, src.issuer, p.IDToken, p.AccessToken)
	var unreachable *oauth.UnreachableError
	switch {
	case errors.As(err, &unreachable):
		return internal("Unexpected failure, please check server logs for more information", err)
	case err != nil:
		return errIDToken("Bad ID token")
	case t.Subject == "":
		return errIDToken("Missing sub claim in id_token")
	case !slices.ContainsFunc(src.clients, func(id string) bool { return id != "" && slices.Contains(t.Audience, id) }):
		return errIDToken("Unacceptable audience in id_token: %v", t.Audience)
	}
	if !src.config.SkipNonceCheck {
		if err := checkNonce(p.Nonce, t.Nonce); err != nil {
			return err
		}
	}
	t.Account.Settle()
	var res *TokenResponse
	err = h.inExternalTx(r, func(tx *work) error {
		res = nil
		var u *User
		var err error
		if target != nil {
			u, err = tx.linkIdentity(target.ID, src.provider, t.Account)
		} else {
			u, err = tx.signInExternally(src.provider, t.Account, src.config.EmailOptional)
		}
		if err != nil {
			return err
		}
		res, err = tx.signIn(u.ID, methodOAuth)
		return err
	})
	if err != nil {
		return err
	}
	return writeToken(w, res)
}

// linkingCaller is the user that an identity is to be added to.
func (h *Handler) linkingCaller(r *http.Request) (*caller, error) {
	if r.Header.Get("Authorization") == "" {
		return nil, errIDToken("Linking requires a valid user access token in Authorization")
	}
	c, err := h.authenticate(r)
	switch {
	case err != nil:
		return nil, err
	case c.User.banned(h.now()):
		return nil, forbidden(codeUserBanned, "User is banned")
	}
	return c, nil
}

// checkNonce compares what the app drew with what the token was issued for,
// which is its digest.
func checkNonce(drawn, issued string) error {
	if (drawn == "") != (issued == "") {
		return errIDToken("Passed nonce and nonce in id_token should either both exist or not.")
	}
	sum := sha256.Sum256([]byte(drawn))
	if issued != "" && !equalSecret(hex.EncodeToString(sum[:]), issued) {
		return &Error{Status: http.StatusBadRequest, OAuth: "invalid nonce", Message: "Nonces mismatch"}
	}
	return nil
}

// idTokenServices are the services whose ID tokens are taken, in the order they
// are looked for, with their issuers.
var idTokenServices = []struct{ name, issuer string }{
	{"apple", "https://appleid.apple.com"}, {"google", "https://accounts.google.com"}, {"azure", ""},
	{"facebook", "https://www.facebook.com"}, {"keycloak", ""}, {"kakao", "https://kauth.kakao.com"},
	{"vercel_marketplace", "https://marketplace.vercel.com"}, {"snapchat", "https://accounts.snapchat.com/accounts/oauth2/token"},
}

// idTokenSource finds the service that a request means, by its name or by the
// issuer.
func (h *Handler) idTokenSource(p idTokenParams) (idTokenSource, error) {
	var src idTokenSource
	for _, s := range idTokenServices {
		c := h.oauth.Completed(s.name)
		if s.name == "keycloak" {
			s.issuer = c.URL
		}
		switch {
		case p.Provider == s.name, p.Issuer != "" && p.Issuer == s.issuer && (s.name != "keycloak" || c.Enabled):
		case s.name == "apple" && oauth.IsAppleIssuer(p.Issuer), s.name == "azure" && oauth.IsAzureIssuer(p.Issuer):
		default:
			continue
		}
		src = idTokenSource{provider: s.name, service: s.name, issuer: s.issuer, clients: c.ClientIDs, config: c}
		switch s.name {
		case "apple", "azure":
			var err error
			if src.issuer, err = tokenIssuer(s.name, p); err != nil {
				return src, err
			}
			if s.name == "apple" {
				src.clients = append(slices.Clone(src.clients), h.cfg.OAuth.IOSBundleID)
			}
		case "facebook":
			src.config.SkipNonceCheck = true // its tokens hold none that could be checked
		}
		if !c.Enabled {
			return src, badRequest("provider_disabled", "Provider (issuer %q) is not enabled", cleanText(src.issuer, 255))
		}
		return src, nil
	}
	switch {
	case strings.HasPrefix(p.Provider, "custom:"):
		return src, invalid("Custom provider %q not found", cleanText(p.Provider, 255))
	case p.Issuer == "" || !slices.Contains(h.cfg.OAuth.IDTokenIssuers, p.Issuer):
		return src, invalid("Custom OIDC provider %q not allowed", cleanText(p.Provider, 255))
	}
	return idTokenSource{provider: p.Issuer, issuer: p.Issuer, clients: []string{p.ClientID}}, nil
}

// tokenIssuer is the issuer that a token names, for the services that have
// several.
func tokenIssuer(service string, p idTokenParams) (string, error) {
	label, known := "Apple", oauth.IsAppleIssuer
	if service == "azure" {
		label, known = "Azure", oauth.IsAzureTokenIssuer
	}
	issuer, err := oauth.IssuerOf(p.IDToken)
	switch {
	case err != nil:
		return "", invalid("Unable to detect issuer in ID token for %s provider", label)
	case !known(issuer):
		return "", invalid("Detected ID token issuer is not an %s ID token issuer", label)
	case p.Issuer != "" && p.Issuer != issuer:
		return "", invalid("Provided issuer does not match ID token issuer")
	}
	return issuer, nil
}
