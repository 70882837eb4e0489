package server_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// TestConfiguredAsGoTrue: a server with nothing but a GoTrue's variables, as
// the platform's local stack sets them, before a database of the platform:
// Auth answers at the root, as the role that a GoTrue has.
//
//covers:auth 172
func TestConfiguredAsGoTrue(t *testing.T) {
	t.Parallel()
	platform := suparusttest.Start(t, suparusttest.WithoutProject())
	database, err := url.Parse(platform.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	database.User = url.UserPassword("supabase_auth_admin", "postgres")
	const secret = "super-secret-jwt-token-with-at-least-32-characters-long"
	port := strconv.Itoa(freePortFor(t))
	for form, where := range map[string]string{"unprefixed": "DATABASE_URL=", "prefixed": "GOTRUE_DB_DATABASE_URL="} {
		c := server.DefaultConfig()
		c.Mail.Disabled, c.Storage.Root = true, t.TempDir()
		configure(t, &c, where+database.String()+`
			GOTRUE_DB_DRIVER=postgres
			GOTRUE_DB_MAX_POOL_SIZE=4
			GOTRUE_DB_CONN_MAX_LIFETIME=1h
			API_EXTERNAL_URL=http://127.0.0.1:`+port+`/auth/v1
			GOTRUE_API_HOST=127.0.0.1
			GOTRUE_API_PORT=`+port+`
			GOTRUE_SITE_URL=https://site.example
			GOTRUE_URI_ALLOW_LIST=https://127.0.0.1:3000
			GOTRUE_DISABLE_SIGNUP=false
			GOTRUE_JWT_ADMIN_ROLES=service_role
			GOTRUE_JWT_AUD=authenticated
			GOTRUE_JWT_DEFAULT_GROUP_NAME=authenticated
			GOTRUE_JWT_EXP=1800
			GOTRUE_JWT_SECRET=`+secret+`
			GOTRUE_JWT_ISSUER=http://127.0.0.1:`+port+`/auth/v1
			GOTRUE_EXTERNAL_EMAIL_ENABLED=true
			GOTRUE_MAILER_SECURE_EMAIL_CHANGE_ENABLED=true
			GOTRUE_MAILER_AUTOCONFIRM=true
			GOTRUE_MAILER_OTP_LENGTH=6
			GOTRUE_MAILER_OTP_EXP=3600
			GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED=false
			GOTRUE_SMTP_MAX_FREQUENCY=1s
			GOTRUE_MAILER_URLPATHS_INVITE=http://127.0.0.1:`+port+`/auth/v1/verify
			GOTRUE_EXTERNAL_PHONE_ENABLED=false
			GOTRUE_SMS_AUTOCONFIRM=true
			GOTRUE_SMS_MAX_FREQUENCY=5s
			GOTRUE_SMS_OTP_EXP=6000
			GOTRUE_SMS_OTP_LENGTH=6
			GOTRUE_SMS_TEMPLATE=Your code is {{ .Code }}
			GOTRUE_SMS_TEST_OTP=
			GOTRUE_PASSWORD_MIN_LENGTH=6
			GOTRUE_PASSWORD_REQUIRED_CHARACTERS=
			GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED=true
			GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL=10
			GOTRUE_SECURITY_MANUAL_LINKING_ENABLED=false
			GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION=false
			GOTRUE_MFA_TOTP_ENROLL_ENABLED=true
			GOTRUE_MFA_TOTP_VERIFY_ENABLED=true
			GOTRUE_MFA_MAX_ENROLLED_FACTORS=10`)
		srv, stop := serve(t, c)
		s := authServer{suparusttest.Attach(t, srv.URL(), platform.DatabaseURL, srv.Keys()), t}
		if srv.URL() != "http://127.0.0.1:"+port || c.Database.MaxConns != 4 {
			t.Errorf("%s, %d connections", srv.URL(), c.Database.MaxConns)
		}
		email := form + "@example.com"
		r := s.Client().Post(t, "/signup", map[string]any{"email": email, "password": settingsPassword})
		o := s.want(r, http.StatusOK, "")
		if o.at("expires_in") != "1800" {
			t.Errorf("%s: %s", form, r.Body)
		}
		var found string
		if err := platform.Pool(t).QueryRow(t.Context(), "select email from auth.users where id = $1", o.at("user.id")).Scan(&found); err != nil || found != email {
			t.Errorf("%s: in the database is %q, %v", form, found, err)
		}
		s.want(s.ask("GET", "/user", o.at("access_token"), nil), 200, "") // and below the prefix
		if link := s.want(s.ask("POST", "/admin/generate_link", s.ServiceKey, map[string]any{"type": "recovery", "email": email}), 200, "").at("action_link"); !strings.HasPrefix(link, "http://127.0.0.1:"+port+"/auth/v1/verify?") {
			t.Error(link)
		}
		stop()
	}
	c := server.DefaultConfig()
	configure(t, &c, "DATABASE_URL=postgres://app:secret@db.example/app")
	if c.Database.URL != "" {
		t.Error("an app's DATABASE_URL is taken for the server's")
	}
}
