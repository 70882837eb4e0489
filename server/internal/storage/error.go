package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/session"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// Error is an answer of the Storage API that is not a success. The API says
// the true status in the body, as text, and answers HTTP 400 for nearly all.
type Error struct {
	HTTP    int    // the status of the answer; 0 is 400
	Status  int    // the status in the body
	Name    string // "error" in the body
	Message string
	Code    string
	Cause   error // for the log of a 5xx; never shown
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func (e *Error) Unwrap() error { return e.Cause }

type errorBody struct {
	StatusCode string `json:"statusCode"`
	Error      string `json:"error"`
	Message    string `json:"message"`
	Code       string `json:"code"`
}

// jsonType is the content type of every JSON answer but the first kind of 404.
const jsonType = "application/json; charset=utf-8"

// fail writes the answer for an error that a handler returned.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := h.toError(r.Context(), err)
	status := e.HTTP
	if status == 0 {
		status = http.StatusBadRequest
	}
	if e.Status >= 500 {
		h.logFailure(r.Context(), e, err)
	}
	body := errorBody{StatusCode: fmt.Sprint(e.Status), Error: e.Name, Message: e.Message, Code: e.Code}
	if err := httpx.WriteJSONType(w, status, jsonType, body); err != nil {
		h.log.Error("an error answer could not be written", "error", err)
	}
}

// logFailure tells the log what the answer does not: why the server failed.
func (h *Handler) logFailure(ctx context.Context, e *Error, err error) {
	h.log.LogAttrs(ctx, slog.LevelError, "a storage request failed",
		slog.String("req_id", gateway.RequestID(ctx)), slog.String("code", e.Code), slog.Any("error", err))
}

// toError turns any error into an answer.
func (h *Handler) toError(ctx context.Context, err error) *Error {
	var (
		e    *Error
		pg   *pgconn.PgError
		conn *session.ConnectError
		read *blob.ReadError
		big  *httpx.TooLargeError
	)
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &big):
		return &Error{HTTP: 413, Status: 413, Name: "FastifyError", Code: "EntityTooLarge", Message: "Request body is too large"}
	case errors.Is(err, httpx.ErrStalled):
		return &Error{HTTP: 408, Status: 408, Name: "InvalidRequest", Code: "InvalidRequest", Cause: err,
			Message: "The request body did not arrive: send it without pauses"}
	case ctx.Err() != nil:
		return &Error{HTTP: 499, Status: 499, Name: "Request aborted", Code: "Aborted", Message: "Request aborted", Cause: err}
	case errors.As(err, &pg):
		return fromPostgres(pg)
	case errors.Is(err, session.ErrPoolTimeout):
		return tooManyConnections(err)
	case errors.As(err, &conn):
		return databaseTimeout(err)
	case errors.Is(err, blob.ErrTooLarge):
		return errTooLarge("object")
	case errors.As(err, &read):
		return &Error{Status: 400, Name: "InvalidRequest", Code: "InvalidRequest", Cause: err,
			Message: "The request body ended before all of it was received"}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &Error{HTTP: 507, Status: 507, Name: "Internal", Code: "InternalError", Cause: err,
			Message: "The server has no space left to store the object"}
	default:
		return &Error{HTTP: 500, Status: 500, Name: "Internal", Code: "InternalError", Message: "Internal Server Error", Cause: err}
	}
}

// SQLSTATEs that have an answer of their own.
const (
	pgInsufficientPrivilege = "42501"
	pgUniqueViolation       = "23505"
	pgForeignKeyViolation   = "23503"
	pgLockNotAvailable      = "55P03"
	pgQueryCanceled         = "57014"
	pgReadOnly              = "25006"
	pgInvalidParameter      = "22023"
	pgTooManyConnections    = "53300"
	pgInvalidText           = "22P02"
	pgFailedTransaction     = "25P02"
	pgInvalidObject         = "42P17"
	pgUndefinedColumn       = "42703"
	pgUndefinedTable        = "42P01"
	pgSwept                 = "SRS03" // of suparust.bytes_are_swept
)

func fromPostgres(pe *pgconn.PgError) *Error {
	switch pe.Code {
	case pgInsufficientPrivilege:
		if strings.Contains(pe.Message, "row-level security") {
			return withCause(errAccessDenied("new row violates row-level security policy"), pe)
		}
		return withCause(errAccessDenied(pe.Message), pe)
	case pgUniqueViolation:
		return withCause(errDuplicate("ResourceAlreadyExists"), pe)
	case pgForeignKeyViolation:
		if strings.Contains(pe.Detail, "is still referenced from table") {
			return errReferenced(pe)
		}
		return &Error{Status: 404, Name: "InvalidRequest", Code: "InvalidRequest", Message: "The related resource does not exist", Cause: pe}
	case pgLockNotAvailable:
		return &Error{Status: 423, Name: "ResourceLocked", Code: "ResourceLocked", Message: "The resource is locked", Cause: pe}
	case pgQueryCanceled:
		return databaseTimeout(pe)
	case pgReadOnly:
		return &Error{Status: 503, Name: "DatabaseReadOnly", Code: "DatabaseReadOnly", Cause: pe,
			Message: "The database is currently in read-only mode. Please try again later."}
	case pgTooManyConnections:
		return tooManyConnections(pe)
	case pgInvalidText:
		return &Error{Status: 400, Name: "InvalidParameter", Code: "InvalidParameter", Message: pe.Message, Cause: pe}
	case pgFailedTransaction:
		return &Error{HTTP: 500, Status: 500, Name: "DatabaseTransactionAborted", Code: "DatabaseTransactionAborted", Cause: pe,
			Message: "The database transaction has been aborted. Roll back the transaction before retrying."}
	case pgInvalidObject:
		return &Error{Status: 503, Name: "DatabaseInvalidObjectDefinition", Code: "DatabaseInvalidObjectDefinition", Cause: pe,
			Message: "The database schema is invalid or incompatible."}
	case pgUndefinedColumn, pgUndefinedTable:
		return errSchemaMismatch(pe)
	case pgSwept:
		return &Error{Status: 408, Name: "RequestTimeout", Code: "RequestTimeout", Cause: pe,
			Message: "The upload took so long that the server has given its bytes up: upload them again"}
	case pgInvalidParameter:
		if strings.HasPrefix(pe.Message, "role ") { // the token's role is not in the database
			return withCause(errAccessDenied(pe.Message), pe)
		}
	}
	return &Error{HTTP: 500, Status: 500, Name: "DatabaseError", Code: "DatabaseError", Message: "database error, code: " + pe.Code, Cause: pe}
}

// errSchemaMismatch is a column or a table that is missing, and where a policy
// or a trigger has missed it.
func errSchemaMismatch(pe *pgconn.PgError) *Error {
	e := &Error{Status: 503, Name: "DatabaseSchemaMismatch", Code: "DatabaseSchemaMismatch", Cause: pe,
		Message: "The database schema is out of sync. Please run migrations or contact support."}
	if pe.InternalQuery != "" && pe.InternalPosition != 0 {
		e.Message = "There is a database schema mismatch in a trigger or RLS policy: " + pe.Where
	}
	return e
}

func withCause(e *Error, cause error) *Error {
	e.Cause = cause
	return e
}

func errReferenced(pe *pgconn.PgError) *Error {
	msg := "The resource could not be updated or removed due to a foreign key constraint"
	if strings.HasPrefix(pe.ConstraintName, "s3_multipart_uploads") {
		msg = "The bucket could not be updated because it is referenced by a pending multipart upload."
	}
	return &Error{Status: 409, Name: "ResourceReferenced", Code: "ResourceReferenced", Message: msg, Cause: pe}
}

func tooManyConnections(cause error) *Error {
	return &Error{HTTP: 429, Status: 429, Name: "too_many_connections", Code: "SlowDown",
		Message: "Too many connections issued to the database", Cause: cause}
}

func databaseTimeout(cause error) *Error {
	return &Error{HTTP: 544, Status: 544, Name: "DatabaseTimeout", Code: "DatabaseTimeout",
		Message: "The connection to the database timed out", Cause: cause}
}

func errNoSuchBucket() *Error {
	return &Error{Status: 404, Name: "Bucket not found", Code: "NoSuchBucket", Message: "Bucket not found"}
}

func errNoSuchKey() *Error {
	return &Error{Status: 404, Name: "not_found", Code: "NoSuchKey", Message: "Object not found"}
}

func errAccessDenied(message string) *Error {
	return &Error{Status: 403, Name: "Unauthorized", Code: "AccessDenied", Message: message}
}

// errDuplicate is a name that is taken; code says of what.
func errDuplicate(code string) *Error {
	return &Error{Status: 409, Name: "Duplicate", Code: code, Message: "The resource already exists"}
}

func errInvalidKey(key string) *Error {
	return &Error{Status: 400, Name: "InvalidKey", Code: "InvalidKey", Message: "Invalid key: " + key}
}

func errInvalidBucketName() *Error {
	return &Error{Status: 400, Name: "Invalid Input", Code: "InvalidBucketName", Message: "Bucket name invalid"}
}

func errTooLarge(what string) *Error {
	return &Error{Status: 413, Name: "Payload too large", Code: "EntityTooLarge",
		Message: "The " + what + " exceeded the maximum allowed size"}
}

func errMimeType(mime string) *Error {
	return &Error{Status: 415, Name: "invalid_mime_type", Code: "InvalidMimeType", Message: "mime type " + mime + " is not supported"}
}

func errContentType() *Error {
	return &Error{Status: 415, Name: "invalid_mime_type", Code: "InvalidMimeType", Message: "Invalid Content-Type header"}
}

func errNoContent() *Error {
	return &Error{Status: 400, Name: "InvalidRequest", Code: "InvalidRequest", Message: "No content provided"}
}

func errInvalidRequest(message string) *Error {
	return &Error{Status: 400, Name: "InvalidRequest", Code: "InvalidRequest", Message: message}
}

func errInvalidParameter(name string) *Error {
	return &Error{Status: 400, Name: "InvalidParameter", Code: "InvalidParameter", Message: "Invalid Parameter " + name}
}

// errValidation is a request that does not fit its schema.
func errValidation(message string) *Error {
	return &Error{Status: 400, Name: "Error", Code: "InvalidRequest", Message: message}
}

func errRange() *Error {
	return &Error{HTTP: 416, Status: 416, Name: "invalid_range", Code: "InvalidRange", Message: "invalid range provided"}
}

func errSignature(message string) *Error {
	return &Error{Status: 400, Name: "InvalidSignature", Code: "InvalidSignature", Message: message}
}

func errLockTimeout(cause error) *Error {
	return &Error{Status: 503, Name: "acquiring_lock_timeout", Code: "LockTimeout", Message: "acquiring lock timeout", Cause: cause}
}

// isState reports whether err is PostgreSQL's of this SQLSTATE.
func isState(err error, code string) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && pe.Code == code
}

// rolledBack reports whether err proves that the transaction did not happen.
func rolledBack(err error) bool {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		var conn *session.ConnectError
		return errors.As(err, &conn) || errors.Is(err, session.ErrPoolTimeout) || errors.Is(err, session.ErrClosed)
	}
	return !strings.HasPrefix(pe.Code, "57P") && !strings.HasPrefix(pe.Code, "08")
}
