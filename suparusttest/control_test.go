package suparusttest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// TestControl: what only tests ask for, over HTTP, for who has the token and
// only where it is switched on, as its own description says.
func TestControl(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject())
	c := srv.Control(t)
	d := &described{t: t}
	c.Get(t, "/openapi.json").WantStatus(t, http.StatusOK).JSON(t, d)
	do := func(method, target string, body any, status int) *suparusttest.Response {
		t.Helper()
		r := c.Do(t, method, target, body, nil).WantStatus(t, status)
		path, _, _ := strings.Cut(target, "?")
		d.check(method, path, r)
		return r
	}
	var self struct {
		URL     string `json:"url"`
		AnonKey string `json:"anon_key"`
	}
	do("GET", "/", nil, 200).JSON(t, &self)
	if self.URL != srv.URL || self.AnonKey != srv.AnonKey {
		t.Errorf("it describes %+v", self)
	}

	now := func(r *suparusttest.Response) time.Time {
		t.Helper()
		var clock struct{ Now time.Time }
		r.JSON(t, &clock)
		return clock.Now
	}
	before := now(do("GET", "/clock", nil, 200))
	if d := now(do("POST", "/clock", map[string]string{"advance": "2h"}, 200)).Sub(before); d < 2*time.Hour || d > 3*time.Hour {
		t.Errorf("advanced by %v", d)
	}
	if got := now(do("POST", "/clock", map[string]string{"set": "2040-05-05T05:05:05Z"}, 200)); got.Year() != 2040 {
		t.Errorf("set to %v", got)
	}
	do("POST", "/clock", map[string]any{"set": time.Now()}, 200) // keys that have run out have not locked the way back
	for _, body := range []string{`{}`, `{"advance":"soon"}`, `{"advance":"1h","set":"2035-05-05T05:05:05Z"}`, `{"set":5}`, `x`} {
		do("POST", "/clock", body, 400)
	}

	ann := srv.CreateUser(t, "ann@example.com")
	do("POST", "/auth/session", map[string]string{"email": "ann@example.com"}, 200)
	for body, status := range map[string]int{`{"email":"nobody@example.com"}`: 404, `{"phone":"15550100"}`: 404, `{"user_id":"x"}`: 404, `{}`: 400, `{"email":"ann@example.com","user_id":"x"}`: 400} {
		do("POST", "/auth/session", body, status)
	}
	// as curl and urllib send what they are not told the type of
	c.Do(t, "POST", "/auth/session", `{"email":"ann@example.com"}`, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}).WantStatus(t, 200)
	srv.Exec(t, "create table held (owner uuid references auth.users)")
	srv.Exec(t, "insert into held values ($1)", ann.ID)
	do("POST", "/auth/reset", nil, 500)
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, 200) // nothing is half gone

	var mails struct {
		Messages []struct{ To, Code, Link string }
	}
	do("GET", "/mail?to=ann@example.com&wait=1ms", nil, 200).JSON(t, &mails)
	if len(mails.Messages) != 0 {
		t.Errorf("%+v", mails)
	}
	do("GET", "/mail?wait=soon", nil, 400)
	waiting := make(chan *suparusttest.Response)
	go func() { waiting <- c.Get(t, "/mail?to=ann@example.com&wait=30s") }()
	srv.Client().Post(t, "/auth/v1/recover", map[string]string{"email": "ann@example.com"}).WantStatus(t, 200)
	r := (<-waiting).WantStatus(t, 200)
	d.check("GET", "/mail", r)
	r.JSON(t, &mails)
	if len(mails.Messages) != 1 || mails.Messages[0].To != "ann@example.com" || len(mails.Messages[0].Code) != 6 || mails.Messages[0].Link == "" {
		t.Errorf("%+v", mails)
	}
	do("DELETE", "/mail", nil, 204)
	srv.Exec(t, "truncate held")
	do("POST", "/auth/reset", nil, 204)

	do("POST", "/faults", map[string]any{"path": "/rest/v1", "skip": 1, "times": -1, "delay": "1ms", "status": 503, "header": map[string]string{"Retry-After": "1"}}, 200)
	srv.Client().Get(t, "/rest/v1/").WantStatus(t, 200)
	if r := srv.Client().Get(t, "/rest/v1/").WantStatus(t, 503); r.Header.Get("Retry-After") != "1" {
		t.Errorf("%v", r.Header)
	}
	do("GET", "/faults", nil, 200)
	do("DELETE", "/faults", nil, 204)
	srv.Client().Get(t, "/rest/v1/").WantStatus(t, 200)
	for _, body := range []string{
		`{}`, `{"path":"x","cut":true}`, `{"path":"/x"}`, `{"path":"/x","cut":true,"status":500}`, `{"path":"/x","status":99}`, `{"path":"/x","cut":true,"body":"b"}`,
		`{"path":"/x","delay":"1"}`, `{"path":"/x","delay":"24h"}`, `{"path":"/x","cut":true,"skip":-1}`, `{"path":"/x","cut_after":-1}`,
	} {
		do("POST", "/faults", body, 400)
	}
	do("POST", "/http", `{"url":"https://a.example.com/*","method":"POST","times":2,"status":201,"header":{"X-A":"b"},"body":{"ok":true}}`, 200)
	do("GET", "/http", nil, 200)
	do("GET", "/http/requests?url=*&wait=1ms", nil, 200)
	do("GET", "/http/requests?wait=soon", nil, 400)
	for _, body := range []string{`{}`, `{"url":"x"}`, `{"url":"*","status":1}`, `{"url":"*","times":-1}`, `[]`} {
		do("POST", "/http", body, 400)
	}
	long := `{"url":"https://a.example.com/*","body":"` + strings.Repeat("x", 500_000) + `"}`
	do("POST", "/http", long, 200)
	do("DELETE", "/http", nil, 204)
	do("POST", "/http", strings.Repeat(long, 3), 413)
	if r := do("GET", "/requests", nil, 200); !strings.Contains(string(r.Body), `"/rest/v1/"`) {
		t.Errorf("no request of before: %s", r.Body)
	}
	if r := do("GET", "/database/log?lines=200", nil, 200); !strings.Contains(string(r.Body), "ready to accept connections") {
		t.Errorf("PostgreSQL's log: %s", r.Body)
	}
	for _, lines := range []string{"0", "-1", "2001", "x"} {
		do("GET", "/database/log?lines="+lines, nil, 400)
	}
	do("POST", "/database/disconnect", nil, 200)
	c.Get(t, "/nothing").WantStatus(t, 404)

	for _, token := range []string{"", "Bearer ", "Bearer " + srv.ServiceKey, "Basic " + strings.TrimPrefix(c.Header.Get("Authorization"), "Bearer ")} {
		r := c.Do(t, "GET", "/clock", nil, http.Header{"Authorization": {token}}).WantStatus(t, 401)
		d.check("GET", "/clock", r)
	}
	c.Do(t, "GET", "/clock", nil, http.Header{"Origin": {"https://example.com"}}).WantStatus(t, 403)
}

// TestControlIsOff: it is there only where it is asked for, on loopback, with a
// token that cannot be guessed.
func TestControlIsOff(t *testing.T) {
	t.Parallel()
	off := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithConfig(func(c *server.Config) { c.Control = false }))
	off.ServiceClient().Get(t, "/_suparust/v1/clock").WantStatus(t, http.StatusNotFound)

	c := server.DefaultConfig()
	c.Keys.JWTSecret, c.Control = server.DemoJWTSecret, true
	if _, err := server.New(c); err == nil || !strings.Contains(err.Error(), "SUPARUST_BIND_ADDR") {
		t.Errorf("the clock of a server that everyone reaches can be moved: %v", err)
	}
	c.BindAddr, c.ControlToken = "127.0.0.1", "short"
	if _, err := server.New(c); err == nil || !strings.Contains(err.Error(), "SUPARUST_CONTROL_TOKEN") {
		t.Errorf("the token can be guessed: %v", err)
	}
}

// TestFaults: requests meet what was planned for them, in order, and nothing
// else does.
func TestFaults(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(`
		create table notes (body text); grant all on notes to anon`))
	fresh := func() *suparusttest.Client { // a connection of its own: Go repeats a GET on a kept one
		c := srv.Client()
		transport := &http.Transport{DisableKeepAlives: true}
		t.Cleanup(transport.CloseIdleConnections)
		c.HTTP = &http.Client{Transport: transport}
		return c
	}
	send := func(method, path, body string) (int, string, error) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		c := fresh()
		req.Header = c.Header.Clone()
		req.Header.Set("Content-Type", "application/json")
		res, err := c.HTTP.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		var b strings.Builder
		buf := make([]byte, 512)
		for {
			n, err := res.Body.Read(buf)
			b.Write(buf[:n])
			if err != nil {
				if err.Error() == "EOF" {
					err = nil
				}
				return res.StatusCode, b.String(), err
			}
		}
	}
	count := func() (n int) {
		t.Helper()
		if err := srv.Pool(t).QueryRow(t.Context(), "select count(*) from notes").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}

	srv.Fault(t, suparusttest.Fault{Method: "POST", Path: "/rest/v1/notes", Times: 2, Status: 429, Body: `{"message":"later"}`})
	for i, want := range []int{429, 429, 201} {
		if status, body, err := send("POST", "/rest/v1/notes", `{"body":"a"}`); err != nil || status != want || status == 429 && body != `{"message":"later"}` {
			t.Errorf("%d: %d %s %v", i, status, body, err)
		}
		if status, _, err := send("GET", "/rest/v1/notes", ""); err != nil || status != 200 {
			t.Errorf("%d: another method: %d %v", i, status, err)
		}
	}
	srv.Fault(t, suparusttest.Fault{Path: "/rest/v1/not", Times: -1, Cut: true})
	if n := count(); n != 1 {
		t.Errorf("%d rows", n)
	}

	srv.Fault(t, suparusttest.Fault{Path: "/rest/v1/notes", Cut: true})
	if status, _, err := send("POST", "/rest/v1/notes", `{"body":"b"}`); err == nil || count() != 1 {
		t.Errorf("cut: %d %v, %d rows", status, err, count())
	}
	srv.Fault(t, suparusttest.Fault{Path: "/rest/v1/notes", LoseAnswer: true})
	if status, _, err := send("POST", "/rest/v1/notes", `{"body":"c"}`); err == nil || count() != 2 {
		t.Errorf("the answer is lost: %d %v, %d rows", status, err, count())
	}
	srv.Exec(t, "insert into notes select repeat('x', 1000) from generate_series(1, 5000)")
	srv.Fault(t, suparusttest.Fault{Path: "/rest/v1/notes", CutAfter: 1000})
	if status, body, err := send("GET", "/rest/v1/notes", ""); err == nil || status != 200 || len(body) != 1000 {
		t.Errorf("cut after 1000 bytes: %d, %d bytes, %v", status, len(body), err)
	}
	if status, _, err := send("GET", "/rest/v1/notes?limit=1", ""); err != nil || status != 200 {
		t.Errorf("afterwards: %d %v", status, err)
	}

	srv.Fault(t, suparusttest.Fault{Path: "/", Times: -1, Delay: time.Hour / 10})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", srv.URL+"/auth/v1/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := fresh().HTTP.Do(req); err == nil {
		res.Body.Close()
		t.Error("it was not slow")
	}
	srv.ClearFaults(t)
	srv.Client().Get(t, "/auth/v1/health").WantStatus(t, 200)
}
