package suparusttest_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// TestMailbox: the Go API over the mailbox gives codes and links at once.
//
//covers:auth 144 147 154
func TestMailbox(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithConfig(func(c *server.Config) {
		c.Auth.Email.RequireConfirmation = true
		c.Auth.Phone.Enabled, c.Auth.Phone.RequireConfirmation = true, true
	}))
	post := func(path string, body any, status int) {
		t.Helper()
		srv.Client().Post(t, path, body).WantStatus(t, status)
	}
	t.Run("mail", func(t *testing.T) {
		post("/auth/v1/signup", map[string]any{"email": "ann@example.com", "password": "long enough"}, 200)
		m := srv.Mail.Wait(t, "ANN@example.com")
		if len(m.Code) != 6 || len(m.TokenHash) != 56 || m.Link == "" || m.Tags[0] != "confirmation" {
			t.Fatalf("code %q, hash %q, link %q", m.Code, m.TokenHash, m.Link)
		}
		post("/auth/v1/verify", map[string]any{"type": "signup", "token_hash": m.TokenHash}, 200)
		post("/auth/v1/recover", map[string]any{"email": "ann@example.com"}, 200)
		m = srv.Mail.WaitFor(t, "ann@example.com", func(m suparusttest.Message) bool { return m.Tags[0] == "recovery" })
		post("/auth/v1/verify", map[string]any{"type": "recovery", "email": "ann@example.com", "token": m.Code}, 200)
		if len(srv.Mail.To("ann@example.com")) != 2 || len(srv.Mail.All()) != 2 {
			t.Errorf("%+v", srv.Mail.All())
		}
	})
	t.Run("text message", func(t *testing.T) {
		post("/auth/v1/otp", map[string]any{"phone": "+15550100"}, 200)
		m := srv.Mail.Wait(t, "+1 555 0100")
		if m.Kind != "sms" {
			t.Errorf("%+v", m)
		}
		post("/auth/v1/verify", map[string]any{"type": "sms", "phone": "+15550100", "token": m.Code}, 200)
	})
	t.Run("over HTTP", func(t *testing.T) {
		url := srv.MailURL(t)
		if again := srv.MailURL(t); again != url {
			t.Errorf("%s, then %s", url, again)
		}
		res, err := http.Get(url + "/api/v1/search?query=to:ann@example.com")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var list struct{ Messages []struct{ Subject string } }
		if err := json.NewDecoder(res.Body).Decode(&list); err != nil || len(list.Messages) != 2 {
			t.Errorf("%+v, %v", list, err)
		}
	})
	srv.Mail.Clear()
	if got := srv.Mail.All(); len(got) != 0 {
		t.Errorf("after Clear: %+v", got)
	}
}

// TestMailPortEndsWithTheServer: the mailbox's port is closed by Shutdown.
func TestMailPortEndsWithTheServer(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("server", func(t *testing.T) {
		url = suparusttest.Start(t, suparusttest.WithoutProject()).MailURL(t)
		res, err := http.Get(url + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("status %d", res.StatusCode)
		}
	})
	if res, err := http.Get(url + "/readyz"); err == nil {
		res.Body.Close()
		t.Errorf("%s is still served", url)
	}
}
