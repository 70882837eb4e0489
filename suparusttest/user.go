package suparusttest

import (
	"net/http"
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
	var session struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		User         struct{ ID, Email string }
	}
	s.Client().Post(tb, "/auth/v1/token?grant_type=password", map[string]string{
		"email": email, "password": password,
	}).WantStatus(tb, http.StatusOK).JSON(tb, &session)
	return &User{
		ID: session.User.ID, Email: session.User.Email,
		AccessToken: session.AccessToken, RefreshToken: session.RefreshToken,
	}
}
