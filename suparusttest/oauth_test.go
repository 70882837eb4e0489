package suparusttest_test

import (
	"encoding/json"
	"testing"

	"github.com/suparust/suparust/suparusttest"
)

// TestOAuth: a test signs in through a provider that the server stands in for.
func TestOAuth(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithOAuth("google"))
	token := srv.OAuthIDToken(t, "google", suparusttest.OAuthUser{Email: "ann@example.com", Name: "Ann"}, "")
	body, err := json.Marshal(map[string]string{"provider": "google", "id_token": token})
	if err != nil {
		t.Fatal(err)
	}
	r := srv.Client().Post(t, "/auth/v1/token?grant_type=id_token", string(body)).WantStatus(t, 200)
	var session struct {
		User struct {
			Email string         `json:"email"`
			Meta  map[string]any `json:"user_metadata"`
		} `json:"user"`
	}
	if err := json.Unmarshal(r.Body, &session); err != nil {
		t.Fatal(err)
	}
	if session.User.Email != "ann@example.com" || session.User.Meta["full_name"] != "Ann" || session.User.Meta["iss"] != "https://accounts.google.com" {
		t.Errorf("%s", r.Body)
	}
}
