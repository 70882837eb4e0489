package auth

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/auth/oauth"
)

// OAuthConfig is about sign-in through outside services.
type OAuthConfig struct {
	Providers map[string]OAuthProvider // by name: google, github, …
	// Fake stands in for services where there is no network; nil for none.
	Fake *oauth.Fake
	// IOSBundleID is a further client whose Apple ID tokens are accepted.
	IOSBundleID string
	// RedirectURL, when set, is where every sign-in ends.
	RedirectURL string
	// IDTokenIssuers are issuers of no known service whose ID tokens are
	// accepted, for the client that the request names.
	IDTokenIssuers []string
	// FlowLife is how long a sign-in may take; default five minutes.
	FlowLife time.Duration
	// Transport is the way to the services; nil is a bounded one of the
	// handler's own.
	Transport http.RoundTripper
}

// OAuthProvider is the configuration of one service.
type OAuthProvider = oauth.Config

// reservedParams are those of the way to a service that are never the
// caller's; nonce is, for services that put it into the ID token.
var reservedParams = []string{"client_id", "client_secret", "redirect_uri", "response_type", "state", "code_challenge",
	"code_challenge_method", "code_verifier"}

// authorize is GET /authorize: it sends the browser to an outside service.
func (h *Handler) authorize(w http.ResponseWriter, r *http.Request) error {
	to, err := h.beginExternal(r, "")
	if err != nil {
		return err
	}
	redirect(w, to, http.StatusFound)
	return nil
}

// authorizeLink is GET /user/identities/authorize: the same for a user who adds
// a service to those they sign in through.
func (h *Handler) authorizeLink(w http.ResponseWriter, r *http.Request) error {
	to, err := h.beginExternal(r, callerOf(r).User.ID)
	if err != nil {
		return err
	}
	if r.URL.Query().Get("skip_http_redirect") == "true" {
		return writeOK(w, map[string]string{"url": to})
	}
	redirect(w, to, http.StatusFound)
	return nil
}

// redirect sends the browser elsewhere. Characters that no address has, but
// that a target may have been asked for with, are escaped.
func redirect(w http.ResponseWriter, to string, status int) {
	var b strings.Builder
	for _, c := range []byte(to) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	w.Header().Set("Location", b.String())
	w.WriteHeader(status)
}

// service is the service of the name in a request, or why there is none.
func (h *Handler) service(name string) (*oauth.Service, string, error) {
	if strings.HasPrefix(name, "custom:") {
		return nil, "custom provider " + cleanText(name, 64) + " not found", nil
	}
	v, err := h.oauth.Get(name)
	if err != nil {
		return nil, cleanText(err.Error(), 128), nil
	}
	return v, "", nil
}

// beginExternal remembers a flow and returns where its browser is sent. linkTo
// is the user who adds a service, "" for a sign-in.
func (h *Handler) beginExternal(r *http.Request, linkTo string) (string, error) {
	q := r.URL.Query()
	name := strings.ToLower(q.Get("provider"))
	v, why, err := h.service(name)
	switch {
	case err != nil:
		return "", err
	case v == nil:
		return "", invalid("Unsupported provider: %s", why)
	}
	invite := cleanText(q.Get("invite_token"), 256)
	if invite != "" {
		if err := h.checkInvite(r, invite); err != nil {
			return "", err
		}
	}
	c := challenge{Challenge: q.Get("code_challenge"), Method: q.Get("code_challenge_method")}
	if err := c.check(); err != nil {
		return "", err
	}
	id, state, verifier := newID(), "", ""
	if v.NeedsProof() {
		state, verifier = newID(), oauth.NewVerifier()
	}
	to, err := v.AuthURL(r.Context(), id, q.Get("scopes"), verifier, passedOn(q))
	if err != nil {
		return "", internal("Unable to reach the external provider", err)
	}
	err = h.inTx(r, func(tx *work) error {
		if err := tx.sweepFlows(); err != nil {
			return err
		}
		if state != "" {
			if err := tx.exec("Error creating flow state", `
				insert into auth.oauth_client_states (id, provider_type, code_verifier, created_at) values ($1, $2, $3, $4)`,
				state, name, verifier, tx.now); err != nil {
				return err
			}
		}
		code := ""
		if c.Challenge != "" {
			code = newID()
		}
		return tx.exec("Error creating flow state", `
			insert into auth.flow_state (id, auth_code, code_challenge, code_challenge_method, provider_type, authentication_method,
			  invite_token, referrer, oauth_client_state_id, linking_target_id, email_optional,
			  provider_access_token, provider_refresh_token, created_at, updated_at)
			values ($1, $2, $3, $4::text::auth.code_challenge_method, $5, $6, $7, $8, $9::text::uuid, $10::text::uuid, $11, '', '', $12, $12)`,
			id, nullable(code), nullable(c.Challenge), nullable(c.Method), name, methodOAuth,
			nullable(invite), h.redirectTarget(r), nullable(state), nullable(linkTo), v.EmailOptional(), tx.now)
	})
	if err != nil {
		return "", err
	}
	return to, nil
}

// passedOn are the parameters of a request that go on to the service.
func passedOn(q url.Values) url.Values {
	out := url.Values{}
	for k := range q {
		switch {
		case k == "scopes", k == "provider", slices.Contains(reservedParams, strings.ToLower(k)):
		case k == "workos_provider":
			out.Set("provider", q.Get(k))
		default:
			out.Set(k, q.Get(k))
		}
	}
	return out
}

// checkInvite reports whether the token is that of an invitation.
func (h *Handler) checkInvite(r *http.Request, token string) error {
	var u *User
	err := h.withConn(r.Context(), func(q querier) (err error) {
		u, err = h.findUser(r.Context(), q, whereInvited, token)
		return err
	})
	switch {
	case err != nil:
		return internal("Database error finding user", err)
	case u == nil:
		return notFound(codeUserNotFound, "User identified by token not found")
	}
	return nil
}

const whereInvited = `
from auth.users u
where u.id in (select user_id from auth.one_time_tokens where token_hash = $1 and token_type = 'confirmation_token')
  and ` + ofInstance + ` limit 1`

// flowsKept is how long flows that nobody came back to are kept.
const flowsKept = 24 * time.Hour

// sweepFlows removes some flows that have long ended, so that abandoned
// sign-ins do not pile up.
func (w *work) sweepFlows() error {
	for _, table := range []string{"flow_state", "oauth_client_states"} {
		if err := w.exec("Error creating flow state", `
			delete from auth.`+table+` where id in (
			  select id from auth.`+table+` where created_at < $1 order by created_at limit 10 for update skip locked)`,
			w.now.Add(-flowsKept)); err != nil {
			return err
		}
	}
	return nil
}
