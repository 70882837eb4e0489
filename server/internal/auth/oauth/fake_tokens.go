package oauth

import (
	"net/http"
	"net/url"
	"strings"
)

// What the fake services give for codes and tell of their users.

type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// token gives a code for tokens.
func (f *Fake) token(name string, form url.Values) (int, any) {
	c, ok := f.config(name)
	if !ok {
		return http.StatusNotFound, oauthError{"invalid_request", "there is no such service"}
	}
	f.mu.Lock()
	code, ok := f.codes.take(form.Get("code"))
	f.mu.Unlock()
	switch {
	case form.Get("grant_type") != "authorization_code":
		return http.StatusBadRequest, oauthError{"unsupported_grant_type", "only authorization_code is"}
	case !ok || code.service != name || f.now().After(code.until):
		return http.StatusBadRequest, oauthError{"invalid_grant", "the code is unknown, used or expired"}
	case code.redirect != form.Get("redirect_uri"):
		return http.StatusBadRequest, oauthError{"invalid_grant", "the code was for another redirect_uri"}
	case code.challenge != "" && proofOf(form.Get("code_verifier")) != code.challenge:
		return http.StatusBadRequest, oauthError{"invalid_grant", "the code_verifier does not fit"}
	}
	access := f.accessToken(name, code.user)
	id, err := f.idToken(name, c, code.user, c.ClientIDs[0], code.nonce, access)
	if err != nil {
		return http.StatusInternalServerError, oauthError{"server_error", "the ID token could not be signed"}
	}
	first, last := code.user.names()
	return http.StatusOK, map[string]any{
		"access_token": access, "token_type": "bearer", "expires_in": 3600, "refresh_token": randomToken("fake-refresh-"), "id_token": id,
		"profile": map[string]any{"id": code.user.Subject, "email": code.user.Email, "first_name": first, "last_name": last},
	}
}

func (f *Fake) accessToken(name string, u FakeUser) string {
	token := randomToken("fake-access-")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens.put(token, fakeToken{name, u})
	return token
}

// userOf is the user of an access token.
func (f *Fake) userOf(name, token string) (FakeUser, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.tokens.items[token]
	return t.user, ok && t.service == name
}

// api answers a question of the service's API.
func (f *Fake) api(name, path, token string) (int, any) {
	u, ok := f.userOf(name, token)
	if !ok {
		return http.StatusUnauthorized, oauthError{"invalid_token", "the token is unknown"}
	}
	if specs[name].answers == nil {
		return http.StatusOK, u.standardClaims()
	}
	best, body := "", any(nil)
	for at, b := range specs[name].answers(u) {
		if strings.HasSuffix(path, at) && len(at) > len(best) {
			best, body = at, b
		}
	}
	if best == "" {
		return http.StatusNotFound, oauthError{"not_found", "the service has no such document"}
	}
	return http.StatusOK, body
}

// OAuth 1: a request token is a code that waits for its user.

func (f *Fake) requestToken(r *http.Request, name string) *http.Response {
	token := randomToken("fake-request-")
	f.mu.Lock()
	f.codes.put(token, fakeCode{service: name, redirect: oauth1Param(r, "oauth_callback"), until: f.now().Add(fakeLife)})
	f.mu.Unlock()
	return formResponse(r, http.StatusOK, url.Values{"oauth_token": {token}, "oauth_token_secret": {"fake"}, "oauth_callback_confirmed": {"true"}})
}

func (f *Fake) oauth1Token(r *http.Request, name string) *http.Response {
	f.mu.Lock()
	code, ok := f.codes.take(oauth1Param(r, "oauth_verifier"))
	f.mu.Unlock()
	if !ok || code.service != name || f.now().After(code.until) {
		return formResponse(r, http.StatusUnauthorized, nil)
	}
	return formResponse(r, http.StatusOK, url.Values{"oauth_token": {f.accessToken(name, code.user)}, "oauth_token_secret": {"fake"}})
}

func formResponse(r *http.Request, status int, v url.Values) *http.Response {
	return response(r, status, "application/x-www-form-urlencoded", []byte(v.Encode()))
}

// oauth1Param reads a parameter of the Authorization header.
func oauth1Param(r *http.Request, name string) string {
	list, _ := strings.CutPrefix(r.Header.Get("Authorization"), "OAuth ")
	for part := range strings.SplitSeq(list, ", ") {
		k, v, _ := strings.Cut(part, "=")
		if k == name {
			s, err := url.QueryUnescape(strings.Trim(v, `"`))
			if err != nil {
				return ""
			}
			return s
		}
	}
	return ""
}
