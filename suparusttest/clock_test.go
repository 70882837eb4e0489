package suparusttest_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// authenticator is the code that an authenticator app shows at a time.
func authenticator(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	m := hmac.New(sha1.New, key)
	_ = binary.Write(m, binary.BigEndian, at.Unix()/30) // a hash takes everything
	sum := m.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1000000)
}

// TestClock: the server's clock moves what is judged by it, at every API.
func TestClock(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(),
		suparusttest.WithSQL("insert into storage.buckets (id, name) values ('b', 'b')"),
		suparusttest.WithConfig(func(c *server.Config) { c.Auth.Email.MaxFrequency = time.Minute }))
	status := func(c *suparusttest.Client, method, path string, body any, want int) *suparusttest.Response {
		t.Helper()
		r := c.Do(t, method, path, body, nil)
		if r.Status != want {
			t.Fatalf("%s %s: %d %s, want %d", method, path, r.Status, r.Body, want)
		}
		return r
	}
	ann := srv.CreateUser(t, "ann@example.com")
	client := srv.ClientAs(ann)
	paths := []string{"/auth/v1/user", "/rest/v1/", "/storage/v1/bucket"}
	for _, path := range paths {
		status(client, "GET", path, nil, http.StatusOK)
	}
	status(srv.ServiceClient(), "POST", "/storage/v1/object/b/a.txt", "hello", http.StatusOK)
	var signed struct {
		URL string `json:"signedURL"`
	}
	status(srv.ServiceClient(), "POST", "/storage/v1/object/sign/b/a.txt", map[string]any{"expiresIn": 600}, http.StatusOK).JSON(t, &signed)
	status(srv.Client(), "GET", "/storage/v1"+signed.URL, nil, http.StatusOK)

	recovery := map[string]any{"email": ann.Email}
	status(srv.Client(), "POST", "/auth/v1/recover", recovery, http.StatusOK)
	status(srv.Client(), "POST", "/auth/v1/recover", recovery, http.StatusTooManyRequests)
	srv.Clock.Advance(61 * time.Second)
	status(srv.Client(), "POST", "/auth/v1/recover", recovery, http.StatusOK)
	mails := srv.Mail.To(ann.Email)
	if d := srv.Clock.Now().Sub(mails[0].Created); d < 0 || d > 30*time.Second {
		t.Errorf("the mail was written %v ago", d)
	}
	code := mails[0].Code

	srv.Clock.Advance(61 * time.Minute)
	for _, path := range paths {
		if r := client.Get(t, path); r.Status < 400 {
			t.Errorf("%s with a token of an hour ago: %d", path, r.Status)
		}
	}
	if r := srv.Client().Get(t, "/storage/v1"+signed.URL); r.Status < 400 {
		t.Errorf("a signed URL of an hour ago: %d", r.Status)
	}
	status(srv.Client(), "POST", "/auth/v1/verify", map[string]any{"type": "recovery", "email": ann.Email, "token": code}, http.StatusForbidden)

	// a second factor goes with the clock, too
	srv.Clock.Set(time.Date(2040, 1, 31, 12, 0, 0, 0, time.UTC))
	client = srv.ClientAs(srv.SignIn(t, ann.Email, suparusttest.Password))
	var factor struct {
		ID   string
		TOTP struct{ Secret string }
	}
	status(client, "POST", "/auth/v1/factors", map[string]any{"factor_type": "totp"}, http.StatusOK).JSON(t, &factor)
	var challenge struct{ ID string }
	status(client, "POST", "/auth/v1/factors/"+factor.ID+"/challenge", nil, http.StatusOK).JSON(t, &challenge)
	verify := func(at time.Time) map[string]any {
		return map[string]any{"challenge_id": challenge.ID, "code": authenticator(t, factor.TOTP.Secret, at)}
	}
	status(client, "POST", "/auth/v1/factors/"+factor.ID+"/verify", verify(time.Now()), http.StatusUnprocessableEntity)
	status(client, "POST", "/auth/v1/factors/"+factor.ID+"/verify", verify(srv.Clock.Now()), http.StatusOK)
	if year := srv.Clock.Now().Year(); year != 2040 {
		t.Errorf("the clock shows %d", year)
	}
	if claimed := srv.ClientWithClaims(t, map[string]any{"sub": ann.ID}); claimed.Get(t, "/rest/v1/").Status != http.StatusOK {
		t.Error("a token of the fixture's own is not of this time")
	}
}

// TestSessionsWithoutPassword: a session by address or id, and the end of all
// users with what tables keep of them.
func TestSessionsWithoutPassword(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithFixedCode("424242"),
		suparusttest.WithSQL("create table notes (owner uuid references auth.users on delete cascade, body text)"))
	srv.ServiceClient().Post(t, "/auth/v1/admin/users", map[string]any{"email": "bob@example.com", "email_confirm": true}).WantStatus(t, http.StatusOK)
	bob := srv.CreateSession(t, "bob@example.com")
	again := srv.CreateSession(t, bob.ID)
	if bob.ID != again.ID || bob.AccessToken == again.AccessToken || bob.Email != "bob@example.com" {
		t.Errorf("%+v, then %+v", bob, again)
	}
	srv.ClientAs(again).Get(t, "/auth/v1/user").WantStatus(t, http.StatusOK)
	srv.Client().Post(t, "/auth/v1/token?grant_type=refresh_token", map[string]string{"refresh_token": again.RefreshToken}).WantStatus(t, http.StatusOK)

	srv.Client().Post(t, "/auth/v1/otp", map[string]any{"email": "bob@example.com"}).WantStatus(t, http.StatusOK)
	srv.Client().Post(t, "/auth/v1/verify", map[string]any{"type": "email", "email": "bob@example.com", "token": "424242"}).WantStatus(t, http.StatusOK)
	srv.Exec(t, "insert into notes values ($1, 'mine')", bob.ID)

	srv.ResetAuth(t)
	for _, table := range []string{"auth.users", "auth.sessions", "auth.identities", "auth.refresh_tokens", "auth.audit_log_entries", "notes"} {
		var n int
		if err := srv.Pool(t).QueryRow(t.Context(), "select count(*) from "+table).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s keeps %d rows, %v", table, n, err)
		}
	}
	if n := len(srv.Mail.All()); n != 0 {
		t.Errorf("the mailbox keeps %d messages", n)
	}
	srv.ClientAs(again).Get(t, "/auth/v1/user").WantStatus(t, http.StatusForbidden)
	srv.CreateUser(t, "bob@example.com")
}
