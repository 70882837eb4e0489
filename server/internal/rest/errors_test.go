package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/session"
)

//covers:rest 228
func TestDatabaseErrorStatus(t *testing.T) {
	for _, c := range []struct {
		code, message string
		anon, user    int
	}{
		{"08006", "", 503, 503}, {"09000", "", 500, 500}, {"0L000", "", 403, 403}, {"0P000", "", 403, 403},
		{"23503", "", 409, 409}, {"23505", "", 409, 409}, {"23502", "", 400, 400}, {"23514", "", 400, 400},
		{"25006", "", 405, 405}, {"25001", "", 500, 500}, {"21000", "DELETE requires a WHERE clause", 400, 400}, {"21000", "twice", 500, 500},
		{"22023", `role "x" does not exist`, 401, 401}, {"22023", "other", 400, 400}, {"22P02", "", 400, 400}, {"28000", "", 403, 403},
		{"2D000", "", 500, 500}, {"38000", "", 500, 500}, {"39000", "", 500, 500}, {"3B000", "", 500, 500}, {"40001", "", 500, 500},
		{"53400", "", 500, 500}, {"53300", "", 503, 503}, {"54001", "", 500, 500}, {"55P03", "", 500, 500}, {"57P01", "", 503, 503},
		{"57014", "", 500, 500}, {"58000", "", 500, 500}, {"F0000", "", 500, 500}, {"HV000", "", 500, 500}, {"P0001", "", 400, 400},
		{"P0002", "", 500, 500}, {"XX000", "", 500, 500}, {"42883", "function xmlagg(x)", 406, 406}, {"42883", "", 404, 404},
		{"42P01", "", 404, 404}, {"42P17", "", 500, 500}, {"42501", "", 401, 403}, {"42703", "", 400, 400}, {"42P10", "", 400, 400},
		{"428C9", "", 400, 400}, {"PT402", "", 402, 402}, {"PT999", "", 999, 999}, {"PTabc", "", 500, 500}, {"PT001", "", 500, 500},
	} {
		for _, authenticated := range []bool{false, true} {
			want := c.anon
			if authenticated {
				want = c.user
			}
			e := databaseError(&pgconn.PgError{Code: c.code, Message: c.message, Detail: "d", Hint: "h"}, authenticated)
			if e.Status != want || e.Code != c.code || e.Message != c.message || e.Details != "d" || e.Hint != "h" {
				t.Errorf("%s %q, authenticated %v: %+v, want status %d", c.code, c.message, authenticated, e, want)
			}
		}
	}
}

//covers:rest 170
func TestRaisedErrors(t *testing.T) {
	const message = `{"code":"123","message":"m"}`
	for _, c := range []struct {
		message, detail, code string
		status                int
		details               any
	}{
		{message, `{"status":402,"headers":{"X-A":"b"}}`, "123", 402, nil},
		{`{"code":"1","message":"m","details":"x","hint":"y"}`, `{"status":200,"status_text":"ok","headers":{}}`, "1", 200, "x"},
		{`nope`, `{}`, "PGRST121", 500, "Invalid JSON value for MESSAGE: 'nope'"},
		{`{"code":"1"}`, `{"status":402,"headers":{}}`, "PGRST121", 500, `Invalid JSON value for MESSAGE: '{"code":"1"}'`},
		{message, ``, "PGRST121", 500, "DETAIL is missing in the RAISE statement"},
		{message, `{"status":402}`, "PGRST121", 500, `Invalid JSON value for DETAIL: '{"status":402}'`},
		{message, `{"status":1,"headers":{}}`, "PGRST121", 500, `Invalid JSON value for DETAIL: '{"status":1,"headers":{}}'`},
	} {
		e := databaseError(&pgconn.PgError{Code: "PGRST", Message: c.message, Detail: c.detail}, true)
		if e.Code != c.code || e.Status != c.status || e.Details != c.details {
			t.Errorf("%s %s: %+v", c.message, c.detail, e)
		}
	}
}

func TestServerErrors(t *testing.T) {
	h := &Handler{}
	for _, c := range []struct {
		err    error
		code   string
		status int
	}{
		{session.ErrPoolTimeout, "PGRST003", http.StatusGatewayTimeout},
		{&session.ConnectError{Err: errors.New("refused")}, "PGRST000", http.StatusServiceUnavailable},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), "PGRST001", http.StatusServiceUnavailable},
		{session.ErrClosed, "PGRST001", http.StatusServiceUnavailable},
		{&httpx.TooLargeError{Limit: 5}, "PGRST102", http.StatusRequestEntityTooLarge},
		{errors.New("secret detail"), "PGRSTX00", http.StatusInternalServerError},
		{fmt.Errorf("wrapped: %w", &Error{Code: "X", Status: 418}), "X", 418},
	} {
		if e := h.translate(c.err, true); e.Code != c.code || e.Status != c.status {
			t.Errorf("%v: %+v", c.err, e)
		}
	}
	if body := string(encodeError(h.translate(errors.New("secret detail"), true))); body !=
		`{"code":"PGRSTX00","details":"The server's log has the cause under the X-Request-Id of this answer.","hint":null,"message":"Internal server error"}` {
		t.Errorf("body %s", body)
	}
}

func TestAnswerOverrides(t *testing.T) {
	a := newAnswer(200)
	a.header.Set("Content-Type", "application/json")
	if err := a.override([]byte(`[{"content-type":"text/html"},{"Set-Cookie":"a=1"},{"Set-Cookie":"b=2"}]`), []byte("201 made")); err != nil {
		t.Fatal(err)
	}
	if a.status != 201 || a.header.Get("Content-Type") != "text/html" || len(a.header.Values("Set-Cookie")) != 2 {
		t.Errorf("%d %v", a.status, a.header)
	}
	for _, bad := range []string{`{}`, `[{"a":"b","c":"d"}]`, `[{"a":1}]`, `x`, `[[]]`} {
		var e *Error
		if err := newAnswer(200).override([]byte(bad), nil); !errors.As(err, &e) || e.Code != "PGRST111" {
			t.Errorf("headers %s: %v", bad, err)
		}
	}
	for _, bad := range []string{`x`, `-1`, `7`, ` `} {
		var e *Error
		if err := newAnswer(200).override(nil, []byte(bad)); !errors.As(err, &e) || e.Code != "PGRST112" {
			t.Errorf("status %s: %v", bad, err)
		}
	}
	// as a setting reads that a transaction before had set
	if err := newAnswer(200).override([]byte(""), []byte("")); err != nil {
		t.Errorf("empty: %v", err)
	}
}
