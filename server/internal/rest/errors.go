package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/session"
)

// Error is an answer in the dialect's error shape.
type Error = request.Error

// errorBody is the shape of every error; the members are in alphabetical order.
type errorBody struct {
	Code    string  `json:"code"`
	Details any     `json:"details"`
	Hint    *string `json:"hint"`
	Message string  `json:"message"`
}

func encodeError(e *Error) []byte {
	body := errorBody{Code: e.Code, Details: e.Details, Message: e.Message}
	if e.Hint != "" {
		body.Hint = &e.Hint
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return []byte(`{"code":"PGRSTX00","details":null,"hint":null,"message":"Internal server error"}`)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// writeError answers any error; it is the only place that does.
func (h *Handler) writeError(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // nobody is there to read it
	}
	e := h.translate(err, false)
	if e.Status >= http.StatusInternalServerError {
		h.log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("req_id", gateway.RequestID(r.Context())),
			slog.String("code", e.Code), slog.String("error", err.Error()))
	}
	writeErrorAnswer(w, r, e)
}

func writeErrorAnswer(w http.ResponseWriter, r *http.Request, e *Error) {
	body := encodeError(e)
	head := w.Header()
	for name, values := range e.Header {
		head[name] = values
	}
	head.Set("Content-Type", "application/json; charset=utf-8")
	head.Set("Proxy-Status", "PostgREST; error="+headerToken(e.Code))
	if e.Status == http.StatusUnauthorized && head.Get("WWW-Authenticate") == "" {
		head.Set("WWW-Authenticate", "Bearer")
	}
	if e.Status == http.StatusServiceUnavailable {
		head.Set("Retry-After", "1")
	}
	if r.Method != http.MethodHead {
		head.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone when this fails; nothing is left to do
	}
}

// headerToken keeps what may stand in a header of the code a function has chosen.
func headerToken(code string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, code)
}

// translate turns any error into the dialect's. authenticated tells that the
// request ran under a role other than the anonymous one.
func (h *Handler) translate(err error, authenticated bool) *Error {
	var e *Error
	var pe *pgconn.PgError
	var connect *session.ConnectError
	var large *httpx.TooLargeError
	var answer *pgproto3.ExceededMaxBodyLenErr
	var streamed *tooLargeError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &large):
		return request.BodyTooLarge(large.Limit)
	case errors.Is(err, httpx.ErrStalled):
		return &Error{Code: "PGRST102", Status: http.StatusRequestTimeout, Message: "The request body did not arrive",
			Hint: "Send the whole body without pauses."}
	case errors.As(err, &answer):
		return responseTooLarge(int64(answer.MaxExpectedBodyLen))
	case errors.As(err, &streamed):
		return responseTooLarge(streamed.limit)
	case errors.Is(err, errMemory):
		return memoryTimeout()
	case errors.Is(err, session.ErrPoolTimeout):
		return &Error{Code: "PGRST003", Status: http.StatusGatewayTimeout, Message: "Timed out acquiring connection from connection pool.", Cause: err}
	case errors.As(err, &connect):
		return &Error{Code: "PGRST000", Status: http.StatusServiceUnavailable, Message: "Database connection error.",
			Details: "The database did not accept a connection.", Cause: err}
	case errors.As(err, &pe):
		return databaseError(pe, authenticated)
	case errors.Is(err, session.ErrClosed), pgconn.Timeout(err), isNetwork(err):
		return &Error{Code: "PGRST001", Status: http.StatusServiceUnavailable,
			Message: "Database client error. Retrying the connection.", Details: "The connection to the database was lost.", Cause: err}
	default:
		return &Error{Code: "PGRSTX00", Status: http.StatusInternalServerError, Message: "Internal server error",
			Details: "The server's log has the cause under the X-Request-Id of this answer.", Cause: err}
	}
}

func responseTooLarge(limit int64) *Error {
	return &Error{Code: "PGRSTX00", Status: http.StatusInternalServerError, Message: "The response is too large",
		Details: fmt.Sprintf("At most %d bytes are sent.", limit), Hint: "Ask for fewer rows or columns: use limit, offset and select."}
}

// databaseError shows an error of PostgreSQL with its own words.
func databaseError(pe *pgconn.PgError, authenticated bool) *Error {
	if pe.Code == "PGRST" {
		return raisedError(pe)
	}
	e := &Error{Code: pe.Code, Message: pe.Message, Hint: pe.Hint, Status: databaseStatus(pe, authenticated)}
	if pe.Detail != "" {
		e.Details = pe.Detail
	}
	return e
}

// statusRule maps SQLSTATEs by prefix; the first that fits counts.
var statusRules = []struct {
	prefix string
	status int
}{
	{"08", 503}, {"09", 500}, {"0L", 403}, {"0P", 403}, {"23503", 409}, {"23505", 409}, {"25006", 405}, {"25", 500},
	{"28", 403}, {"2D", 500}, {"38", 500}, {"39", 500}, {"3B", 500}, {"40", 500}, {"53400", 500}, {"53", 503},
	{"54", 500}, {"55", 500}, {"57P01", 503}, {"57", 500}, {"58", 500}, {"F0", 500}, {"HV", 500}, {"P0001", 400}, {"P0", 500},
	{"XX", 500}, {"42P01", 404}, {"42P17", 500},
}

func databaseStatus(pe *pgconn.PgError, authenticated bool) int {
	switch {
	case pe.Code == "21000":
		if strings.HasSuffix(pe.Message, "requires a WHERE clause") {
			return http.StatusBadRequest
		}
		return http.StatusInternalServerError
	case pe.Code == "22023" && strings.HasPrefix(pe.Message, "role ") && strings.HasSuffix(pe.Message, " does not exist"):
		return http.StatusUnauthorized
	case pe.Code == "42883":
		if strings.HasPrefix(pe.Message, "function xmlagg(") {
			return http.StatusNotAcceptable
		}
		return http.StatusNotFound
	case pe.Code == "42501":
		if authenticated {
			return http.StatusForbidden
		}
		return http.StatusUnauthorized
	case strings.HasPrefix(pe.Code, "PT"):
		if n, err := strconv.Atoi(pe.Code[2:]); err == nil && validStatus(n) {
			return n
		}
		return http.StatusInternalServerError
	}
	for _, r := range statusRules {
		if strings.HasPrefix(pe.Code, r.prefix) {
			return r.status
		}
	}
	return http.StatusBadRequest
}

// validStatus is true for what can be the status of a final answer.
func validStatus(n int) bool { return n >= 200 && n <= 999 }

// raisedError is RAISE SQLSTATE 'PGRST': the message is the body, the detail
// status and headers.
func raisedError(pe *pgconn.PgError) *Error {
	bad := func(details, hint string) *Error {
		return &Error{Code: "PGRST121", Status: http.StatusInternalServerError,
			Message: `Could not parse JSON in the "RAISE SQLSTATE 'PGRST'" error`, Details: details, Hint: hint}
	}
	const messageHint = "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'."
	const detailHint = "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'."
	var message struct {
		Code, Message *string
		Details, Hint *string
	}
	if json.Unmarshal([]byte(pe.Message), &message) != nil || message.Code == nil || message.Message == nil {
		return bad(fmt.Sprintf("Invalid JSON value for MESSAGE: '%s'", pe.Message), messageHint)
	}
	if pe.Detail == "" {
		return bad("DETAIL is missing in the RAISE statement", detailHint)
	}
	var detail struct {
		Status  *int
		Headers map[string]string
	}
	if json.Unmarshal([]byte(pe.Detail), &detail) != nil || detail.Status == nil || detail.Headers == nil || !validStatus(*detail.Status) {
		return bad(fmt.Sprintf("Invalid JSON value for DETAIL: '%s'", pe.Detail), detailHint)
	}
	e := &Error{Code: *message.Code, Message: *message.Message, Status: *detail.Status, Header: http.Header{}}
	if message.Details != nil {
		e.Details = *message.Details
	}
	if message.Hint != nil {
		e.Hint = *message.Hint
	}
	for name, value := range detail.Headers {
		e.Header.Set(name, value)
	}
	return e
}

// isNetwork is true when the connection to the database broke.
func isNetwork(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || strings.Contains(err.Error(), "conn closed")
}
