package oauth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // what OAuth 1 signs with
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Twitter speaks OAuth 1: every request is signed with the client's secret.

const twitterProfile = "/1.1/account/verify_credentials.json"

// requestToken begins a sign-in and returns where the browser is sent.
func (v *Service) requestToken(ctx context.Context, state string) (string, error) {
	q, err := v.signed(ctx, http.MethodPost, v.apiURL("/oauth/request_token"), "", "",
		url.Values{"oauth_callback": {v.cfg.RedirectURI + "?state=" + state}})
	if err != nil {
		return "", err
	}
	if q.Get("oauth_token") == "" {
		return "", errors.New("the service gave no request token")
	}
	return v.authURL + "?" + url.Values{"oauth_token": {q.Get("oauth_token")}}.Encode(), nil
}

// ExchangeOAuth1 gives what the callback of OAuth 1 brings for a token.
func (v *Service) ExchangeOAuth1(ctx context.Context, token, verifier string) (*Grant, error) {
	q, err := v.signed(ctx, http.MethodPost, v.tokenURL(), token, "", url.Values{"oauth_verifier": {verifier}})
	if err != nil {
		return nil, err
	}
	if q.Get("oauth_token") == "" {
		return nil, errNoToken
	}
	return &Grant{service: v, AccessToken: q.Get("oauth_token"), secret: q.Get("oauth_token_secret")}, nil
}

// signed sends a signed request and reads the form it is answered with.
func (v *Service) signed(ctx context.Context, method, address, token, secret string, extra url.Values) (url.Values, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", v.signature(method, address, token, secret, extra, nil))
	raw, _, err := v.client.do(r)
	if err != nil {
		return nil, err
	}
	q, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, errors.New("the answer is no form")
	}
	return q, nil
}

func (v *Service) signature(method, address, token, secret string, oauthParams, query url.Values) string {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails since Go 1.24
	p := url.Values{
		"oauth_consumer_key": {v.ClientID()}, "oauth_nonce": {hex.EncodeToString(nonce[:])}, "oauth_signature_method": {"HMAC-SHA1"},
		"oauth_timestamp": {strconv.FormatInt(v.issuers.now().Unix(), 10)}, "oauth_version": {"1.0"},
	}
	if token != "" {
		p.Set("oauth_token", token)
	}
	for k := range oauthParams {
		p.Set(k, oauthParams.Get(k))
	}
	p.Set("oauth_signature", signOAuth1(method, address, v.cfg.Secret, secret, p, query))
	var parts []string
	for k := range p {
		parts = append(parts, fmt.Sprintf(`%s="%s"`, k, escapeOAuth1(p.Get(k))))
	}
	slices.Sort(parts)
	return "OAuth " + strings.Join(parts, ", ")
}

// signOAuth1 is the signature of RFC 5849 over the parameters.
func signOAuth1(method, address, clientSecret, tokenSecret string, sets ...url.Values) string {
	var pairs []string
	for _, set := range sets {
		for k, values := range set {
			for _, v := range values {
				pairs = append(pairs, escapeOAuth1(k)+"="+escapeOAuth1(v))
			}
		}
	}
	slices.Sort(pairs)
	base := method + "&" + escapeOAuth1(address) + "&" + escapeOAuth1(strings.Join(pairs, "&"))
	mac := hmac.New(sha1.New, []byte(escapeOAuth1(clientSecret)+"&"+escapeOAuth1(tokenSecret)))
	mac.Write([]byte(base))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// escapeOAuth1 leaves only unreserved characters as they are.
func escapeOAuth1(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), "%7E", "~")
}

func twitterAccount(ctx context.Context, g *Grant) (*Account, error) {
	v := g.service
	query := url.Values{"include_entities": {"false"}, "skip_status": {"true"}, "include_email": {"true"}}
	address := v.apiURL(twitterProfile)
	var u struct {
		ID       string `json:"id_str"`
		Username string `json:"screen_name"`
		Name     string `json:"name"`
		Picture  string `json:"profile_image_url_https"`
		Email    string `json:"email"`
	}
	header := map[string]string{"Authorization": v.signature(http.MethodGet, address, g.AccessToken, g.secret, nil, query)}
	if err := v.client.getJSON(ctx, address+"?"+query.Encode(), header, &u); err != nil {
		return nil, err
	}
	return &Account{Emails: one(u.Email, true), Claims: Claims{
		Issuer: address, Subject: u.ID, Name: u.Name, Picture: u.Picture, PreferredUsername: u.Username,
		UserName: u.Username, FullName: u.Name, AvatarURL: u.Picture, ProviderID: u.ID,
	}}, nil
}

func twitterAnswers(u FakeUser) map[string]any {
	return map[string]any{twitterProfile: map[string]any{
		"id_str": u.Subject, "screen_name": u.Username, "name": u.Name, "profile_image_url_https": u.Picture, "email": u.Email,
	}}
}
