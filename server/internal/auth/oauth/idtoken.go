package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/gateway"
)

// notBeforeLeeway is how far an issuer's clock may be ahead.
const notBeforeLeeway = 5 * time.Minute

// IDToken is a verified token of a service about its user.
type IDToken struct {
	Issuer          string
	Subject         string
	Audience        []string
	Nonce           string
	AccessTokenHash string
	Account         *Account

	raw []byte
}

var (
	errNoIDToken = errors.New("the answer holds no ID token")
	errIssuer    = errors.New("the ID token is of another issuer")
	errExpired   = errors.New("the ID token has expired")
	errMalformed = errors.New("the ID token has not three parts")
	errTooEarly  = errors.New("the ID token is not valid yet")
	errAudience  = errors.New("the ID token is for another client")
	errHash      = errors.New("the ID token does not belong to the access token")
)

// VerifyIDToken checks a token of the issuer that a client has brought along.
// name is the service, "" for an issuer that is no service's. accessToken, when
// there is one, must be the one that the token was issued with. Whom the token
// is for is left to the caller.
func (s *Services) VerifyIDToken(ctx context.Context, name, issuer, token, accessToken string) (*IDToken, error) {
	from, c := s.issuers, s.configs[name]
	switch {
	case len(c.JWKS) > 0:
		set, err := parseJWKS(c.JWKS)
		if err != nil {
			return nil, err
		}
		claims, err := gateway.NewVerifier(set).Verify(token)
		if err != nil {
			return nil, err
		}
		return s.judge(claims, issuer, token, accessToken)
	case s.fake != nil && s.fake.signs(name, c, token):
		from = s.fake.issuers()
	}
	if strings.Count(token, ".") != 2 { // what is no token needs no key of its issuer
		return nil, errMalformed
	}
	claims, err := from.verify(ctx, issuer, token)
	if err != nil {
		return nil, err
	}
	return s.judge(claims, issuer, token, accessToken)
}

func (s *Services) judge(claims *gateway.Claims, issuer, token, accessToken string) (*IDToken, error) {
	return judge(claims, issuer, token, accessToken, s.issuers.now())
}

// judge checks everything of a token but its signature, which is good.
func judge(claims *gateway.Claims, issuer, token, accessToken string, now time.Time) (*IDToken, error) {
	var c struct {
		Issuer   string   `json:"iss"`
		Subject  string   `json:"sub"`
		Audience audience `json:"aud"`
		Nonce    string   `json:"nonce"`
		Hash     string   `json:"at_hash"`
	}
	if err := json.Unmarshal(claims.Raw, &c); err != nil {
		return nil, err
	}
	switch {
	case !sameIssuer(c.Issuer, issuer):
		return nil, errIssuer
	case claims.ExpiresAt == nil || float64(now.Unix()) >= *claims.ExpiresAt:
		return nil, errExpired
	case claims.NotBefore != nil && float64(now.Add(notBeforeLeeway).Unix()) < *claims.NotBefore:
		return nil, errTooEarly
	}
	if accessToken != "" && c.Hash != "" && !hashFits(token, c.Hash, accessToken) {
		return nil, errHash
	}
	t := &IDToken{Issuer: c.Issuer, Subject: c.Subject, Audience: c.Audience, Nonce: c.Nonce, AccessTokenHash: c.Hash, raw: claims.Raw}
	var err error
	t.Account, err = accountOf(t)
	return t, err
}

// sameIssuer compares issuers. Google leaves the scheme out at times, and Apple
// has two names.
func sameIssuer(got, want string) bool {
	return got == want || (want == issuerGoogle && got == "accounts.google.com") || (isApple(want) && isApple(got))
}

func isApple(issuer string) bool { return issuer == issuerApple || issuer == issuerApple2 }

// hashFits reports whether at_hash is that of the access token: the left half of
// its digest, by the algorithm that the ID token is signed with.
func hashFits(token, hash, accessToken string) bool {
	alg, _ := headOf(token)
	var sum []byte
	switch alg {
	case "RS256", "ES256":
		d := sha256.Sum256([]byte(accessToken))
		sum = d[:]
	case "EdDSA":
		d := sha512.Sum512([]byte(accessToken))
		sum = d[:]
	default:
		return false
	}
	want := base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	return subtle.ConstantTimeCompare([]byte(want), []byte(hash)) == 1
}

// headOf reads the algorithm and the key's id of a token.
func headOf(token string) (alg, kid string) {
	head, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return "", ""
	}
	var h struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
	}
	if json.Unmarshal(raw, &h) != nil {
		return "", ""
	}
	return h.Alg, h.Kid
}

// IssuerOf reads the issuer of a token that is not verified yet.
func IssuerOf(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("it has no three parts")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", errors.New("its claims are no base64url")
	}
	var c struct {
		Issuer string `json:"iss"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return "", errors.New("its claims are no JSON")
	}
	return c.Issuer, nil
}

// verified is the ID token of a grant, which must be for our client.
func (g *Grant) verified(ctx context.Context, issuer string) (*Account, error) {
	v := g.service
	claims, err := v.issuers.verify(ctx, issuer, g.IDToken)
	if err != nil {
		return nil, err
	}
	t, err := judge(claims, issuer, g.IDToken, g.AccessToken, v.issuers.now())
	if err != nil {
		return nil, err
	}
	if !slices.Contains(t.Audience, v.ClientID()) {
		return nil, errAudience
	}
	return t.Account, nil
}

// oidcAccount takes the user from the ID token alone.
func oidcAccount(ctx context.Context, g *Grant) (*Account, error) {
	if g.IDToken == "" {
		return &Account{}, nil
	}
	return g.verified(ctx, g.service.spec.issuer)
}

// appleAccount is oidcAccount; the user's name comes with the callback, see
// AppleName.
func appleAccount(ctx context.Context, g *Grant) (*Account, error) { return oidcAccount(ctx, g) }

// AppleName reads the name that Apple tells once, beside the code.
func AppleName(user string) (string, error) {
	var u struct {
		Name struct {
			First string `json:"firstName"`
			Last  string `json:"lastName"`
		} `json:"name"`
	}
	if err := json.Unmarshal([]byte(user), &u); err != nil {
		return "", errors.New("Apple's user is no JSON object")
	}
	return strings.TrimSpace(u.Name.First + " " + u.Name.Last), nil
}

func googleAccount(ctx context.Context, g *Grant) (*Account, error) {
	if g.IDToken != "" {
		return g.verified(ctx, issuerGoogle)
	}
	var u struct {
		ID            string  `json:"id"`
		Name          string  `json:"name"`
		Picture       string  `json:"picture"`
		Email         string  `json:"email"`
		VerifiedEmail boolean `json:"verified_email"`
		EmailVerified boolean `json:"email_verified"`
	}
	if err := g.get(ctx, "", &u); err != nil {
		return nil, err
	}
	verified := bool(u.VerifiedEmail || u.EmailVerified)
	return &Account{Emails: one(u.Email, verified), Claims: Claims{
		Issuer: g.service.apiBase(), Subject: u.ID, Name: u.Name, Picture: u.Picture, Email: u.Email, EmailVerified: boolean(verified),
		AvatarURL: u.Picture, FullName: u.Name, ProviderID: u.ID,
	}}, nil
}

// azureAccount takes the ID token of the tenant that issued it. Where the
// configuration names one tenant, only its tokens are taken.
func azureAccount(ctx context.Context, g *Grant) (*Account, error) {
	if g.IDToken == "" {
		return nil, errNoIDToken
	}
	issuer, err := IssuerOf(g.IDToken)
	if err != nil {
		return nil, err
	}
	want := ""
	if base := g.service.base(); base != "" {
		want = strings.TrimSuffix(base, "/") + "/v2.0"
		if (!isAzure(want) && !isAzureCustomer(want)) || want == azureCommon || want == azureOrganizations {
			want = ""
		}
	}
	if want == "" && !isAzure(issuer) || want != "" && issuer != want {
		return nil, errIssuer
	}
	return g.verified(ctx, issuer)
}
