package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Credentials are what a request presented, after the rules for keys:
//
//  1. an Authorization header that is no opaque key is kept as it is;
//  2. otherwise an opaque key, in apikey or as the bearer, acts as its JWT;
//  3. otherwise the apikey itself is the token.
type Credentials struct {
	// Token is the JWT to act on, "" when there is none.
	Token string
	// Claims of the token when its signature is good. Their times have not
	// been judged: see Claims.CheckTime.
	Claims *Claims
	// Err says why the token was refused, nil when there is none or it is good.
	Err *TokenError
	// Bare is the Authorization header when it names no scheme; only Storage
	// takes it for a token.
	Bare string
	// ByKey says that the token came from an API key and not from a user.
	ByKey bool
	// KeyAsToken says that the apikey itself is the token, because there was
	// no other. The platform's gateway passes such a key on without a scheme.
	KeyAsToken bool
	// Took is how long the token's verification has taken.
	Took time.Duration
}

// CredentialsFrom returns the credentials of the request that ctx belongs to.
// It is never nil.
func CredentialsFrom(ctx context.Context) *Credentials {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return &x.credentials
	}
	return &Credentials{}
}

func (g *Gateway) credentials(r *http.Request, c *Credentials) {
	header := r.Header.Get("Authorization")
	scheme, token, found := strings.Cut(strings.TrimSpace(header), " ")
	token = strings.TrimSpace(token)
	presented := false
	switch {
	case header == "":
	case !found && strings.EqualFold(scheme, "bearer"):
		presented = true // "Bearer" with nothing behind it
	case !found:
		c.Bare = scheme
	case strings.EqualFold(scheme, "bearer") && strings.HasPrefix(token, "sb_"):
		c.Token, c.ByKey = g.keys.Load().bearerFor(token), true
	case strings.EqualFold(scheme, "bearer"):
		c.Token, presented = token, true
	}
	if c.Token == "" && !presented && c.Bare == "" && (header == "" || c.ByKey) {
		key := apiKey(r)
		c.Token = g.keyToken(key)
		c.ByKey = c.Token != ""
		c.KeyAsToken = c.ByKey && c.Token == key
	}
	if c.Token == "" && !presented {
		return
	}
	start := time.Now()
	claims, err := g.verifier.Verify(c.Token)
	c.Took = time.Since(start)
	if err != nil {
		errors.As(err, &c.Err)
		return
	}
	c.Claims = claims
}

// keyToken is the token that an API key stands for. A value that is neither a
// known opaque key nor shaped like a JWT stands for none: the platform's local
// gateway lets it pass, as it does a missing key.
func (g *Gateway) keyToken(key string) string {
	if key == "" {
		return ""
	}
	if t := g.keys.Load().bearerFor(key); t != "" {
		return t
	}
	if strings.Count(key, ".") == 2 {
		return key
	}
	return ""
}

func apiKey(r *http.Request) string {
	if k := r.Header.Get("Apikey"); k != "" {
		return k
	}
	for _, p := range strings.Split(r.URL.RawQuery, "&") {
		if v, ok := strings.CutPrefix(p, apiKeyParam+"="); ok {
			if k, err := url.QueryUnescape(v); err == nil {
				return k
			}
		}
	}
	return ""
}
