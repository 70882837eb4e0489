package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// challenge is the PKCE pair that bodies may carry: the client proves later
// that it is the one that asked, by the secret the challenge was made from.
type challenge struct {
	Challenge string `json:"code_challenge"`
	Method    string `json:"code_challenge_method"`
}

var challengeForm = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

const (
	challengeS256  = "s256"
	challengePlain = "plain"
	minChallenge   = 43
	maxChallenge   = 128
	pkcePrefix     = "pkce_"
)

// check judges the pair; without one it is the implicit flow.
func (c *challenge) check() error {
	if (c.Challenge == "") != (c.Method == "") {
		return invalid("PKCE flow requires code_challenge_method and code_challenge")
	}
	if c.Challenge == "" {
		return nil
	}
	if len(c.Challenge) < minChallenge || len(c.Challenge) > maxChallenge {
		return invalid("code challenge has to be between %d and %d characters", minChallenge, maxChallenge)
	}
	if !challengeForm.MatchString(c.Challenge) {
		return invalid("code challenge can only contain alphanumeric characters, hyphens, periods, underscores and tildes")
	}
	c.Method = strings.ToLower(c.Method)
	if c.Method != challengeS256 && c.Method != challengePlain {
		return invalid("Invalid code_challenge_method")
	}
	return nil
}

func (c challenge) prefix() string {
	if c.Challenge == "" {
		return ""
	}
	return pkcePrefix
}

// startFlow remembers the challenge of a flow that a mail will continue; none
// needs nothing.
func (w *work) startFlow(c challenge, userID, provider, method string) error {
	if c.Challenge == "" {
		return nil
	}
	return w.exec("Database error saving flow state", `
		insert into auth.flow_state (id, user_id, auth_code, code_challenge, code_challenge_method,
		  provider_type, authentication_method, provider_access_token, provider_refresh_token, created_at, updated_at)
		values ($1, $2, $3, $4, $5::text::auth.code_challenge_method, $6, $7, '', '', $8, $8)`,
		newID(), userID, newID(), c.Challenge, c.Method, provider, method, w.now)
}

// issueCode gives out the code of the user's newest flow of the method.
func (w *work) issueCode(userID, method string) (string, error) {
	const message = "No associated flow state found. %s"
	var code, codeChallenge string
	err := w.QueryRow(w.ctx, `
		update auth.flow_state set auth_code_issued_at = $3, updated_at = $3
		where id = (
		  select id from auth.flow_state where user_id = $1 and authentication_method = $2
		  order by created_at desc, id desc limit 1)
		returning coalesce(auth_code, ''), coalesce(code_challenge, '')`, userID, method, w.now).Scan(&code, &codeChallenge)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", badRequest(codeFlowNotFound, message, "No valid flow state found for user.")
	case err != nil:
		return "", internal("Database error finding flow state", err)
	case codeChallenge == "" || code == "":
		return "", badRequest(codeFlowNotFound, message, "Flow state does not have an auth code (not a PKCE flow).")
	}
	return code, nil
}

// flowState is a row of auth.flow_state.
type flowState struct {
	ID, UserID        string
	Challenge, Method string
	Provider, AuthBy  string
	CreatedAt         time.Time
	IssuedAt          *time.Time

	ProviderToken, ProviderRefreshToken string // of an outside service
}

func (f flowState) expired(now time.Time) bool {
	from := f.CreatedAt
	if f.IssuedAt != nil && f.AuthBy == methodMagicLink {
		from = *f.IssuedAt
	}
	return now.After(from.Add(flowStateLife))
}

// proves reports whether the verifier is the secret of the challenge.
func (f flowState) proves(verifier string) bool {
	if f.Method == challengeS256 {
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return subtle.ConstantTimeCompare([]byte(verifier), []byte(f.Challenge)) == 1
}

// grantPKCE is POST /token?grant_type=pkce: a code for a session.
func (h *Handler) grantPKCE(w http.ResponseWriter, r *http.Request) error {
	var p struct {
		Code     string `json:"auth_code"`
		Verifier string `json:"code_verifier"`
	}
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	if p.Code == "" || p.Verifier == "" {
		return invalid("invalid request: both auth code and code verifier should be non-empty")
	}
	var res *TokenResponse
	err := h.inTx(r, func(tx *work) error {
		f, err := tx.lockFlow(p.Code)
		switch {
		case err != nil:
			return err
		case f.expired(tx.now):
			return unprocessable("flow_state_expired", "invalid flow state, flow state has expired")
		case !f.proves(p.Verifier):
			return badRequest("bad_code_verifier", "code challenge does not match previously saved code verifier")
		}
		u, err := tx.reload(f.UserID)
		if err != nil {
			return err
		}
		if err := tx.exec("Database error deleting flow state", `delete from auth.flow_state where id = $1`, f.ID); err != nil {
			return err
		}
		tx.audit(u, auditLogin, map[string]any{"provider_type": f.Provider})
		if res, err = tx.signIn(u.ID, f.AuthBy); err == nil {
			res.ProviderToken, res.ProviderRefreshToken = f.ProviderToken, f.ProviderRefreshToken
		}
		return err
	})
	if err != nil {
		return err
	}
	return writeToken(w, res)
}

// lockFlow finds the flow of a code and keeps others from using it.
func (w *work) lockFlow(code string) (f flowState, err error) {
	err = w.QueryRow(w.ctx, `
		select id::text, user_id::text, coalesce(code_challenge, ''), coalesce(code_challenge_method::text, ''),
		  provider_type, authentication_method, coalesce(created_at, 'epoch'), auth_code_issued_at,
		  coalesce(provider_access_token, ''), coalesce(provider_refresh_token, '')
		from auth.flow_state
		where auth_code = $1 and user_id is not null and code_challenge is not null
		for update`, code).
		Scan(&f.ID, &f.UserID, &f.Challenge, &f.Method, &f.Provider, &f.AuthBy, &f.CreatedAt, &f.IssuedAt,
			&f.ProviderToken, &f.ProviderRefreshToken)
	if errors.Is(err, pgx.ErrNoRows) {
		return f, notFound(codeFlowNotFound, "invalid flow state, no valid flow state found")
	}
	return f, err
}
