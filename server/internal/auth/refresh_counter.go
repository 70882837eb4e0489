package auth

import (
	_ "embed"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// firstRefreshToken is the refresh token of a new session. That of a session
// with counter tokens is not kept: the session gets a key.
func (w *work) firstRefreshToken(s *Session) (string, error) {
	if !w.h.cfg.Sessions.CounterTokens {
		return newRefreshToken(), nil
	}
	s.refreshKey, s.counter = newCounterKey(), new(int64)
	return w.counterToken(s)
}

// counterToken is the session's current one.
func (w *work) counterToken(s *Session) (string, error) {
	key, ok := s.counterKey()
	if !ok {
		return "", internal("Failed to get session's refresh token key", nil)
	}
	return newCounterToken(s.ID, *s.counter, key), nil
}

//go:embed queries/counter_lock.sql
var counterLockWhere string

const counterWriteSQL = `
with s as (
  update auth.sessions
  set refresh_token_counter = $3, refresh_token_hmac_key = $4, refreshed_at = $8, updated_at = $5,
    user_agent = nullif($6::text, ''), ip = nullif($7::text, '')::inet
  where id = $1
)
update auth.users set updated_at = $5 where id = $2`

// refreshCounter decides on a counter token and carries it out. The rows of the
// session and its user are locked from the first statement on; a row that is
// locked elsewhere is the error stateLocked.
func (w *work) refreshCounter(token *counterToken) (*TokenResponse, error) {
	var s Session
	var found bool
	u, err := w.h.scanUser(w.QueryRow(w.ctx, userSelect+counterLockWhere, token.session), s.columns(&found)...)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	key, ok := s.counterKey()
	if err != nil || !ok || !token.signedWith(key) {
		return nil, badRequest("refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
	}
	if u.banned(w.now) {
		return nil, badRequest(codeUserBanned, "Invalid Refresh Token: User Banned")
	}
	s.UserID = u.ID
	if err := w.refreshable(&s, u, time.Time{}); err != nil {
		return nil, err
	}
	switch behind := *s.counter - token.counter; {
	case behind < 0:
		return nil, invalid("Invalid Refresh Token: Not Issued By This Server")
	case behind == 0:
		*s.counter++
	case !w.mayReuse(&s, behind):
		return nil, w.endReusedSession(&s)
	}
	w.audit(u, auditRefreshed, nil)
	c := clientOf(w.r)
	if err := w.later("failed to update session information", counterWriteSQL,
		s.ID, u.ID, *s.counter, s.refreshKey, w.now, c.UserAgent, c.IP, w.now); err != nil {
		return nil, err
	}
	issued, err := w.counterToken(&s)
	if err != nil {
		return nil, err
	}
	u.UpdatedAt = w.now
	return w.tokenResponse(u, &s, issued, methodRefresh)
}

// mayReuse tells whether a token that is behind the session's counter is
// accepted: the last one, whose answer the client did not get or not keep, and
// any at the moment when all tabs of a browser refresh. Whoever may gets the
// session's current token.
func (w *work) mayReuse(s *Session, behind int64) bool {
	cfg := w.h.cfg.Sessions
	return behind == 1 || cfg.AllowReuse || w.now.Sub(s.lastRefreshed(time.Time{})).Abs() < cfg.ReuseInterval
}

// endReusedSession answers the reuse of a token as the possible theft it is:
// the session ends, its access tokens with it, and stays so although the
// request fails.
func (w *work) endReusedSession(s *Session) error {
	refusal := badRequest("refresh_token_already_used", "Invalid Refresh Token: Already Used")
	if w.h.cfg.Sessions.KeepFamilyOnReuse {
		return refusal
	}
	if err := w.exec("destroying session after detected refresh token reuse failed", `delete from auth.sessions where id = $1`, s.ID); err != nil {
		return err
	}
	w.refusal = refusal
	return errKeep
}

// upgradeTokens gives a session with random tokens counter tokens from now on;
// child is the random token that is not handed out.
func (w *work) upgradeTokens(s *Session, child string) (string, error) {
	if s.counter == nil || s.refreshKey == "" {
		s.refreshKey, s.counter = newCounterKey(), new(int64)
	} else {
		*s.counter++
	}
	if err := w.exec("failed to set up session with refresh token algorithm v2", `
		with t as (update auth.refresh_tokens set revoked = true where token = $4)
		update auth.sessions set refresh_token_hmac_key = $2, refresh_token_counter = $3 where id = $1`,
		s.ID, s.refreshKey, *s.counter, child); err != nil {
		return "", err
	}
	return w.counterToken(s)
}

// raiseCounter is raiseToken of a session with counter tokens: it steps over
// one.
func (w *work) raiseCounter(s *Session) (string, error) {
	*s.counter += 2
	if err := w.exec("Failed to update session", `
		update auth.sessions set refresh_token_counter = $2, updated_at = $3 where id = $1`, s.ID, *s.counter, w.now); err != nil {
		return "", err
	}
	return w.counterToken(s)
}
