package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
)

// Grant is what a service has given for a code.
type Grant struct {
	AccessToken  string
	RefreshToken string
	IDToken      string

	service *Service
	fields  map[string]json.RawMessage // of the token answer
	secret  string                     // of an OAuth 1 token
}

// NewVerifier makes the secret of a proof.
func NewVerifier() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

func proofOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// secretStyle is where a service wants the client's secret: some take it only
// in the header, some only in the body. It is found out by trying.
type secretStyle struct{ n atomic.Int32 }

const (
	styleUnknown int32 = iota
	styleHeader
	styleBody
)

// Exchange gives the code for tokens.
func (v *Service) Exchange(ctx context.Context, code, verifier string) (*Grant, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {v.cfg.RedirectURI}}
	if verifier != "" {
		form.Set("code_verifier", verifier)
	}
	if v.Name == "apple" {
		form.Set("client_id", v.ClientID())
		form.Set("secret", v.cfg.Secret)
	}
	style := v.style.n.Load()
	if v.spec.secretInBody {
		style = styleBody
	}
	if style != styleUnknown {
		return v.askToken(ctx, form, style)
	}
	g, err := v.askToken(ctx, form, styleHeader)
	if err == nil {
		v.style.n.Store(styleHeader)
		return g, nil
	}
	var refused *statusError
	if !errors.As(err, &refused) && !errors.Is(err, errNoToken) {
		return nil, err
	}
	if g, err = v.askToken(ctx, form, styleBody); err == nil {
		v.style.n.Store(styleBody)
	}
	return g, err
}

var errNoToken = errors.New("the answer holds no access token")

func (v *Service) askToken(ctx context.Context, form url.Values, style int32) (*Grant, error) {
	body := url.Values{}
	for k := range form {
		body.Set(k, form.Get(k))
	}
	if style == styleBody {
		body.Set("client_id", v.ClientID())
		body.Set("client_secret", v.cfg.Secret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, v.tokenURL(), strings.NewReader(body.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if style == styleHeader {
		r.SetBasicAuth(url.QueryEscape(v.ClientID()), url.QueryEscape(v.cfg.Secret))
	}
	raw, header, err := v.client.do(r)
	if err != nil {
		return nil, err
	}
	g, err := parseGrant(header.Get("Content-Type"), raw)
	if err != nil {
		return nil, fmt.Errorf("the token answer of %s: %w", r.URL.Host, err)
	}
	g.service = v
	return g, nil
}

// parseGrant reads a token answer: JSON, or a form as some older services write.
func parseGrant(contentType string, raw []byte) (*Grant, error) {
	g := &Grant{}
	kind, _, _ := mime.ParseMediaType(contentType)
	if kind == "application/x-www-form-urlencoded" || kind == "text/plain" {
		q, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, errors.New("it is no form")
		}
		g.AccessToken, g.RefreshToken, g.IDToken = q.Get("access_token"), q.Get("refresh_token"), q.Get("id_token")
	} else {
		if json.Unmarshal(raw, &g.fields) != nil {
			return nil, errors.New("it is no JSON object")
		}
		text := func(name string) (s string) {
			if json.Unmarshal(g.fields[name], &s) != nil {
				return ""
			}
			return s
		}
		g.AccessToken, g.RefreshToken, g.IDToken = text("access_token"), text("refresh_token"), text("id_token")
	}
	if g.AccessToken == "" {
		return nil, errNoToken
	}
	return g, nil
}

// Account asks the service who the user is.
func (v *Service) Account(ctx context.Context, g *Grant) (*Account, error) {
	a, err := v.spec.account(ctx, g)
	if err != nil {
		return nil, fmt.Errorf("the user of %s: %w", v.Name, err)
	}
	return a, nil
}

// get reads a document of the service's API as the user.
func (g *Grant) get(ctx context.Context, path string, to any) error {
	return g.getWith(ctx, path, nil, to)
}

func (g *Grant) getWith(ctx context.Context, path string, header map[string]string, to any) error {
	all := map[string]string{"Authorization": "Bearer " + g.AccessToken}
	for k, v := range header {
		all[k] = v
	}
	return g.service.client.getJSON(ctx, g.service.apiURL(path), all, to)
}
