package suparusttest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// TestCreateUser: each option makes the user that it says.
func TestCreateUser(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithConfig(func(c *server.Config) { c.Auth.Phone.Enabled = true }),
		suparusttest.WithSQL("create role editor nologin; grant editor to authenticator"))
	claims := func(u *suparusttest.User) (c map[string]any) {
		t.Helper()
		srv.ClientAs(u).Get(t, "/auth/v1/user").WantStatus(t, http.StatusOK).JSON(t, &c)
		return c
	}
	ann := srv.CreateUser(t, "ann@example.com", suparusttest.UserPassword("one of her own"), suparusttest.UserPhone("15550100"),
		suparusttest.UserMetadata(map[string]any{"name": "Ann"}), suparusttest.UserAppMetadata(map[string]any{"plan": "pro"}), suparusttest.UserRole("editor"))
	got := claims(ann)
	if got["role"] != "editor" || got["phone"] != "15550100" || ann.Phone != "15550100" ||
		got["user_metadata"].(map[string]any)["name"] != "Ann" || got["app_metadata"].(map[string]any)["plan"] != "pro" {
		t.Errorf("%v, %+v", got, ann)
	}
	srv.SignIn(t, "ann@example.com", "one of her own")
	srv.Client().Post(t, "/auth/v1/token?grant_type=password", map[string]string{"phone": "15550100", "password": "one of her own"}).WantStatus(t, http.StatusOK)

	new := srv.CreateUser(t, "new@example.com", suparusttest.UserUnconfirmed())
	banned := srv.CreateUser(t, "banned@example.com", suparusttest.UserBanned(time.Hour))
	for u, code := range map[*suparusttest.User]string{new: "email_not_confirmed", banned: "user_banned"} {
		r := srv.Client().Post(t, "/auth/v1/token?grant_type=password", map[string]string{"email": u.Email, "password": suparusttest.Password})
		if u.AccessToken != "" || u.ID == "" || !strings.Contains(string(r.Body), code) {
			t.Errorf("%+v: %s", u, r.Body)
		}
	}
	srv.Clock.Advance(2 * time.Hour)
	srv.SignIn(t, "banned@example.com", suparusttest.Password)

	careful := srv.CreateUser(t, "careful@example.com", suparusttest.UserTOTP())
	if careful.FactorID == "" || len(srv.TOTP(t, careful)) != 6 {
		t.Errorf("%+v", careful)
	}
	tx := suparusttest.AsRole(t, srv.Pool(t), map[string]any{"sub": careful.ID})
	var who string
	if err := tx.QueryRow(t.Context(), "select auth.uid()::text || current_user").Scan(&who); err != nil || who != careful.ID+"authenticated" {
		t.Error(who, err)
	}
	for _, u := range []*suparusttest.User{ann, {}} {
		if said := fatal(t, func(tb testing.TB) { srv.TOTP(tb, u) }); !strings.Contains(said, "UserTOTP") {
			t.Error(said)
		}
	}
}

// TestTokensFollowTheClock: a token that a test signs is good when the clock
// was moved.
func TestTokensFollowTheClock(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject())
	for _, d := range []time.Duration{5 * time.Hour, -24 * time.Hour} {
		srv.Clock.Advance(d)
		srv.ClientWithClaims(t, map[string]any{"sub": "x"}).Get(t, "/rest/v1/").WantStatus(t, http.StatusOK)
	}
}
