package auth

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/auth/oauth"
)

// externalFlow is a sign-in through an outside service on its way.
type externalFlow struct {
	ID            string
	Provider      string
	Code          string // "" without a challenge: the session goes into the fragment
	Used          bool
	Invite        string
	Referrer      string
	ProofID       string
	LinkTo        string
	EmailOptional bool
	CreatedAt     time.Time

	target *User // of LinkTo
}

func (f *externalFlow) pkce() bool { return f.Code != "" }

// callback is where an outside service sends a user back.
func (h *Handler) callback(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	params := r.URL.Query()
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			return badRequest(codeValidation, "The callback's form cannot be read")
		}
		params = r.Form
	}
	f, err := h.loadFlow(r, params.Get("state"))
	if err != nil {
		if e := h.shown(r, err); e != nil {
			redirect(w, withQuery(h.cfg.SiteURL, externalError(e)), http.StatusSeeOther)
		}
		return nil
	}
	target := h.cfg.SiteURL
	switch {
	case h.cfg.OAuth.RedirectURL != "":
		target = h.cfg.OAuth.RedirectURL
	case f.Referrer != "":
		target = f.Referrer
	}
	to, err := h.finishExternal(r, f, params, target)
	if err != nil {
		e := h.shown(r, err)
		if e == nil {
			return nil
		}
		to = externalErrorTarget(target, e)
	}
	redirect(w, to, http.StatusFound)
	return nil
}

// externalError names an error in a query. It differs from that of mailed links
// in what it calls errors that OAuth has no name for.
func externalError(e *Error) url.Values {
	if e.OAuth != "" {
		return url.Values{"error": {e.OAuth}, "error_description": {e.Message}}
	}
	name := oauthNames[e.Status]
	switch e.Code {
	case codeSignupDisabled, codeUserBanned, codeProviderUnverified:
		name = "access_denied"
	}
	if name == "" {
		name = "server_error"
	}
	return url.Values{"error": {name}, "error_code": {e.code()}, "error_description": {e.Message}}
}

// externalErrorTarget is the target with the error in its query and its
// fragment. The fragment is escaped once more than its values are, as clients
// of the original know it; the query is what they read.
func externalErrorTarget(target string, e *Error) string {
	v := externalError(e)
	u, err := url.Parse(withQuery(target, v))
	if err != nil {
		return withQuery(target, v)
	}
	for k := range v {
		if v.Get(k) == "" {
			v.Del(k)
		}
	}
	v.Set("sb", "")
	u.Fragment, u.RawFragment = v.Encode(), ""
	return u.String()
}

// loadFlow finds the flow of a state.
func (h *Handler) loadFlow(r *http.Request, state string) (*externalFlow, error) {
	if state == "" {
		return nil, badRequest("bad_oauth_callback", "OAuth state parameter missing")
	}
	id, ok := parseID(state)
	if !ok {
		return nil, badRequest(codeBadState, "OAuth state parameter is invalid")
	}
	f := &externalFlow{ID: id}
	err := h.withConn(r.Context(), func(q querier) error {
		err := q.QueryRow(r.Context(), `
			select provider_type, case when coalesce(code_challenge, '') <> '' then coalesce(auth_code, '') else '' end, user_id is not null,
			  coalesce(invite_token, ''), coalesce(referrer, ''), coalesce(oauth_client_state_id::text, ''),
			  coalesce(linking_target_id::text, ''), email_optional, coalesce(created_at, 'epoch')
			from auth.flow_state where id = $1 and authentication_method = $2`, id, methodOAuth).
			Scan(&f.Provider, &f.Code, &f.Used, &f.Invite, &f.Referrer, &f.ProofID, &f.LinkTo, &f.EmailOptional, &f.CreatedAt)
		if err != nil || f.LinkTo == "" {
			return err
		}
		f.target, err = h.userByID(r.Context(), q, f.LinkTo)
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, badRequest(codeBadState, "OAuth state not found or expired")
	case err != nil:
		return nil, internal("Error loading flow state", err)
	case h.now().After(f.CreatedAt.Add(h.cfg.OAuth.FlowLife)):
		return nil, badRequest(codeBadState, "OAuth state has expired")
	case f.pkce() && f.Used:
		return nil, errStateUsed
	case f.LinkTo != "" && f.target == nil:
		return nil, unprocessable(codeUserNotFound, "Linking target user not found")
	}
	return f, nil
}

var errStateUsed = badRequest("flow_state_already_used", "State has already been used")

// finishExternal signs the user in, or adds the service to theirs, and returns
// where the browser goes.
func (h *Handler) finishExternal(r *http.Request, f *externalFlow, params url.Values, target string) (string, error) {
	account, grant, err := h.askService(r, f, params)
	if err != nil {
		return "", err
	}
	if len(account.Emails) == 0 && !f.EmailOptional {
		return "", internal("Error getting user email from external provider", errors.New("the service tells no address"))
	}
	var res *TokenResponse
	err = h.inExternalTx(r, func(tx *work) error {
		res = nil
		if err := tx.claimFlow(f); err != nil {
			return err
		}
		var u *User
		var err error
		switch {
		case f.target != nil:
			u, err = tx.linkIdentity(f.target.ID, f.Provider, account)
		case f.Invite != "":
			u, err = tx.acceptInvite(f.Invite, f.Provider, account)
		default:
			u, err = tx.signInExternally(f.Provider, account, f.EmailOptional)
		}
		if err != nil {
			return err
		}
		if f.pkce() {
			return tx.exec("Error updating flow state", `
				update auth.flow_state set user_id = $2, provider_access_token = $3, provider_refresh_token = $4,
				  auth_code_issued_at = $5, updated_at = $5 where id = $1`,
				f.ID, u.ID, cleanText(grant.AccessToken, maxBody), cleanText(grant.RefreshToken, maxBody), tx.now)
		}
		if res, err = tx.signIn(u.ID, methodOAuth); err != nil {
			return err
		}
		return tx.exec("Error deleting flow state", `delete from auth.flow_state where id = $1`, f.ID)
	})
	switch {
	case err != nil:
		return "", err
	case f.pkce():
		return withQuery(target, url.Values{"code": {f.Code}}), nil
	}
	v := sessionValues(res)
	v.Set("provider_token", grant.AccessToken)
	if grant.RefreshToken != "" {
		v.Set("provider_refresh_token", grant.RefreshToken)
	}
	return target + "#" + v.Encode(), nil
}

// sessionValues are the parameters of a session in a fragment; sb, which is
// empty, marks whose they are.
func sessionValues(t *TokenResponse) url.Values {
	return url.Values{
		"access_token": {t.AccessToken}, "refresh_token": {t.RefreshToken}, "token_type": {t.TokenType},
		"expires_in": {strconv.FormatInt(t.ExpiresIn, 10)}, "expires_at": {strconv.FormatInt(t.ExpiresAt, 10)}, "sb": {""},
	}
}

// claimFlow keeps others from finishing the flow too.
func (w *work) claimFlow(f *externalFlow) error {
	var used bool
	err := w.QueryRow(w.ctx, `select user_id is not null from auth.flow_state where id = $1 for update skip locked`, f.ID).Scan(&used)
	switch {
	case errors.Is(err, pgx.ErrNoRows), err == nil && used:
		return errStateUsed
	case err != nil:
		return internal("Error loading flow state", err)
	}
	return nil
}

// askService gives what the callback brought for tokens and asks who the user
// is.
func (h *Handler) askService(r *http.Request, f *externalFlow, params url.Values) (*oauth.Account, *oauth.Grant, error) {
	if name := params.Get("error"); name != "" {
		return nil, nil, &Error{Status: http.StatusBadRequest, OAuth: cleanText(name, 255), Message: cleanText(params.Get("error_description"), 1024)}
	}
	code := params.Get("code")
	v, why, err := h.service(f.Provider)
	switch {
	case err != nil:
		return nil, nil, err
	case code == "" && (v == nil || !v.OAuth1()):
		return nil, nil, badRequest("bad_oauth_callback", "OAuth callback with missing authorization code missing")
	case v == nil:
		return nil, nil, badRequest("oauth_provider_not_supported", "Unsupported provider: %s", why)
	}
	verifier, err := h.takeProof(r, f, v)
	if err != nil {
		return nil, nil, err
	}
	var g *oauth.Grant
	if v.OAuth1() {
		if g, err = v.ExchangeOAuth1(r.Context(), params.Get("oauth_token"), params.Get("oauth_verifier")); err != nil {
			return nil, nil, internal("Unable to retrieve access token", err)
		}
	} else if g, err = v.Exchange(r.Context(), code, verifier); err != nil {
		return nil, nil, internal("Unable to exchange external code: "+cleanText(code, 4), err)
	}
	a, err := v.Account(r.Context(), g)
	if err == nil && a.Claims.Subject == "" {
		err = errors.New("it has no id")
	}
	if err != nil {
		return nil, nil, internal("Error getting user profile from external provider", err)
	}
	if user := params.Get("user"); user != "" && f.Provider == "apple" {
		name, err := oauth.AppleName(user)
		if err != nil {
			return nil, nil, internal("Error getting user profile from external provider", err)
		}
		a.Claims.Name, a.Claims.FullName = name, name
	}
	a.Settle()
	return a, g, nil
}

// takeProof uses up the secret of the proof that a service asks for.
func (h *Handler) takeProof(r *http.Request, f *externalFlow, v *oauth.Service) (string, error) {
	if f.ProofID == "" {
		if v.NeedsProof() {
			return "", badRequest("oauth_invalid_state", "OAuth PKCE code verifier missing")
		}
		return "", nil
	}
	var provider, verifier string
	var created time.Time
	err := h.withConn(r.Context(), func(q querier) error {
		return q.QueryRow(r.Context(), `
			delete from auth.oauth_client_states where id = $1 returning provider_type, coalesce(code_verifier, ''), created_at`, f.ProofID).
			Scan(&provider, &verifier, &created)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", unprocessable("oauth_client_state_not_found", "OAuth state not found")
	case err != nil:
		return "", internal("Failed to find OAuth state", err)
	case provider != f.Provider:
		return "", badRequest("oauth_invalid_state", "OAuth provider mismatch")
	case h.now().After(created.Add(flowStateLife)):
		return "", unprocessable("oauth_client_state_expired", "OAuth state expired")
	}
	return verifier, nil
}
