package suparusttest_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

func ExampleClock_Set() {
	srv := suparusttest.Start(t)
	ann := srv.CreateUser(t, "ann@example.com")
	srv.Clock.Set(time.Date(2030, time.January, 31, 12, 0, 0, 0, time.UTC)) // and it runs on from there
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, http.StatusForbidden)
	if year := srv.Clock.Now().Year(); year != 2030 {
		t.Errorf("it is %d", year)
	}
}

func ExampleMailbox_WaitFor() {
	srv := suparusttest.Start(t)
	srv.CreateUser(t, "ann@example.com")
	srv.Client().Post(t, "/auth/v1/otp", `{"email":"ann@example.com"}`).WantStatus(t, http.StatusOK)
	first := srv.Mail.Wait(t, "ann@example.com")
	srv.Client().Post(t, "/auth/v1/recover", `{"email":"ann@example.com"}`).WantStatus(t, http.StatusOK)

	second := srv.Mail.WaitFor(t, "ann@example.com", func(m suparusttest.Message) bool { return m.ID != first.ID })
	srv.Client().Post(t, "/auth/v1/verify", map[string]string{"type": "recovery", "token_hash": second.TokenHash}).WantStatus(t, http.StatusOK)
}

func ExampleMailbox_List() {
	srv := suparusttest.Start(t)
	for _, address := range []string{"ann@example.com", "bob@example.com"} {
		srv.CreateUser(t, address)
		srv.Client().Post(t, "/auth/v1/recover", map[string]string{"email": address}).WantStatus(t, http.StatusOK)
	}
	all, to, about := srv.Mail.All(), srv.Mail.To("bob@example.com"), srv.Mail.List(server.MailFilter{To: "ann@example.com", Tag: "recovery"})
	if len(all) != 2 || len(to) != 1 || len(about) != 1 {
		t.Errorf("%d messages, %d to bob, %d to ann about her recovery", len(all), len(to), len(about))
	}
	srv.Mail.Clear()
	if all := srv.Mail.All(); len(all) != 0 {
		t.Errorf("%d messages are left", len(all))
	}
}

func ExampleServer_MailURL() {
	srv := suparusttest.Start(t)
	srv.CreateUser(t, "ann@example.com")
	srv.Client().Post(t, "/auth/v1/recover", `{"email":"ann@example.com"}`).WantStatus(t, http.StatusOK)

	mailpit := &suparusttest.Client{HTTP: http.DefaultClient, URL: srv.MailURL(t)} // a page for people, too
	var found struct{ Messages []struct{ Subject string } }
	mailpit.Get(t, "/api/v1/search?query=to:ann@example.com").WantStatus(t, http.StatusOK).JSON(t, &found)
	if len(found.Messages) != 1 {
		t.Errorf("%+v", found)
	}
}

func ExampleServer_HTTPRequests() {
	srv := suparusttest.Start(t)
	srv.AnswerHTTP(t, suparusttest.HTTPAnswer{URL: "https://shop.example.com/*", Body: "thank you"})
	srv.Exec(t, "select net.http_get('https://shop.example.com/one'), net.http_get('https://shop.example.com/two')")
	srv.WaitHTTP(t, "https://shop.example.com/one")
	srv.WaitHTTP(t, "https://shop.example.com/two")
	if asked := srv.HTTPRequests(t, "https://shop.example.com/*"); len(asked) != 2 || !asked[0].Answered {
		t.Errorf("%+v", asked)
	}
	srv.ClearHTTP(t) // nobody is answered any more
	if asked := srv.HTTPRequests(t, ""); len(asked) != 0 {
		t.Errorf("%+v", asked)
	}
}

func ExampleServer_ClearFaults() {
	srv := suparusttest.Start(t)
	t.Run("offline", func(t *testing.T) {
		srv.Fault(t, suparusttest.Fault{Path: "/", Times: -1, Status: http.StatusBadGateway}) // every request
		defer srv.ClearFaults(t)
		srv.Client().Get(t, "/rest/v1/").WantStatus(t, http.StatusBadGateway)
	})
	srv.Client().Get(t, "/rest/v1/").WantStatus(t, http.StatusOK)
}

func ExampleServer_NamedSnapshot() {
	srv := suparusttest.Start(t, suparusttest.WithConfig(func(c *server.Config) { c.SnapshotDir = t.TempDir() }), // else beside the project's data
		suparusttest.WithSQL("create table stock as select 5 as left_over"))
	srv.SaveSnapshot(t, "full")
	srv.Exec(t, "update stock set left_over = 0")

	srv.Restore(t, srv.NamedSnapshot(t, "full")) // whoever has saved it, and when
	srv.ServiceClient().Get(t, "/rest/v1/stock?left_over=eq.5").WantStatus(t, http.StatusOK)
}

// A sign-in provider as it is, without the one that the fixture has stand in for
// it: what it answers is the test's.
func ExampleWithHTTP_oauth() {
	answers := map[string]any{
		"/login/oauth/access_token": map[string]string{"access_token": "one of GitHub's", "token_type": "bearer"},
		"/user":                     map[string]any{"id": 7, "login": "ann", "name": "Ann"},
		"/user/emails":              []map[string]any{{"email": "ann@example.com", "primary": true, "verified": true}},
	}
	srv := suparusttest.Start(t,
		suparusttest.WithHTTP(func(r *http.Request) *http.Response {
			return suparusttest.Answer(http.StatusOK, answers[r.URL.Path])
		}),
		suparusttest.WithConfig(func(c *server.Config) {
			c.Auth.OAuth.Fake = server.FakeOAuthOff
			c.Auth.OAuth.Providers = map[string]server.OAuthProvider{"github": {Enabled: true, ClientIDs: []string{"an id"}, Secret: "a secret"}}
		}))
	browser := srv.Client()
	browser.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	location := func(path string) *url.URL { // where the browser is sent
		u, err := url.Parse(browser.Get(t, path).WantStatus(t, http.StatusFound).Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	atGitHub := location("/auth/v1/authorize?provider=github")
	if atGitHub.Host != "github.com" {
		t.Errorf("the browser is sent to %s", atGitHub)
	}
	app := location("/auth/v1/callback?code=agreed&state=" + url.QueryEscape(atGitHub.Query().Get("state")))
	if tokens, err := url.ParseQuery(app.Fragment); err != nil || tokens.Get("access_token") == "" {
		t.Errorf("the app gets %s", app)
	}
	srv.CreateSession(t, "ann@example.com") // she is there now
}
