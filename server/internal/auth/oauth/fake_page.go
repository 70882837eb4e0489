package oauth

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

// The fake services as browsers and tests see them.

//go:embed fake_page.html
var fakePageText string

var fakePage = template.Must(template.New("page").Parse(fakePageText))

// ServeHTTP serves /<service>/authorize and what else a service has; see
// docs/social-login.md.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, maxFakeBody)
	f.mux.ServeHTTP(w, r)
}

func (f *Fake) routes() *http.ServeMux {
	mux := http.NewServeMux()
	handle := func(pattern string, fn func(w http.ResponseWriter, r *http.Request, name string, c Config)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			name := r.PathValue("service")
			c, ok := f.config(name)
			if !ok {
				f.fail(w, http.StatusNotFound, fmt.Sprintf("there is no fake sign-in provider %q: enable it in [auth.external.%s] without client_id and secret, "+
					"or set SUPARUST_OAUTH_FAKE=all", name, name))
				return
			}
			fn(w, r, name, c)
		})
	}
	handle("GET /{service}/authorize", f.servePage)
	handle("POST /{service}/authorize", f.serveChoice)
	handle("POST /{service}/token", func(w http.ResponseWriter, r *http.Request, name string, _ Config) {
		if err := r.ParseForm(); err != nil {
			f.fail(w, http.StatusBadRequest, "the form cannot be read")
			return
		}
		status, body := f.token(name, r.PostForm)
		f.write(w, status, body)
	})
	handle("GET /{service}/userinfo", func(w http.ResponseWriter, r *http.Request, name string, _ Config) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		u, ok := f.userOf(name, token)
		if !ok {
			f.write(w, http.StatusUnauthorized, oauthError{"invalid_token", "the token is unknown"})
			return
		}
		f.write(w, http.StatusOK, u.standardClaims())
	})
	handle("GET /{service}/jwks", func(w http.ResponseWriter, _ *http.Request, _ string, _ Config) { f.write(w, http.StatusOK, f.jwks()) })
	handle("GET /{service}"+discoverPath, func(w http.ResponseWriter, _ *http.Request, name string, c Config) {
		at := f.base + "/" + name
		f.write(w, http.StatusOK, map[string]any{
			"issuer": f.issuer(name, c), "authorization_endpoint": at + "/authorize", "token_endpoint": at + "/token",
			"userinfo_endpoint": at + "/userinfo", "jwks_uri": at + "/jwks",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"ES256"}, "code_challenge_methods_supported": []string{"S256"},
		})
	})
	handle("POST /{service}/next", f.serveNext)
	handle("POST /{service}/id_token", f.serveIDToken)
	return mux
}

func (f *Fake) write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}

func (f *Fake) fail(w http.ResponseWriter, status int, message string) {
	f.write(w, status, map[string]string{"message": message})
}

// signIn is a sign-in that a browser has come for.
type signIn struct {
	service, redirect, state, challenge, nonce, hint string
	oauth1                                           bool
}

// begin reads a sign-in. It must lead back to the API's own callback: the fake is
// no way to send browsers elsewhere.
func (f *Fake) begin(r *http.Request, name string, c Config) (signIn, error) {
	q := r.URL.Query()
	if specs[name].oauth1 {
		f.mu.Lock()
		code, ok := f.codes.items[q.Get("oauth_token")]
		f.mu.Unlock()
		if !ok || code.service != name || f.now().After(code.until) {
			return signIn{}, fmt.Errorf("the oauth_token is unknown or expired")
		}
		if at, _, _ := strings.Cut(code.redirect, "?"); at != c.RedirectURI {
			return signIn{}, fmt.Errorf("the callback is not %s", c.RedirectURI)
		}
		return signIn{service: name, redirect: code.redirect, state: q.Get("oauth_token"), oauth1: true}, nil
	}
	s := signIn{service: name, redirect: q.Get("redirect_uri"), state: q.Get("state"), nonce: q.Get("nonce"), hint: q.Get("login_hint"),
		challenge: q.Get("code_challenge")}
	switch {
	case q.Get("response_type") != "code":
		return s, fmt.Errorf("response_type is not code")
	case q.Get("client_id") != c.ClientIDs[0]:
		return s, fmt.Errorf("client_id is not %s", c.ClientIDs[0])
	case s.redirect != c.RedirectURI:
		return s, fmt.Errorf("redirect_uri is not %s", c.RedirectURI)
	case s.challenge != "" && q.Get("code_challenge_method") != "S256":
		return s, fmt.Errorf("code_challenge_method is not S256")
	}
	return s, nil
}

// servePage asks who signs in, unless that is known: from login_hint, or from a
// user that waits.
func (f *Fake) servePage(w http.ResponseWriter, r *http.Request, name string, c Config) {
	s, err := f.begin(r, name, c)
	if err != nil {
		f.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if strings.Contains(s.hint, "@") {
		f.finish(w, r, s, FakeUser{Email: s.hint})
		return
	}
	if u, ok := f.takeNext(name); ok {
		f.finish(w, r, s, u)
		return
	}
	canned := FakeUser{}.complete(name)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	_ = fakePage.Execute(w, map[string]string{"Service": name, "Email": canned.Email, "Name": canned.Name}) // the client has gone
}

// serveChoice takes what was entered into the page.
func (f *Fake) serveChoice(w http.ResponseWriter, r *http.Request, name string, c Config) {
	s, err := f.begin(r, name, c)
	if err == nil {
		err = r.ParseForm()
	}
	if err != nil {
		f.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	u := FakeUser{Email: strings.TrimSpace(r.PostForm.Get("email")), Name: strings.TrimSpace(r.PostForm.Get("name")),
		Unverified: r.PostForm.Get("unverified") != ""}
	if r.PostForm.Get("answer") == "deny" {
		u.Error, u.ErrorDescription = "access_denied", "The user denied the request"
	}
	f.finish(w, r, s, u)
}

// finish sends the browser back with a code, or with the refusal.
func (f *Fake) finish(w http.ResponseWriter, r *http.Request, s signIn, u FakeUser) {
	back, err := url.Parse(s.redirect)
	if err != nil {
		f.fail(w, http.StatusBadRequest, "the address to go back to cannot be read")
		return
	}
	q := back.Query()
	if !s.oauth1 {
		q.Set("state", s.state)
	}
	if u.Error != "" {
		q.Set("error", u.Error)
		if u.ErrorDescription != "" {
			q.Set("error_description", u.ErrorDescription)
		}
	} else {
		u = u.complete(s.service)
		code := randomToken("fake-code-")
		f.mu.Lock()
		f.codes.put(code, fakeCode{service: s.service, redirect: s.redirect, challenge: s.challenge, nonce: s.nonce, user: u, until: f.now().Add(fakeLife)})
		if s.oauth1 {
			f.codes.take(s.state)
		}
		f.mu.Unlock()
		switch {
		case s.oauth1:
			q.Set("oauth_token", s.state)
			q.Set("oauth_verifier", code)
		case s.service == "apple": // tells the name here and nowhere else
			first, last := u.names()
			name, err := json.Marshal(map[string]any{"name": map[string]string{"firstName": first, "lastName": last}, "email": u.Email})
			if err != nil {
				f.fail(w, http.StatusInternalServerError, "the name cannot be told")
				return
			}
			q.Set("user", string(name))
			q.Set("code", code)
		default:
			q.Set("code", code)
		}
	}
	back.RawQuery = q.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// serveNext takes the user that signs in next.
func (f *Fake) serveNext(w http.ResponseWriter, r *http.Request, name string, _ Config) {
	var u FakeUser
	if err := json.NewDecoder(r.Body).Decode(&u); err != nil {
		f.fail(w, http.StatusBadRequest, "the user is no JSON object: "+err.Error())
		return
	}
	if err := f.Next(name, u); err != nil {
		f.fail(w, http.StatusConflict, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// serveIDToken issues an ID token, as a service's own button in an app does.
func (f *Fake) serveIDToken(w http.ResponseWriter, r *http.Request, name string, c Config) {
	var p struct {
		FakeUser
		Nonce    string `json:"nonce"`
		Audience string `json:"audience"`
	}
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		f.fail(w, http.StatusBadRequest, "the user is no JSON object: "+err.Error())
		return
	}
	if p.Audience == "" {
		p.Audience = c.ClientIDs[0]
	}
	u := p.FakeUser.complete(name)
	access := f.accessToken(name, u)
	id, err := f.idToken(name, c, u, p.Audience, p.Nonce, access)
	if err != nil {
		f.fail(w, http.StatusInternalServerError, "the ID token could not be signed")
		return
	}
	f.write(w, http.StatusOK, map[string]string{"id_token": id, "access_token": access, "sub": u.Subject})
}
