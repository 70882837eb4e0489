package auth

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/httpx"
)

// TokenResponse is the answer to every successful sign-in and refresh.
type TokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	ExpiresAt    int64  `json:"expires_at"`
	RefreshToken string `json:"refresh_token"`
	User         *User  `json:"user"`
	// WeakPassword is a *weakPassword after a sign-in by password, null for a
	// good one; other answers have none.
	WeakPassword any `json:"weak_password,omitempty"`

	// Of the outside service that the user signed in through.
	ProviderToken        string `json:"provider_token,omitempty"`
	ProviderRefreshToken string `json:"provider_refresh_token,omitempty"`

	sessionID string
}

// accessClaims are the claims of an access token in the order they are signed.
type accessClaims struct {
	Issuer       string          `json:"iss,omitempty"`
	Subject      string          `json:"sub"`
	Audience     string          `json:"aud"`
	ExpiresAt    int64           `json:"exp"`
	IssuedAt     int64           `json:"iat"`
	Email        string          `json:"email"`
	Phone        string          `json:"phone"`
	AppMetadata  json.RawMessage `json:"app_metadata"`
	UserMetadata json.RawMessage `json:"user_metadata"`
	Role         string          `json:"role"`
	AAL          string          `json:"aal"`
	AMR          []amrEntry      `json:"amr"`
	SessionID    string          `json:"session_id"`
	IsAnonymous  bool            `json:"is_anonymous"`
}

// tokenResponse signs an access token for the session and puts the answer
// together. method is how the user has just shown who they are.
func (w *work) tokenResponse(u *User, s *Session, refresh, method string) (*TokenResponse, error) {
	h := w.h
	life := int64(h.cfg.JWTExpiry / time.Second)
	issued := w.now.Unix()
	if cfg := h.cfg.Sessions; s.lacksFactor(cfg, u) {
		life = min(life, s.CreatedAt.Add(cfg.AllowLowAAL).Unix()-issued)
	}
	claims, err := w.customClaims(accessClaims{
		Issuer: h.cfg.Issuer, Subject: u.ID, Audience: u.Aud, ExpiresAt: issued + life, IssuedAt: issued,
		Email: u.Email, Phone: u.Phone, AppMetadata: u.AppMetadata, UserMetadata: u.UserMetadata,
		Role: u.Role, AAL: s.AAL, AMR: s.AMR(), SessionID: s.ID, IsAnonymous: u.IsAnonymous,
	}, method)
	if err != nil {
		return nil, err
	}
	token, err := h.signer.Sign(claims)
	if err != nil {
		return nil, internal("error generating jwt token", err)
	}
	return &TokenResponse{
		AccessToken: token, TokenType: "bearer", ExpiresIn: life, ExpiresAt: issued + life,
		RefreshToken: refresh, User: u, sessionID: s.ID,
	}, nil
}

// writeToken answers a sign-in, with the headers that tell whose it is.
func writeToken(w http.ResponseWriter, t *TokenResponse) error {
	head := w.Header()
	head.Set("Sb-Auth-User-Id", t.User.ID)
	head.Set("Sb-Auth-Session-Id", t.sessionID)
	if counter, ok := parseCounterToken(t.RefreshToken); ok {
		head.Set("Sb-Auth-Refresh-Token-Counter", strconv.FormatInt(counter.counter, 10))
	} else {
		head.Set("Sb-Auth-Refresh-Token-Prefix", t.RefreshToken[:5])
	}
	return httpx.WriteJSON(w, http.StatusOK, t)
}

const refreshTokenLength = 12

// newRefreshToken is 12 characters of a-z and 0-9, evenly drawn.
func newRefreshToken() string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	const even = 256 / len(alphabet) * len(alphabet) // bytes from here on would favour some characters
	var b strings.Builder
	for b.Len() < refreshTokenLength {
		var raw [2 * refreshTokenLength]byte
		_, _ = rand.Read(raw[:]) // never fails since Go 1.24
		for _, c := range raw {
			if int(c) < even && b.Len() < refreshTokenLength {
				b.WriteByte(alphabet[int(c)%len(alphabet)])
			}
		}
	}
	return b.String()
}

// wellFormedRefreshToken reports whether s can be a refresh token at all.
func wellFormedRefreshToken(s string) bool {
	if len(s) != refreshTokenLength {
		_, ok := parseCounterToken(s)
		return ok
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// token is POST /token: it hands on to the grant that the query names. A form
// body is taken for parameters, as in OAuth; then no JSON is left to read.
func (h *Handler) token(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	grants := map[string]httpx.HandlerFunc{
		"password": h.grantPassword, "refresh_token": h.grantRefreshToken, "pkce": h.grantPKCE, "id_token": h.grantIDToken, "web3": h.grantWeb3,
	}
	_ = r.ParseForm() // what cannot be read is not there; parts are not looked into
	name := r.Form.Get("grant_type")
	grant, limit := grants[name], limitToken
	switch {
	case grant == nil:
		return badRequest(codeInvalidLogin, "unsupported_grant_type")
	case name == "web3":
		limit = limitWeb3
	}
	if err := h.admit(r, limit); err != nil {
		return err
	}
	return grant(w, r)
}

// grantWeb3 is POST /token?grant_type=web3, which is off.
func (h *Handler) grantWeb3(http.ResponseWriter, *http.Request) error {
	return unprocessable("web3_provider_disabled", "Web3 provider is disabled")
}
