package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// restAPI is the REST API of a server with a configuration of its own.
type restAPI struct {
	*suparusttest.Server
}

func restServer(t *testing.T, sql string, configure func(*server.Config)) *restAPI {
	t.Helper()
	options := []suparusttest.Option{suparusttest.WithoutProject(), suparusttest.WithSQL(sql)}
	if configure != nil {
		options = append(options, suparusttest.WithConfig(configure))
	}
	return &restAPI{suparusttest.Start(t, options...)}
}

// send is a request with just these headers, each "Name: value".
func (a *restAPI) send(t *testing.T, method, path string, headers ...string) *suparusttest.Response {
	t.Helper()
	h := http.Header{}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	c := &suparusttest.Client{HTTP: http.DefaultClient, URL: a.URL + "/rest/v1"}
	return c.Do(t, method, path, nil, h)
}

func (a *restAPI) get(t *testing.T, path string, headers ...string) *suparusttest.Response {
	t.Helper()
	return a.send(t, http.MethodGet, path, headers...)
}

// bearer is the header of a token with these claims, signed with key.
func bearer(t *testing.T, method jwt.SigningMethod, key any, kid string, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	if kid != "" {
		token.Header["kid"] = kid
	}
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: Bearer " + s
}

// as is the header of a token of the server's own.
func (a *restAPI) as(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	return bearer(t, jwt.SigningMethodHS256, []byte(a.JWTSecret), "", claims)
}

func wantBody(t *testing.T, r *suparusttest.Response, status int, body string) {
	t.Helper()
	if r.Status != status || string(r.Body) != body {
		t.Errorf("%d %s, want %d %s", r.Status, r.Body, status, body)
	}
}

// wantError compares an error's status, code and message.
func wantError(t *testing.T, r *suparusttest.Response, status int, code, message string) {
	t.Helper()
	var e struct {
		Code, Message string
		Details, Hint any
	}
	r.JSON(t, &e)
	if r.Status != status || e.Code != code || message != "" && e.Message != message {
		t.Errorf("%d %s, want %d %s %s", r.Status, r.Body, status, code, message)
	}
	if got := r.Header.Get("Proxy-Status"); got != "PostgREST; error="+code {
		t.Errorf("Proxy-Status is %q, want that of %s", got, code)
	}
}

// inDatabase sets a setting of the API on the login role, and has it read.
func (a *restAPI) inDatabase(t *testing.T, name, value string) {
	t.Helper()
	a.Exec(t, "alter role authenticator set pgrst."+name+" = '"+strings.ReplaceAll(value, "'", "''")+"'")
	a.reload(t)
}

func (a *restAPI) notInDatabase(t *testing.T, name string) {
	t.Helper()
	a.Exec(t, "alter role authenticator reset pgrst."+name)
	a.reload(t)
}

// reload has the settings read anew: a refusal that they may have lifted looks
// whether they have changed.
func (a *restAPI) reload(t *testing.T) {
	t.Helper()
	a.Exec(t, "create table public.reload_now(); drop table public.reload_now")
	a.get(t, "/")
}

// eventually waits for a condition that nothing announces.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within 15 s", what)
		}
	}
}
