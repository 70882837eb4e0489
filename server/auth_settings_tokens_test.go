package server_test

import (
	"net/http"
	"testing"
)

// TestSettingsOfTokens: what tokens say, and who may do what with them.
//
//covers:auth 174
func TestSettingsOfTokens(t *testing.T) {
	t.Parallel()
	const secret = "another-secret-that-has-more-than-32-characters"
	for _, c := range []setting{
		{"GOTRUE_JWT_EXP=60", "jwt_expiry = 60", func(s authServer) {
			r := s.signUp()
			claims := s.tokenClaims(r.at("access_token"))
			exp, iat := number(s, claims["exp"]), number(s, claims["iat"])
			if r.at("expires_in") != "60" || exp-iat != 60 {
				s.t.Errorf("%v, %v", r, claims)
			}
		}},
		{"GOTRUE_JWT_ISSUER=https://issuer.example", `jwt_issuer = "https://issuer.example"`, func(s authServer) {
			s.equal(s.tokenClaims(s.signUp().at("access_token")).at("iss"), "https://issuer.example")
			s.equal(s.want(s.ask("GET", "/.well-known/openid-configuration", "", nil), 200, "").at("issuer"), "https://issuer.example")
		}},
		{"GOTRUE_JWT_SECRET=" + secret, `jwt_secret = "` + secret + `"`, func(s authServer) {
			s.equal(s.JWTSecret, secret)
			user := s.signUp()
			own := s.Token(s.t, map[string]any{"sub": user.at("user.id")}) // signed with that secret by the test itself
			s.equal(s.want(s.ask("GET", "/user", own, nil), 200, "").at("email"), settingsEmail)
		}},
		{"GOTRUE_JWT_KEY_ID=key-7", "", func(s authServer) {
			token := s.signUp().at("access_token")
			s.equal(tokenHead(s, token)["kid"], "key-7")
			s.want(s.ask("GET", "/user", token, nil), 200, "")
			s.want(s.ask("GET", "/admin/users", s.ServiceKey, nil), 200, "") // has no kid
		}},
		{"GOTRUE_JWT_ADMIN_ROLES=boss,chief", "", func(s authServer) {
			s.want(s.ask("GET", "/admin/users", s.Token(s.t, map[string]any{"role": "chief"}), nil), 200, "")
			s.want(s.ask("GET", "/admin/users", s.ServiceKey, nil), 403, "not_admin")
		}},
		{"GOTRUE_JWT_AUD=people", "", func(s authServer) {
			r := s.signUp()
			s.equal(r.at("user.aud"), "people")
			s.equal(s.tokenClaims(r.at("access_token")).at("aud"), "people")
		}},
		{"GOTRUE_JWT_DEFAULT_GROUP_NAME=anon", "", func(s authServer) {
			r := s.signUp()
			s.equal(r.at("user.role"), "anon")
			s.equal(s.tokenClaims(r.at("access_token")).at("role"), "anon")
		}},
	} {
		c.run(t)
	}
}

// TestSettingsOfSessions: how long sessions live, and what becomes of used
// refresh tokens.
//
//covers:auth 176 179
func TestSettingsOfSessions(t *testing.T) {
	t.Parallel()
	// reuse refreshes twice, and again with the first token
	reuse := func(s authServer, status int, code string) (last string) {
		s.t.Helper()
		first := s.signUp().at("refresh_token")
		second := s.want(s.refresh(first), 200, "").at("refresh_token")
		last = s.want(s.refresh(second), 200, "").at("refresh_token")
		s.want(s.refresh(first), status, code)
		return last
	}
	for _, c := range []setting{
		{"GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL=0", "refresh_token_reuse_interval = 0", func(s authServer) {
			last := reuse(s, 400, "refresh_token_already_used")
			s.want(s.refresh(last), 400, "refresh_token_already_used")
		}},
		{"GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL=3600", "refresh_token_reuse_interval = 3600", func(s authServer) { reuse(s, 200, "") }},
		{"GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED=false\nGOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL=0",
			"enable_refresh_token_rotation = false\nrefresh_token_reuse_interval = 0", func(s authServer) {
				last := reuse(s, 400, "refresh_token_already_used")
				s.want(s.refresh(last), 200, "")
			}},
		{"GOTRUE_SECURITY_REFRESH_TOKEN_ALGORITHM_VERSION=2", "", func(s authServer) {
			if token := s.signUp().at("refresh_token"); len(token) < 51 {
				s.t.Error(token)
			}
		}},
		{"GOTRUE_SECURITY_REFRESH_TOKEN_ALLOW_REUSE=true\nGOTRUE_SECURITY_REFRESH_TOKEN_ALGORITHM_VERSION=2\nGOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL=0", "",
			func(s authServer) { reuse(s, 200, "") }},
		{"GOTRUE_SECURITY_REFRESH_TOKEN_UPGRADE_PERCENTAGE=100\nGOTRUE_SECURITY_REFRESH_TOKEN_ALGORITHM_VERSION=2", "", func(s authServer) {
			s.signUp()
			s.Exec(s.t, `insert into auth.refresh_tokens (instance_id, token, user_id, session_id, revoked, created_at, updated_at)
				select '00000000-0000-0000-0000-000000000000', 'abcdefghijkl', user_id::text, id, false, now(), now() from auth.sessions`)
			if token := s.want(s.refresh("abcdefghijkl"), 200, "").at("refresh_token"); len(token) < 51 {
				s.t.Error(token)
			}
		}},
		{"GOTRUE_SESSIONS_TIMEBOX=24h", `sessions.timebox = "24h"`, func(s authServer) {
			token := s.signUp().at("refresh_token")
			s.Exec(s.t, "update auth.sessions set created_at = created_at - interval '25 hours', refreshed_at = now() at time zone 'UTC'")
			s.want(s.refresh(token), 400, "session_expired")
		}},
		{"GOTRUE_SESSIONS_INACTIVITY_TIMEOUT=1h", `sessions.inactivity_timeout = "1h"`, func(s authServer) {
			token := s.signUp().at("refresh_token")
			s.Exec(s.t, "update auth.sessions set refreshed_at = (now() - interval '59 minutes') at time zone 'UTC'")
			token = s.want(s.refresh(token), 200, "").at("refresh_token")
			s.Exec(s.t, "update auth.sessions set refreshed_at = (now() - interval '61 minutes') at time zone 'UTC'")
			s.want(s.refresh(token), 400, "session_expired")
		}},
		{"GOTRUE_SESSIONS_SINGLE_PER_USER=true", "", func(s authServer) {
			first := s.signUp().at("refresh_token")
			second := s.signIn().at("refresh_token")
			s.want(s.refresh(first), 400, "session_expired")
			s.want(s.refresh(second), 200, "")
		}},
		{"GOTRUE_SESSIONS_TAGS=web,mobile\nGOTRUE_SESSIONS_SINGLE_PER_USER=true", "", func(s authServer) {
			first := s.signUp().at("refresh_token")
			s.Exec(s.t, "update auth.sessions set tag = 'mobile'")
			s.signIn()
			s.want(s.refresh(first), 200, "")
		}},
		{"GOTRUE_SESSIONS_ALLOW_LOW_AAL=1h", "", func(s authServer) {
			r := s.signUp()
			s.want(s.enroll(r.at("access_token"), "app"), 200, "")
			s.Exec(s.t, "update auth.mfa_factors set status = 'verified'")
			s.Exec(s.t, "update auth.sessions set created_at = created_at - interval '61 minutes'")
			s.want(s.refresh(r.at("refresh_token")), 400, "session_expired")
		}},
	} {
		c.run(t)
	}
}

// TestSettingsOfFactors: second factors.
//
//covers:auth 180
func TestSettingsOfFactors(t *testing.T) {
	t.Parallel()
	for _, c := range []setting{
		{"GOTRUE_MFA_MAX_ENROLLED_FACTORS=2", "mfa.max_enrolled_factors = 2\nmfa.totp.enroll_enabled = true", func(s authServer) {
			token := s.signUp().at("access_token")
			s.want(s.enroll(token, "a"), 200, "")
			s.want(s.enroll(token, "b"), 200, "")
			s.want(s.enroll(token, "c"), 422, "too_many_enrolled_mfa_factors")
		}},
		{"GOTRUE_MFA_MAX_VERIFIED_FACTORS=1", "", func(s authServer) {
			token := s.signUp().at("access_token")
			s.want(s.enroll(token, "a"), 200, "")
			s.Exec(s.t, "update auth.mfa_factors set status = 'verified'")
			s.want(s.enroll(token, "b"), 422, "too_many_enrolled_mfa_factors")
		}},
		{"GOTRUE_MFA_TOTP_ENROLL_ENABLED=false", "mfa.totp.enroll_enabled = false", func(s authServer) {
			s.want(s.enroll(s.signUp().at("access_token"), "a"), 422, "mfa_totp_enroll_not_enabled")
		}},
		{"GOTRUE_MFA_TOTP_VERIFY_ENABLED=false", "mfa.totp.verify_enabled = false\nmfa.totp.enroll_enabled = true", func(s authServer) {
			token := s.signUp().at("access_token")
			factor := s.want(s.enroll(token, "a"), 200, "").at("id")
			s.want(s.ask("POST", "/factors/"+factor+"/verify", token, map[string]any{"challenge_id": factor, "code": "000000"}), 422, "mfa_totp_verify_not_enabled")
		}},
		{"GOTRUE_MFA_CHALLENGE_EXPIRY_DURATION=900", "", func(s authServer) {
			token := s.signUp().at("access_token")
			factor := s.want(s.enroll(token, "a"), 200, "").at("id")
			challenge := s.want(s.ask("POST", "/factors/"+factor+"/challenge", token, nil), 200, "").at("id")
			s.Exec(s.t, "update auth.mfa_challenges set created_at = created_at - interval '14 minutes'")
			verify := map[string]any{"challenge_id": challenge, "code": "000000"}
			s.want(s.ask("POST", "/factors/"+factor+"/verify", token, verify), 422, "mfa_verification_failed")
			s.Exec(s.t, "update auth.mfa_challenges set created_at = created_at - interval '2 minutes'")
			s.want(s.ask("POST", "/factors/"+factor+"/verify", token, verify), 422, "mfa_challenge_expired")
		}},
		{"GOTRUE_MFA_FACTOR_EXPIRY_DURATION=1h", "", func(s authServer) {
			token := s.signUp().at("access_token")
			s.want(s.enroll(token, "a"), 200, "")
			s.Exec(s.t, "update auth.mfa_factors set created_at = created_at - interval '59 minutes'")
			s.want(s.enroll(token, "a"), 422, "mfa_factor_name_conflict")
			s.Exec(s.t, "update auth.mfa_factors set created_at = created_at - interval '2 minutes'")
			s.want(s.enroll(token, "a"), 200, "")
		}},
	} {
		c.run(t)
	}
}

// TestSettingsOfPasswords: which passwords are taken.
//
//covers:auth 177 178
func TestSettingsOfPasswords(t *testing.T) {
	t.Parallel()
	weak := func(s authServer, password, message string) {
		s.t.Helper()
		r := s.post("/signup", map[string]any{"email": settingsEmail, "password": password})
		if o := s.want(r, 422, "weak_password"); o.at("msg") != message {
			s.t.Errorf("%s", r.Body)
		}
	}
	const lower, upper, digits = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	for _, c := range []setting{
		{"GOTRUE_PASSWORD_MIN_LENGTH=12", "minimum_password_length = 12", func(s authServer) {
			weak(s, "elevenchars", "Password should be at least 12 characters.")
			s.signUp()
		}},
		{"GOTRUE_PASSWORD_REQUIRED_CHARACTERS=" + lower + ":" + upper + ":" + digits, `password_requirements = "lower_upper_letters_digits"`, func(s authServer) {
			weak(s, "onlysmall1", "Password should contain at least one character of each: "+lower+", "+upper+", "+digits+".")
			s.want(s.post("/signup", map[string]any{"email": settingsEmail, "password": "Onlysmall1"}), 200, "")
		}},
		{`GOTRUE_PASSWORD_REQUIRED_CHARACTERS=abc:\:!`, "", func(s authServer) {
			weak(s, "aaaaaaa", "Password should contain at least one character of each: abc, :!.")
			s.want(s.post("/signup", map[string]any{"email": settingsEmail, "password": "aaaaaa:"}), 200, "")
		}},
		{"GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION=true", "email.secure_password_change = true", func(s authServer) {
			token := s.signUp().at("access_token")
			s.Exec(s.t, "update auth.sessions set created_at = created_at - interval '25 hours'")
			s.want(s.ask("PUT", "/user", token, map[string]any{"password": "another horse"}), 400, "reauthentication_needed")
		}},
		{"GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD=true", "", func(s authServer) {
			token := s.signUp().at("access_token")
			s.want(s.ask("PUT", "/user", token, map[string]any{"password": "another horse"}), 400, "current_password_required")
			s.want(s.ask("PUT", "/user", token, map[string]any{"password": "another horse", "current_password": "wrong"}), 400, "current_password_invalid")
			s.want(s.ask("PUT", "/user", token, map[string]any{"password": "another horse", "current_password": settingsPassword}), 200, "")
		}},
		{"SUPARUST_PASSWORD_BCRYPT_COST=4", "", func(s authServer) {
			s.signUp()
			var same bool
			if err := s.Pool(s.t).QueryRow(s.t.Context(), "select encrypted_password = extensions.crypt($1, encrypted_password) from auth.users", settingsPassword).Scan(&same); err != nil || !same {
				s.t.Errorf("crypt() says %t, %v", same, err)
			}
			s.signIn()
		}},
		{"GOTRUE_PASSWORD_HIBP_ENABLED=true\nGOTRUE_PASSWORD_HIBP_FAIL_CLOSED=true\nSUPARUST_PASSWORD_HIBP_URL=http://127.0.0.1:1", "", func(s authServer) {
			r := s.post("/signup", map[string]any{"email": settingsEmail, "password": settingsPassword})
			s.equal(r.Status, http.StatusInternalServerError)
		}},
		{"GOTRUE_PASSWORD_HIBP_ENABLED=true\nSUPARUST_PASSWORD_HIBP_URL=http://127.0.0.1:1", "", func(s authServer) { s.signUp() }},
	} {
		c.run(t)
	}
}
