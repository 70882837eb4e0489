package rest_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

// client sends requests as one caller.
type client struct {
	url   string
	token string
}

type result struct {
	status int
	header http.Header
	body   []byte
}

func (f *fixture) as(t testing.TB, role string, claims map[string]any) *client {
	t.Helper()
	all := map[string]any{"role": role}
	maps.Copy(all, claims)
	return &client{url: f.URL, token: f.token(t, all)}
}

func (f *fixture) anonymous() *client { return &client{url: f.URL} }

func (c *client) get(t testing.TB, path string, header ...string) *result {
	t.Helper()
	return c.send(t, http.MethodGet, path, "", header...)
}

func (c *client) post(t testing.TB, path, body string, header ...string) *result {
	t.Helper()
	return c.send(t, http.MethodPost, path, body, header...)
}

func (c *client) send(t testing.TB, method, path, body string, header ...string) *result {
	t.Helper()
	req, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return &result{}
	}
	if body == "" {
		req.Body = http.NoBody
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return &result{}
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return &result{status: res.StatusCode, header: res.Header, body: raw}
}

func (r *result) wantStatus(t testing.TB, status int) {
	t.Helper()
	if r.status != status {
		t.Errorf("status %d, want %d: %.2000s", r.status, status, r.body)
	}
}

// want compares status and body, the body as JSON where there is any.
func (r *result) want(t testing.TB, status int, body string) {
	t.Helper()
	r.wantStatus(t, status)
	if body == "" || r.status != status {
		if len(r.body) > 0 && body == "" {
			t.Errorf("body %s, want none", r.body)
		}
		return
	}
	sameJSON(t, r.body, body)
}

// wantCode compares status and error code, and that the error has its four members.
func (r *result) wantCode(t testing.TB, status int, code string) {
	t.Helper()
	r.wantStatus(t, status)
	var e map[string]any
	if err := json.Unmarshal(r.body, &e); err != nil {
		t.Errorf("the error is no JSON: %.2000s", r.body)
		return
	}
	if e["code"] != code || len(e) != 4 || e["message"] == "" {
		t.Errorf("error %s, want %s", r.body, code)
	}
	if got := r.header.Get("Proxy-Status"); got != "PostgREST; error="+code {
		t.Errorf("Proxy-Status is %q", got)
	}
}

// eventually waits for a condition that nothing announces.
func (f *fixture) eventually(t testing.TB, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the condition did not come true in 10 s")
		}
	}
}

// wantHeader compares one header, given as "Name: value".
func (r *result) wantHeader(t testing.TB, header string) {
	t.Helper()
	name, value, _ := strings.Cut(header, ": ")
	if got := r.header.Get(name); got != value {
		t.Errorf("%s is %q, want %q", name, got, value)
	}
}

// wantText compares status and body as they are.
func (r *result) wantText(t testing.TB, status int, body string) {
	t.Helper()
	r.wantStatus(t, status)
	if string(r.body) != body {
		t.Errorf("body %q, want %q", r.body, body)
	}
}

// decode reads a body that must be JSON into v.
func decode(t testing.TB, body []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(body, v); err != nil {
		t.Errorf("%v: %s", err, body)
	}
}
