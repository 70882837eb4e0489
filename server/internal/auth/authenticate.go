package auth

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/gateway"
)

// caller is who a request with a user's token comes from.
type caller struct {
	User    *User
	Session *Session // nil when the token names none
	Claims  *gateway.Claims
}

type callerKey struct{}

// callerOf returns the caller that requireUser has found. It must only be
// called behind it.
func callerOf(r *http.Request) *caller { return r.Context().Value(callerKey{}).(*caller) }

// requireUser lets requests with a valid token of an existing user pass.
func (h *Handler) requireUser(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := h.authenticate(r)
		if err == nil && c.User.banned(h.now()) {
			err = forbidden(codeUserBanned, "User is banned")
		}
		if err != nil {
			h.writeError(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	})
}

// requirePermanent refuses anonymous users; it stands behind requireUser.
func (h *Handler) requirePermanent(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if anonymous, _ := callerOf(r).Claims.Map()["is_anonymous"].(bool); anonymous {
			h.writeError(w, r, forbidden(codeNoAuthorization, "Anonymous user not allowed to perform these actions"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// requireAdmin lets tokens of an admin role pass. Where such a token belongs
// to a session, the session must still be good.
func (h *Handler) requireAdmin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h.authorizeAdmin(r); err != nil {
			h.writeError(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *Handler) authorizeAdmin(r *http.Request) error {
	claims, err := h.claims(r)
	if err != nil {
		return err
	}
	if claims.SessionID != "" && claims.SessionID != nilUUID {
		c, err := h.authenticate(r)
		if err != nil {
			return err
		}
		if c.Session.expired(h.cfg.Sessions, c.User, h.now(), time.Time{}) != nil {
			return forbidden(codeSessionExpired, "Session is no longer valid")
		}
	}
	if !slices.Contains(h.cfg.AdminRoles, claims.Role) {
		return forbidden(codeNotAdmin, "User not allowed")
	}
	return nil
}

// adminActor is the caller of an admin endpoint as the audit log names it.
func adminActor(r *http.Request) *User {
	role := ""
	if c := gateway.CredentialsFrom(r.Context()).Claims; c != nil {
		role = c.Role
	}
	return &User{ID: nilUUID, Email: role}
}

// claims are those of the request's token, when it is valid now.
func (h *Handler) claims(r *http.Request) (*gateway.Claims, error) {
	c := gateway.CredentialsFrom(r.Context())
	if c.Token == "" || strings.ContainsAny(c.Token, " \t") || strings.Contains(r.Header.Get("Authorization"), "  ") {
		return nil, errNoBearer()
	}
	if c.Err != nil {
		return nil, badToken(c.Err, c.Token)
	}
	if err := checkClaimTypes(c.Claims.Map()); err != nil {
		return nil, err
	}
	var te *gateway.TokenError
	if err := c.Claims.CheckTime(h.cfg.Now(), 0); errors.As(err, &te) && te.Kind != gateway.IssuedInFuture {
		return nil, badToken(te, c.Token)
	}
	return c.Claims, nil
}

func errNoBearer() *Error {
	return fail(http.StatusUnauthorized, codeNoAuthorization, "This endpoint requires a valid Bearer token")
}

// badSignature is what is wrong with a signature, by its algorithm.
func badSignature(alg string) string {
	switch alg[:min(2, len(alg))] {
	case "ES":
		return "crypto/ecdsa: verification error"
	case "RS", "PS":
		return "crypto/rsa: verification error"
	case "Ed":
		return "ed25519: verification error"
	}
	return "signature is invalid"
}

func badToken(e *gateway.TokenError, token string) *Error {
	var why string
	switch e.Kind {
	case gateway.BadSignature:
		why = "token signature is invalid: " + badSignature(e.Alg)
	case gateway.AlgNone:
		why = "token signature is invalid: signing method none is invalid"
	case gateway.UnsupportedAlg:
		why = "token signature is invalid: signing method " + cleanText(e.Alg, 32) + " is invalid"
	case gateway.NoKey:
		why = "token is unverifiable: error while executing keyfunc: unrecognized JWT kid " + cleanText(e.Detail, 64) +
			" for algorithm " + cleanText(e.Alg, 32)
	case gateway.Expired:
		why = "token has invalid claims: token is expired"
	case gateway.NotYetValid:
		why = "token has invalid claims: token is not valid yet"
	case gateway.NotANumber:
		why = "token is malformed: could not JSON decode claim: invalid type for claim: " + e.Detail + " is invalid"
	case gateway.BadClaims:
		why = "token is malformed: could not JSON decode claim"
	default:
		why = "token is malformed: token contains an invalid number of segments"
		if e.Parts == 3 {
			why = "token is malformed: could not base64 decode " + e.Detail + ": " + badPart(token)
		}
	}
	return forbidden(codeBadJWT, "invalid JWT: unable to parse or verify signature, %s", why)
}

//go:embed queries/session.sql
var sessionSelect string

// callerSelect is a user with one of their sessions.
var callerSelect = userSelect + sessionSelect

// authenticate finds the user and session of the request's token, in one
// round trip.
func (h *Handler) authenticate(r *http.Request) (*caller, error) {
	claims, err := h.claims(r)
	if err != nil {
		return nil, err
	}
	if claims.Subject == "" {
		if gateway.CredentialsFrom(r.Context()).KeyAsToken {
			return nil, errNoBearer()
		}
		return nil, forbidden(codeBadJWT, "invalid claim: missing sub claim")
	}
	userID, ok := parseID(claims.Subject)
	if !ok {
		return nil, badRequest(codeBadJWT, "invalid claim: sub claim must be a UUID")
	}
	sessionID, named := nilUUID, false
	if s := claims.SessionID; s != "" && s != nilUUID {
		if sessionID, named = parseID(s); !named {
			sessionID = nilUUID // that the user is gone is told first
		}
	}
	var s Session
	var found bool
	var u *User
	err = h.withConn(r.Context(), func(q querier) error {
		u, err = h.scanUser(q.QueryRow(r.Context(), callerSelect, userID, sessionID), s.columns(&found)...)
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, forbidden(codeUserNotFound, "User from sub claim in JWT does not exist")
	case err != nil:
		return nil, err
	case claims.SessionID == "" || claims.SessionID == nilUUID:
		return &caller{User: u, Claims: claims}, nil
	case !named:
		return nil, forbidden(codeBadJWT, "invalid claim: session_id claim must be a UUID")
	case !found:
		return nil, forbidden(codeSessionNotFound, "Session from session_id claim in JWT does not exist")
	}
	s.UserID = u.ID
	return &caller{User: u, Session: &s, Claims: claims}, nil
}

type loadedKey struct{}

// loadUser finds the user that an admin's path names.
func (h *Handler) loadUser(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, err := h.pathUser(r)
		if err != nil {
			h.writeError(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), loadedKey{}, u)))
	})
}

func (h *Handler) pathUser(r *http.Request) (u *User, err error) {
	id, ok := parseID(chi.URLParam(r, "user_id"))
	if !ok {
		return nil, notFound(codeValidation, "user_id must be an UUID")
	}
	err = h.withConn(r.Context(), func(q querier) error {
		u, err = h.userByID(r.Context(), q, id)
		return err
	})
	switch {
	case err != nil:
		return nil, internal("Database error loading user", err)
	case u == nil:
		return nil, notFound(codeUserNotFound, "User not found")
	}
	return u, nil
}

// loadedUser is the user that loadUser has found. It must only be called
// behind it.
func loadedUser(r *http.Request) *User { return r.Context().Value(loadedKey{}).(*User) }
