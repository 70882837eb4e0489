package suparusttest

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
)

// Password is the password of users made by CreateUser without another.
const Password = "suparust-password"

// User is a user, signed in once if they can be.
type User struct {
	ID, Email, Phone string
	// AccessToken and RefreshToken are those of the session; both are "" for a
	// user who cannot sign in.
	AccessToken  string
	RefreshToken string
	// FactorID and TOTPSecret are those of the second factor of UserTOTP.
	FactorID, TOTPSecret string
}

// UserOption changes the user that CreateUser makes.
type UserOption func(*userOptions)

type userOptions struct {
	body     map[string]any // of the admin API
	noSignIn bool
	totp     bool
}

func (o *userOptions) password() string { return o.body["password"].(string) }

// UserPassword gives the user another password than Password.
func UserPassword(password string) UserOption {
	return func(o *userOptions) { o.body["password"] = password }
}

// UserPhone gives the user a phone number too, which is theirs.
func UserPhone(phone string) UserOption {
	return func(o *userOptions) { o.body["phone"], o.body["phone_confirm"] = phone, true }
}

// UserMetadata is what users may change themselves: user_metadata in tokens.
func UserMetadata(data map[string]any) UserOption {
	return func(o *userOptions) { o.body["user_metadata"] = data }
}

// UserAppMetadata is what only the server changes: app_metadata in tokens,
// which policies can rely on.
func UserAppMetadata(data map[string]any) UserOption {
	return func(o *userOptions) { o.body["app_metadata"] = data }
}

// UserRole makes another PostgreSQL role than authenticated the one that
// requests of the user run as.
func UserRole(role string) UserOption { return func(o *userOptions) { o.body["role"] = role } }

// UserUnconfirmed leaves the address unconfirmed: the user cannot sign in
// before.
func UserUnconfirmed() UserOption {
	return func(o *userOptions) { o.body["email_confirm"], o.noSignIn = false, true }
}

// UserBanned bans the user for a time: they cannot sign in until it is over.
func UserBanned(d time.Duration) UserOption {
	return func(o *userOptions) { o.body["ban_duration"], o.noSignIn = d.String(), true }
}

// UserTOTP gives the user an authenticator app as their second factor. Their
// session has not used it yet (aal1): Elevate does.
func UserTOTP() UserOption { return func(o *userOptions) { o.totp = true } }

// CreateUser makes a user with the password Password whose address is
// confirmed, and signs them in:
//
//	ann := srv.CreateUser(t, "ann@example.com")
//	boss := srv.CreateUser(t, "boss@example.com", suparusttest.UserAppMetadata(map[string]any{"admin": true}))
func (s *Server) CreateUser(tb testing.TB, email string, opts ...UserOption) *User {
	tb.Helper()
	o := userOptions{body: map[string]any{"email": email, "password": Password, "email_confirm": true}}
	for _, opt := range opts {
		opt(&o)
	}
	var made struct{ ID, Email, Phone string }
	s.ServiceClient().Post(tb, "/auth/v1/admin/users", maps.Clone(o.body)).WantStatus(tb, http.StatusOK).JSON(tb, &made)
	u := &User{}
	if !o.noSignIn {
		u = s.SignIn(tb, email, o.password())
	}
	if o.totp {
		if o.noSignIn {
			tb.Fatal("suparusttest: a user who cannot sign in cannot have a second factor")
		}
		enrolled := s.enroll(tb, u)
		u = s.SignIn(tb, email, o.password()) // the first one's session has used the factor
		u.FactorID, u.TOTPSecret = enrolled.FactorID, enrolled.TOTPSecret
	}
	u.ID, u.Email, u.Phone = made.ID, made.Email, made.Phone
	return u
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

// enroll gives the user of a session an authenticator app and verifies it.
func (s *Server) enroll(tb testing.TB, u *User) *User {
	tb.Helper()
	var factor struct {
		ID   string
		TOTP struct{ Secret string }
	}
	s.ClientAs(u).Post(tb, "/auth/v1/factors", map[string]string{"factor_type": "totp", "friendly_name": "suparusttest"}).
		WantStatus(tb, http.StatusOK).JSON(tb, &factor)
	with := *u
	with.FactorID, with.TOTPSecret = factor.ID, factor.TOTP.Secret
	return s.Elevate(tb, &with)
}

// TOTP is the code that the user's authenticator app shows now.
func (s *Server) TOTP(tb testing.TB, u *User) string {
	tb.Helper()
	code, err := server.TOTP(u.TOTPSecret, s.now(tb))
	if err != nil {
		tb.Fatalf("suparusttest: %s has no authenticator app (UserTOTP gives one): %v", u.Email, err)
	}
	return code
}

// Elevate uses the user's second factor: the tokens of the user it returns are
// of the level aal2.
func (s *Server) Elevate(tb testing.TB, u *User) *User {
	tb.Helper()
	c := s.ClientAs(u)
	var challenge struct{ ID string }
	at := "/auth/v1/factors/" + u.FactorID
	c.Post(tb, at+"/challenge", `{}`).WantStatus(tb, http.StatusOK).JSON(tb, &challenge)
	elevated := signedIn(tb, c.Post(tb, at+"/verify", map[string]string{"challenge_id": challenge.ID, "code": s.TOTP(tb, u)}))
	elevated.FactorID, elevated.TOTPSecret = u.FactorID, u.TOTPSecret
	return elevated
}

// signedIn is the user whose tokens are answered.
func signedIn(tb testing.TB, r *Response) *User {
	tb.Helper()
	var session struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		User         struct{ ID, Email, Phone string }
	}
	r.WantStatus(tb, http.StatusOK).JSON(tb, &session)
	return &User{
		ID: session.User.ID, Email: session.User.Email, Phone: session.User.Phone,
		AccessToken: session.AccessToken, RefreshToken: session.RefreshToken,
	}
}
