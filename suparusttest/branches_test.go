package suparusttest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// branch is what the control API answers about one.
type branch struct {
	ID           string
	URL          string
	AnonKey      string `json:"anon_key"`
	ServiceKey   string `json:"service_role_key"`
	DatabaseURL  string `json:"database_url"`
	ControlURL   string `json:"control_url"`
	ControlToken string `json:"control_token"`
	Expires      *time.Time
}

func (b *branch) attach(t *testing.T, srv *suparusttest.Server) *suparusttest.Server {
	t.Helper()
	return suparusttest.Attach(t, b.URL, b.DatabaseURL, server.Keys{JWTSecret: srv.JWTSecret, AnonKey: b.AnonKey, ServiceRoleKey: b.ServiceKey})
}

// control is a client of the branch's own control API.
func (b *branch) control() *suparusttest.Client {
	return &suparusttest.Client{HTTP: http.DefaultClient, URL: b.ControlURL, Header: http.Header{"Authorization": {"Bearer " + b.ControlToken}}}
}

// answers tells whether the server of a control API is there. Whoever has been
// given its port since does not take its token.
func answers(ctx context.Context, c *suparusttest.Client) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/clock", nil)
	if err != nil {
		return false
	}
	req.Header, req.Close = c.Header, true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// gone waits until the server of a control API is not there any more.
func gone(t *testing.T, c *suparusttest.Client) {
	t.Helper()
	eventually(t, patience, func() error {
		if answers(t.Context(), c) {
			return errors.New(c.URL + " still answers")
		}
		return nil
	})
}

// TestBranches: a branch is a server of its own, begins as it was asked to, and
// ends in each of the ways there are.
func TestBranches(t *testing.T) {
	t.Parallel()
	snapshots := t.TempDir()
	if err := os.Chmod(snapshots, 0o755); err != nil {
		t.Fatal(err)
	}
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithConfig(func(c *server.Config) { c.SnapshotDir = snapshots }))
	srv.Exec(t, "create table notes (body text); grant all on notes to anon; insert into notes values ('of the parent')")
	srv.ServiceClient().Post(t, "/storage/v1/bucket", `{"name":"b","public":true}`).WantStatus(t, 200)
	srv.ServiceClient().Post(t, "/storage/v1/object/b/x.txt", "the file").WantStatus(t, 200)
	ann := srv.CreateUser(t, "ann@example.com")
	c := srv.Control(t)
	d := &described{t: t}
	c.Get(t, "/openapi.json").JSON(t, d)
	create := func(body string) (b branch) {
		t.Helper()
		r := c.Post(t, "/branches", body).WantStatus(t, http.StatusCreated)
		d.check("POST", "/branches", r)
		r.JSON(t, &b)
		return b
	}
	count := func() int {
		t.Helper()
		var l struct{ Branches []branch }
		r := c.Get(t, "/branches").WantStatus(t, 200)
		d.check("GET", "/branches", r)
		r.JSON(t, &l)
		return len(l.Branches)
	}

	fresh := create(`{}`)
	f := fresh.attach(t, srv)
	f.Client().Get(t, "/rest/v1/notes").WantStatus(t, 404)
	f.Exec(t, "create table notes (body text); grant all on notes to anon")
	f.Client().Post(t, "/rest/v1/notes", `{"body":"of the branch"}`).WantStatus(t, 201)
	f.CreateUser(t, "bob@example.com")
	f.Client().Post(t, "/auth/v1/recover", `{"email":"bob@example.com"}`).WantStatus(t, 200)
	if n := len(srv.Mail.All()); n != 0 {
		t.Errorf("%d mails of the branch are in its parent's box", n)
	}
	own := fresh.control()
	own.Post(t, "/clock", `{"advance":"5h"}`).WantStatus(t, 200)
	if time.Since(srv.Clock.Now()).Abs() > time.Hour {
		t.Error("the clock of the parent was moved")
	}
	var mails struct{ Messages []struct{ To string } }
	own.Get(t, "/mail?to=bob@example.com").WantStatus(t, 200).JSON(t, &mails)
	if len(mails.Messages) != 1 {
		t.Errorf("the branch's mails: %v", mails)
	}

	r := c.Post(t, "/snapshot", `{"name":"one"}`).WantStatus(t, http.StatusCreated)
	d.check("POST", "/snapshot", r)
	srv.Exec(t, "insert into notes values ('later')")
	current, saved := create(`{"from":"current"}`), create(`{"snapshot":"one"}`)
	for b, want := range map[*branch]string{&current: `[{"body":"of the parent"},{"body":"later"}]`, &saved: `[{"body":"of the parent"}]`} {
		s := b.attach(t, srv)
		if got := strings.NewReplacer(" ", "", "\n", "").Replace(string(s.Client().Get(t, "/rest/v1/notes").WantStatus(t, 200).Body)); got != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%s, want %s", got, want)
		}
		if r := s.Client().Get(t, "/storage/v1/object/public/b/x.txt").WantStatus(t, 200); string(r.Body) != "the file" {
			t.Errorf("%s", r.Body)
		}
		s.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, 200) // her session is there, too
		s.Exec(t, "delete from notes")
	}
	if n := count(); n != 3 {
		t.Errorf("%d branches", n)
	}
	if got := titles(t, srv.Client(), "/rest/v1/notes", "body"); got != "of the parent,later" {
		t.Errorf("the parent has %s", got)
	}

	d.check("GET", "/snapshots", c.Get(t, "/snapshots").WantStatus(t, 200))
	d.check("POST", "/restore", c.Post(t, "/restore", `{"name":"one"}`).WantStatus(t, 204))
	if got := titles(t, srv.Client(), "/rest/v1/notes", "body"); got != "of the parent" {
		t.Errorf("restored: %s", got)
	}
	d.check("POST", "/reset", c.Post(t, "/reset", nil).WantStatus(t, 204))
	srv.Client().Get(t, "/rest/v1/notes").WantStatus(t, 404)
	d.check("DELETE", "/snapshots/{name}", c.Delete(t, "/snapshots/one").WantStatus(t, 204))
	for target, status := range map[string]int{"/snapshots/one": 404, "/snapshots/..%2f..": 400, "/branches/none": 404} {
		c.Delete(t, target).WantStatus(t, status)
	}
	c.Post(t, "/branches/none/renew", `{}`).WantStatus(t, 404)
	c.Post(t, "/restore", `{"name":"one"}`).WantStatus(t, 404)
	c.Post(t, "/snapshot", `{"name":"../x"}`).WantStatus(t, 400)
	c.Post(t, "/restore", `{}`).WantStatus(t, 400)
	for _, body := range []string{`{"from":"nowhere"}`, `{"snapshot":"one"}`, `{"from":"current","snapshot":"one"}`, `{"lease":"soon"}`, `{"lease":"-1s"}`, `{"lease":"25h"}`, `{"hold":true,"lease":"1m"}`, `[]`} {
		d.check("POST", "/branches", c.Post(t, "/branches", body).WantStatus(t, 400))
	}

	// the ways to end
	d.check("DELETE", "/branches/{id}", c.Delete(t, "/branches/"+fresh.ID).WantStatus(t, 204))
	gone(t, fresh.control())
	c.Delete(t, "/branches/"+fresh.ID).WantStatus(t, 404)
	r = c.Post(t, "/branches/"+current.ID+"/renew", `{"lease":"1ms"}`).WantStatus(t, 200)
	d.check("POST", "/branches/{id}/renew", r)
	gone(t, current.control())
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/branches", strings.NewReader(`{"hold":true}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = c.Header
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	line, err := bufio.NewReader(res.Body).ReadBytes('\n')
	var held branch
	if err != nil || json.Unmarshal(line, &held) != nil || held.Expires != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s %v", res.StatusCode, line, err)
	}
	held.attach(t, srv).Client().Get(t, "/auth/v1/health").WantStatus(t, 200)
	leave()
	gone(t, held.control())
}

// TestBranchesEndWithTheServer: those that nobody has ended do, and so does the
// answer that holds one.
func TestBranchesEndWithTheServer(t *testing.T) {
	t.Parallel()
	var made []*suparusttest.Client
	var holding io.ReadCloser
	t.Run("server", func(t *testing.T) {
		srv := suparusttest.Start(t, suparusttest.WithoutProject())
		c := srv.Control(t)
		for range 2 {
			var b branch
			c.Post(t, "/branches", `{"lease":"1h"}`).WantStatus(t, http.StatusCreated).JSON(t, &b)
			made = append(made, b.control())
		}
		req, err := http.NewRequest(http.MethodPost, c.URL+"/branches", strings.NewReader(`{"hold":true}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = c.Header
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		holding = res.Body
		line, err := bufio.NewReader(res.Body).ReadBytes('\n')
		var held branch
		if err != nil || json.Unmarshal(line, &held) != nil {
			t.Fatalf("%s %v", line, err)
		}
		made = append(made, held.control())
	})
	if holding == nil {
		t.FailNow()
	}
	_, _ = io.Copy(io.Discard, holding) // up to its end, in whatever way it comes
	holding.Close()
	for _, c := range made {
		if answers(t.Context(), c) {
			t.Errorf("%s still answers", c.URL)
		}
	}
}
