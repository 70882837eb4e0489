package suparusttest

import (
	"net/http"
	"strings"
	"testing"
)

// Password is the password of users made by CreateUser.
const Password = "suparust-password"

// User is a user who can sign in, and is signed in once.
type User struct {
	ID, Email    string
	AccessToken  string
	RefreshToken string
}

// CreateUser makes a confirmed user with the password Password and signs it
// in.
func (s *Server) CreateUser(tb testing.TB, email string) *User {
	tb.Helper()
	var u struct{ ID, Email string }
	s.ServiceClient().Post(tb, "/auth/v1/admin/users", map[string]any{
		"email": email, "password": Password, "email_confirm": true,
	}).WantStatus(tb, http.StatusOK).JSON(tb, &u)
	user := s.SignIn(tb, email, Password)
	user.ID = u.ID
	return user
}

// SignIn signs a user in with a password, in a new session.
func (s *Server) SignIn(tb testing.TB, email, password string) *User {
	tb.Helper()
	return signedIn(tb, s.Client().Post(tb, "/auth/v1/token?grant_type=password", map[string]string{
		"email": email, "password": password,
	}))
}

// CreateSession opens a session for a user who is there, by email or id, with
// neither a password nor a mail.
func (s *Server) CreateSession(tb testing.TB, user string) *User {
	tb.Helper()
	by := "user_id"
	if strings.Contains(user, "@") {
		by = "email"
	}
	return signedIn(tb, s.Control(tb).Post(tb, "/auth/session", map[string]string{by: user}))
}

// ResetAuth forgets every user and every message, and what other tables keep of
// users and give up with them.
func (s *Server) ResetAuth(tb testing.TB) {
	tb.Helper()
	s.Control(tb).Post(tb, "/auth/reset", nil).WantStatus(tb, http.StatusNoContent)
}

// signedIn is the user whose tokens are answered.
func signedIn(tb testing.TB, r *Response) *User {
	tb.Helper()
	var session struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		User         struct{ ID, Email string }
	}
	r.WantStatus(tb, http.StatusOK).JSON(tb, &session)
	return &User{
		ID: session.User.ID, Email: session.User.Email,
		AccessToken: session.AccessToken, RefreshToken: session.RefreshToken,
	}
}
