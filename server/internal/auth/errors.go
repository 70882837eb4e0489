package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/session"
)

// Error is an answer other than success. It has two shapes, which the client
// chooses by the version header; see writeError.
type Error struct {
	Status  int
	Code    string // the error code, such as "user_not_found"
	Message string
	// Reasons make it a weak password error: "length", "characters".
	Reasons []string
	// OAuth, when set, makes it an OAuth style error of that name.
	OAuth string
	// Cause is the reason that only the log is told, except for errors that a
	// project's own triggers raise.
	Cause error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%d %s: %s: %v", e.Status, e.Code, e.Message, e.Cause)
	}
	return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Codes of errors.
const (
	codeUnexpected       = "unexpected_failure"
	codeUnknown          = "unknown"
	codeValidation       = "validation_failed"
	codeBadJSON          = "bad_json"
	codeTooLarge         = "request_entity_too_large"
	codeBadJWT           = "bad_jwt"
	codeNoAuthorization  = "no_authorization"
	codeNotAdmin         = "not_admin"
	codeUserNotFound     = "user_not_found"
	codeUserBanned       = "user_banned"
	codeSessionNotFound  = "session_not_found"
	codeSessionExpired   = "session_expired"
	codeEmailExists      = "email_exists"
	codePhoneExists      = "phone_exists"
	codeEmailDisabled    = "email_provider_disabled"
	codePhoneDisabled    = "phone_provider_disabled"
	codeInvalidLogin     = "invalid_credentials"
	codeWeakPassword     = "weak_password"
	codeOTPExpired       = "otp_expired"
	codeSignupDisabled   = "signup_disabled"
	codeInsufficientAAL  = "insufficient_aal"
	codeFeatureDisabled  = "feature_disabled"
	codeFactorNotFound   = "mfa_factor_not_found"
	codeChallengeExpired = "mfa_challenge_expired"
	codeFlowNotFound     = "flow_state_not_found"
	codeBadState         = "bad_oauth_state"
	codeIdentityExists   = "identity_already_exists"
	codeUnlinkConflict   = "email_conflict_identity_not_deletable"
	codeEmailLimit       = "over_email_send_rate_limit"
	codeSMSLimit         = "over_sms_send_rate_limit"

	codeProviderUnverified = "provider_email_needs_verification"
)

// Messages that stand in several answers.
const (
	messageDuplicateEmail = "A user with this email address has already been registered"
	messageDuplicatePhone = "A user with this phone number has already been registered"
	messageEmailLogins    = "Email logins are disabled"
)

func fail(status int, code, format string, args ...any) *Error {
	e := &Error{Status: status, Code: code, Message: format}
	if len(args) > 0 {
		e.Message = fmt.Sprintf(format, args...)
	}
	return e
}

func badRequest(code, format string, args ...any) *Error {
	return fail(http.StatusBadRequest, code, format, args...)
}

func invalid(format string, args ...any) *Error {
	return badRequest(codeValidation, format, args...)
}

func unprocessable(code, format string, args ...any) *Error {
	return fail(http.StatusUnprocessableEntity, code, format, args...)
}

func forbidden(code, format string, args ...any) *Error {
	return fail(http.StatusForbidden, code, format, args...)
}

func notFound(code, format string, args ...any) *Error {
	return fail(http.StatusNotFound, code, format, args...)
}

// internal is a failure of the server or of a project's trigger. An *Error
// that is the cause keeps its own answer.
func internal(message string, cause error) error {
	var known *Error
	if errors.As(cause, &known) {
		return cause
	}
	return &Error{Status: http.StatusInternalServerError, Code: codeUnexpected, Message: message, Cause: cause}
}

const (
	versionHeader = "X-Supabase-Api-Version"
	version2024   = "2024-01-01"
)

// newShape reports whether the client asked for the newer error shape: a date
// from 2024-01-01 on.
func newShape(r *http.Request) bool {
	v := r.Header.Get(versionHeader)
	t, err := time.Parse(time.DateOnly, v)
	return err == nil && !t.Before(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
}

type weakPassword struct {
	Message string   `json:"message,omitempty"`
	Reasons []string `json:"reasons,omitempty"`
}

type errorNew struct {
	Code    string        `json:"code"`
	Message string        `json:"message"`
	Weak    *weakPassword `json:"weak_password,omitempty"`
}

type errorOld struct {
	Status  int           `json:"code"`
	Code    string        `json:"error_code"`
	Message string        `json:"msg"`
	ErrorID string        `json:"error_id,omitempty"`
	Weak    *weakPassword `json:"weak_password,omitempty"`
}

type errorOAuth struct {
	Name        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

type errorPostgres struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// asError turns any error into an *Error. What is not one already is a failure
// nobody foresaw.
func asError(err error) *Error {
	var e *Error
	var tooLarge *httpx.TooLargeError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &tooLarge):
		return fail(http.StatusRequestEntityTooLarge, codeTooLarge, "Request body too large (max %d bytes)", tooLarge.Limit)
	case errors.Is(err, httpx.ErrStalled):
		return fail(http.StatusRequestTimeout, "request_timeout", "The request body did not arrive")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, session.ErrPoolTimeout):
		return &Error{Status: http.StatusGatewayTimeout, Code: "request_timeout", Cause: err,
			Message: "Processing this request timed out, please retry after a moment."}
	}
	return &Error{Status: http.StatusInternalServerError, Code: codeUnexpected, Cause: err,
		Message: "Unexpected failure, please check server logs for more information"}
}

// shown is the answer to an error; what is the server's own failure is logged.
// It is nil when the client has gone.
func (h *Handler) shown(r *http.Request, err error) *Error {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return nil
	}
	e := asError(err)
	if e.Status >= http.StatusInternalServerError {
		h.log.LogAttrs(r.Context(), slog.LevelError, e.Message,
			slog.String("req_id", gateway.RequestID(r.Context())), slog.String("code", e.Code), slog.Any("cause", e.Cause))
	}
	return e
}

// writeError is the one place that turns errors into answers.
func (h *Handler) writeError(w http.ResponseWriter, r *http.Request, err error) {
	e := h.shown(r, err)
	if e == nil {
		return
	}
	id := gateway.RequestID(r.Context())
	newer := newShape(r)
	if newer {
		w.Header().Set(versionHeader, version2024)
	}
	status := e.Status
	var body any
	switch {
	case e.OAuth != "":
		status, body = http.StatusBadRequest, errorOAuth{e.OAuth, e.Message}
	case newer:
		n := errorNew{Code: e.code(), Message: e.Message}
		if e.Reasons != nil {
			n.Weak = &weakPassword{Reasons: e.Reasons}
		} else {
			w.Header().Set("X-Sb-Error-Code", n.Code)
		}
		body = n
	default:
		w.Header().Set("X-Sb-Error-Code", e.code())
		o := errorOld{Status: e.Status, Code: e.code(), Message: e.Message}
		if e.Status >= http.StatusInternalServerError {
			o.ErrorID = id
		}
		if e.Reasons != nil {
			o.Weak = &weakPassword{Reasons: e.Reasons}
		}
		body = o
		if s, pe := publicPostgresError(e); pe != nil {
			status, body = s, pe
		}
	}
	if werr := httpx.WriteJSON(w, status, body); werr != nil {
		h.log.LogAttrs(r.Context(), slog.LevelError, "an error answer could not be encoded", slog.String("req_id", id), slog.Any("cause", werr))
	}
}

func (e *Error) code() string {
	switch {
	case e.Code != "":
		return e.Code
	case e.Status == http.StatusInternalServerError:
		return codeUnexpected
	}
	return codeUnknown
}

// publicStates are the SQLSTATEs that clients of the older shape are shown:
// those that a project's own triggers and constraints raise.
var publicStates = map[string]bool{
	"P0001": true, // raise exception
	"23000": true, "23001": true, "23502": true, "23503": true, "23505": true, "23514": true, "23P01": true,
}

func publicPostgresError(e *Error) (int, *errorPostgres) {
	var pe *pgconn.PgError
	if e.Status < http.StatusInternalServerError || !errors.As(e.Cause, &pe) {
		return 0, nil
	}
	status := http.StatusInternalServerError
	if digits, ok := strings.CutPrefix(pe.Code, "PT"); ok {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 100 || n > 599 {
			return 0, nil
		}
		status = max(n, 200) // an interim status cannot end an answer
	} else if !publicStates[pe.Code] {
		return 0, nil
	}
	return status, &errorPostgres{Code: pe.Code, Message: pe.Message, Hint: pe.Hint, Detail: pe.Detail}
}

// isState reports whether err is a database error of one of the SQLSTATEs.
func isState(err error, states ...string) bool {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return false
	}
	for _, s := range states {
		if pe.Code == s {
			return true
		}
	}
	return false
}

// isConstraint reports whether err is the violation of a unique index or
// constraint of the schema auth.
func isConstraint(err error, name string) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && pe.Code == stateUnique && pe.SchemaName == "auth" && pe.ConstraintName == name
}

// SQLSTATEs that flows look for.
const (
	stateUnique        = "23505"
	stateLocked        = "55P03"
	stateDeadlock      = "40P01"
	stateSerialization = "40001"
)
