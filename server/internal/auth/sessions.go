package auth

import (
	_ "embed"
	"encoding/json"
	"slices"
	"time"
)

// Session is a row of auth.sessions: one sign-in.
type Session struct {
	ID          string
	UserID      string
	CreatedAt   time.Time
	NotAfter    *time.Time
	RefreshedAt *time.Time // kept in UTC, the column has no zone
	AAL         string
	FactorID    string
	tag         string
	amr         []byte

	// Of sessions with counter tokens: see counterToken.
	refreshKey string
	counter    *int64
}

// amrEntry is a way in which a session was authenticated.
type amrEntry struct {
	Method    string `json:"method"`
	Timestamp int64  `json:"timestamp"`
}

// Ways of authentication.
const (
	methodPassword    = "password"
	methodOTP         = "otp"
	methodAnonymous   = "anonymous"
	methodOAuth       = "oauth"
	methodTOTP        = "totp"
	methodRecovery    = "recovery"
	methodMagicLink   = "magiclink"
	methodInvite      = "invite"
	methodEmailSignup = "email/signup"
	methodEmailChange = "email_change"
	methodRefresh     = "token_refresh" // told to hooks, never in a token
)

const (
	aal1 = "aal1"
	aal2 = "aal2"
)

// columns are where the columns of session.sql are scanned to.
func (s *Session) columns(found *bool) []any {
	return []any{found, &s.ID, &s.CreatedAt, &s.NotAfter, &s.RefreshedAt, &s.AAL, &s.FactorID, &s.amr, &s.tag, &s.refreshKey, &s.counter}
}

// AMR lists how the session was authenticated, the newest way first.
func (s *Session) AMR() []amrEntry {
	list := []amrEntry{}
	if len(s.amr) > 0 && json.Unmarshal(s.amr, &list) != nil {
		return []amrEntry{}
	}
	return list
}

func (s *Session) isRecovery() bool {
	for _, a := range s.AMR() {
		switch a.Method {
		case methodOTP, methodMagicLink, methodRecovery: // who reads the mail may set a password
			return true
		}
	}
	return false
}

// lastRefreshed is when the session was last in use; tokenTime is the time of
// the refresh token in hand, for sessions never refreshed.
func (s *Session) lastRefreshed(tokenTime time.Time) time.Time {
	switch {
	case s.RefreshedAt != nil:
		return *s.RefreshedAt
	case tokenTime.After(s.CreatedAt):
		return tokenTime
	}
	return s.CreatedAt
}

// expired returns the answer to a refresh of a session of u that has come to
// its end, nil for one that has not.
func (s *Session) expired(c SessionConfig, u *User, now, tokenTime time.Time) error {
	const message = "Invalid Refresh Token: Session Expired"
	switch {
	case s == nil:
		return nil
	case s.NotAfter != nil && now.After(*s.NotAfter),
		c.Timebox > 0 && now.After(s.CreatedAt.Add(c.Timebox)):
		return badRequest(codeSessionExpired, message)
	case c.InactivityTimeout > 0 && now.After(s.lastRefreshed(tokenTime).Add(c.InactivityTimeout)):
		return badRequest(codeSessionExpired, message+" (Inactivity)")
	case s.lacksFactor(c, u) && now.After(s.CreatedAt.Add(c.AllowLowAAL)):
		return badRequest(codeSessionExpired, message+" (Low AAL: User Needs MFA Verification)")
	}
	return nil
}

// lacksFactor tells that the session may only live for a while, because its
// user has a second factor that it was not raised with.
func (s *Session) lacksFactor(c SessionConfig, u *User) bool {
	return c.AllowLowAAL > 0 && s.AAL != aal2 && u.hasMFA()
}

// tagOf is the tag among those configured that a session counts for.
func (c *SessionConfig) tagOf(tag string) string {
	switch {
	case len(c.Tags) == 0:
		return ""
	case slices.Contains(c.Tags, tag):
		return tag
	}
	return c.Tags[0]
}

//go:embed queries/sign_in.sql
var signInSQL string

// signIn opens a session for the user: the session, its first refresh token,
// how it was authenticated and the user's last_sign_in_at in one statement. It
// returns the answer for the client.
func (w *work) signIn(userID, method string) (*TokenResponse, error) {
	s, refresh, err := w.openSession(userID, method)
	if err != nil {
		return nil, err
	}
	u, err := w.reload(userID)
	if err != nil {
		return nil, err
	}
	return w.tokenResponse(u, s, refresh, method)
}

// signInLast is signIn as the last thing that the work does: the end of the
// transaction travels with it, unless a hook may still refuse the token.
func (w *work) signInLast(userID, method string) (*TokenResponse, error) {
	if w.h.hooks.on(HookCustomAccessToken) || len(w.mails) > 0 {
		return w.signIn(userID, method)
	}
	s, refresh, err := w.openSession(userID, method)
	if err != nil {
		return nil, err
	}
	if err := w.writeAudits(); err != nil {
		return nil, err
	}
	u, err := w.reloaded(w.h.scanUser(w.Last(w.ctx, userSelect+whereID, userID)))
	if err != nil {
		return nil, err
	}
	return w.tokenResponse(u, s, refresh, method)
}

// openSession writes a session of the user and returns it with its first
// refresh token.
func (w *work) openSession(userID, method string) (s *Session, refresh string, err error) {
	c := clientOf(w.r)
	s = &Session{ID: newID(), UserID: userID, CreatedAt: w.now, AAL: aal1}
	s.amr = mustJSON([]amrEntry{{method, w.now.Unix()}})
	if refresh, err = w.firstRefreshToken(s); err != nil {
		return nil, "", err
	}
	return s, refresh, w.later("Database error granting user", signInSQL,
		s.ID, userID, w.now, c.UserAgent, c.IP, refresh, newID(), method, s.refreshKey)
}
