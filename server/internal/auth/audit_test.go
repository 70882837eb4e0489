package auth_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/oauth"
)

// auditLog reads what was written to the audit log since the last look. Its
// names stand for ids: an entry reads "log type/action actor username=actor id
// traits", then the client's address where it is noted.
type auditLog struct {
	*fixture
	names []string // pairs of an id and its name
	last  string
}

func (l *auditLog) name(id, name string) { l.names = append(l.names, id, "<"+name+">") }

// did notes what was just done, and wants it to have succeeded.
func (l *auditLog) did(t *testing.T, what string, r *response, status int) *response {
	t.Helper()
	l.last = what
	return r.ok(t, status)
}

// wrote compares the entries with those wanted, in whatever order.
func (l *auditLog) wrote(t *testing.T, want ...string) {
	t.Helper()
	raw := l.value(t, `select string_agg(concat_ws(' ', concat_ws('/', payload->>'log_type', payload->>'action'),
			concat_ws('=', payload->>'actor_username', payload->>'actor_id'), payload->'actor_name', payload->'traits', nullif(ip_address, '')), e'\n')
		from auth.audit_log_entries`)
	got := strings.Split(strings.NewReplacer(l.names...).Replace(raw), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("after %s\n got %s\nwant %s", l.last, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	// The members that every entry has, and no others.
	if got := l.value(t, `select count(*) from auth.audit_log_entries
		where payload->>'actor_via_sso' <> 'false' or instance_id <> '00000000-0000-0000-0000-000000000000' or created_at is null
		or exists (select from json_object_keys(payload) k where k not in ('actor_id', 'actor_username', 'actor_via_sso', 'actor_name', 'action', 'log_type', 'traits'))`); got != "0" {
		t.Errorf("after %s: %s entries of another form", l.last, got)
	}
	l.exec(t, "delete from auth.audit_log_entries")
}

// What each action writes to the audit log: its entries whole.
//
//covers:auth 170
func TestAuditActions(t *testing.T) {
	t.Parallel()
	l := &auditLog{fixture: start(t, func(c *auth.Config) { c.Phone.Enabled = true })}
	ann := l.signUp(t, "ann@example.com")
	l.name(ann.id, "ann")
	l.last = "a sign-up"
	l.wrote(t, `account/login ann@example.com=<ann> {"provider":"email"}`, `team/user_signedup ann@example.com=<ann> {"provider":"email"}`)
	l.did(t, "an anonymous sign-up", l.post(t, "/signup", map[string]any{}), 200)
	l.wrote(t, "")
	r := l.did(t, "a sign-up by number", l.post(t, "/signup", map[string]any{"phone": "+15550100", "password": goodPassword, "data": map[string]any{"full_name": "Bob B"}}), 200)
	l.name(r.text("user.id"), "bob")
	l.wrote(t, `account/login 15550100=<bob> "Bob B" {"provider":"phone"}`, `team/user_signedup 15550100=<bob> "Bob B" {"channel":"sms","provider":"phone"}`)
	l.did(t, "a sign-in", l.post(t, "/token?grant_type=password", map[string]any{"email": ann.email, "password": ann.password}), 200)
	l.wrote(t, `account/login ann@example.com=<ann> {"provider":"email"}`)
	l.did(t, "a repeated sign-up", l.post(t, "/signup", map[string]any{"email": ann.email, "password": ann.password}), 422)
	l.wrote(t, `user/user_repeated_signup ann@example.com=<ann> {"provider":"email"}`)
	l.did(t, "a refresh", l.refresh(t, ann.refresh), 200)
	l.wrote(t, `token/token_refreshed ann@example.com=<ann>`, `token/token_revoked ann@example.com=<ann>`)
	l.did(t, "a refusal", l.post(t, "/token?grant_type=password", map[string]any{"email": ann.email, "password": "a wrong one"}), 400)
	l.wrote(t, "")

	for path, body := range map[string]map[string]any{
		"/recover":   {"email": ann.email},
		"/otp":       {"email": ann.email},
		"/magiclink": {"email": ann.email},
	} {
		l.did(t, path, l.post(t, path, body), 200)
		l.wrote(t, `user/user_recovery_requested ann@example.com=<ann>`)
	}
	l.did(t, "a code by text", l.post(t, "/otp", map[string]any{"phone": "15550100"}), 200)
	l.wrote(t, `user/user_recovery_requested 15550100=<bob> "Bob B" {"channel":"sms"}`)
	l.did(t, "a link by an admin", l.admin(t, "POST", "/admin/generate_link", map[string]any{"type": "magiclink", "email": ann.email}), 200)
	l.wrote(t, `user/user_recovery_requested ann@example.com=<ann>`)
	l.did(t, "a nonce", l.as(t, ann, "GET", "/reauthenticate", nil), 200)
	l.wrote(t, `user/user_reauthenticate_requested ann@example.com=<ann>`)
	l.did(t, "a new password", l.as(t, ann, "PUT", "/user", map[string]any{"password": "another one"}), 200)
	l.wrote(t, `user/user_modified ann@example.com=<ann>`, `user/user_updated_password ann@example.com=<ann>`)
	l.did(t, "new metadata", l.as(t, ann, "PUT", "/user", map[string]any{"data": map[string]any{"full_name": nil}}), 200)
	l.wrote(t, `user/user_modified ann@example.com=<ann>`)
	l.did(t, "a new address", l.as(t, ann, "PUT", "/user", map[string]any{"email": "anna@example.com"}), 200)
	l.wrote(t, `user/user_modified ann@example.com=<ann>`)
	l.did(t, "it asked for again", l.post(t, "/resend", map[string]any{"type": "email_change", "email": ann.email}), 200)
	l.wrote(t, "")

	l.did(t, "a sign-out", l.as(t, ann, "POST", "/logout", nil), 204)
	l.wrote(t, `account/logout ann@example.com=<ann>`)
}

// What admins do is theirs in the audit log.
//
//covers:auth 170
func TestAuditOfAdmins(t *testing.T) {
	t.Parallel()
	l := &auditLog{fixture: start(t, nil)}
	const admin = "service_role=00000000-0000-0000-0000-000000000000 "
	r := l.did(t, "a user made", l.admin(t, "POST", "/admin/users", map[string]any{"email": "eve@example.com", "phone": "15550100", "password": goodPassword,
		"email_confirm": true, "user_metadata": map[string]any{"full_name": nil}}), 200)
	eve := user{id: r.text("id"), email: "eve@example.com", password: goodPassword}
	l.name(eve.id, "eve")
	l.wrote(t, `team/user_signedup `+admin+`{"provider":"email","user_email":"eve@example.com","user_id":"<eve>","user_phone":"15550100"}`)
	l.did(t, "a change", l.admin(t, "PUT", "/admin/users/"+eve.id, map[string]any{"phone": "15550101"}), 200)
	l.wrote(t, `user/user_modified `+admin+`{"user_email":"eve@example.com","user_id":"<eve>","user_phone":"15550101"}`)
	r = l.did(t, "an invitation", l.admin(t, "POST", "/invite", map[string]any{"email": "guest@example.com"}), 200)
	l.name(r.text("id"), "guest")
	l.wrote(t, `team/user_invited `+admin+`{"user_email":"guest@example.com","user_id":"<guest>"}`)
	l.did(t, "an invitation by link", l.admin(t, "POST", "/admin/generate_link", map[string]any{"type": "invite", "email": "guest@example.com"}), 200)
	l.wrote(t, `team/user_invited `+admin+`{"user_email":"guest@example.com","user_id":"<guest>"}`)

	eve = l.signIn(t, eve)
	l.last = "a sign-in of who has no name"
	l.wrote(t, `account/login 15550101=<eve> null {"provider":"email"}`)
	l.exec(t, "delete from auth.audit_log_entries")
	factor := l.as(t, eve, "POST", "/factors", map[string]any{"factor_type": "totp"}).ok(t, 200).text("id")
	l.name(factor, "factor")
	l.exec(t, "delete from auth.audit_log_entries")
	path := "/admin/users/" + eve.id + "/factors/" + factor
	l.did(t, "a factor renamed", l.admin(t, "PUT", path, map[string]any{"friendly_name": "mine"}), 200)
	l.wrote(t, `factor/factor_updated `+admin+`{"factor_id":"<factor>","factor_type":"totp","user_id":"<eve>"}`)
	l.did(t, "a factor removed", l.admin(t, "DELETE", path, nil), 200)
	l.wrote(t, `factor/factor_deleted 15550101=<eve> null {"factor_id":"<factor>","user_id":"<eve>"} 127.0.0.1`)
	l.did(t, "a deletion", l.admin(t, "DELETE", "/admin/users/"+eve.id, nil), 200)
	l.wrote(t, `team/user_deleted `+admin+`{"user_email":"eve@example.com","user_id":"<eve>","user_phone":"15550101"}`)
}

// What second factors write to the audit log.
//
//covers:auth 170
func TestAuditOfFactors(t *testing.T) {
	t.Parallel()
	l := &auditLog{fixture: start(t, func(c *auth.Config) { c.MFA.Phone.EnrollEnabled = true })}
	ann := l.signUp(t, "ann@example.com")
	l.name(ann.id, "ann")
	l.name(claims(t, ann.token)["session_id"].(string), "session")
	l.exec(t, "delete from auth.audit_log_entries")
	const who, from = "ann@example.com=<ann> ", " 127.0.0.1"

	r := l.did(t, "a number", l.as(t, ann, "POST", "/factors", map[string]any{"factor_type": "phone", "phone": "15550100"}), 200)
	l.name(r.text("id"), "phone")
	l.wrote(t, `factor/factor_in_progress `+who+`{"factor_id":"<phone>","factor_type":"phone"}`+from)
	r = l.did(t, "a factor", l.as(t, ann, "POST", "/factors", map[string]any{"factor_type": "totp", "friendly_name": "mine"}), 200)
	secret, path := r.text("totp.secret"), "/factors/"+r.text("id")
	l.name(r.text("id"), "totp")
	l.wrote(t, `factor/factor_in_progress `+who+`{"factor_id":"<totp>"}`+from)
	r = l.did(t, "a challenge", l.as(t, ann, "POST", path+"/challenge", nil), 200)
	l.name(r.text("id"), "challenge")
	l.wrote(t, `factor/challenge_created `+who+`{"factor_id":"<totp>","factor_status":"unverified"}`+from)
	l.did(t, "a wrong code", l.as(t, ann, "POST", path+"/verify", map[string]any{"challenge_id": r.text("id"), "code": "x"}), 422)
	l.wrote(t, "")
	r = l.did(t, "a verification", l.as(t, ann, "POST", path+"/verify", map[string]any{"challenge_id": r.text("id"), "code": totp(t, secret, l.clock.now())}), 200)
	l.wrote(t, `factor/verification_attempted `+who+`{"challenge_id":"<challenge>","factor_id":"<totp>","factor_type":"totp"}`+from, `token/token_revoked ann@example.com=<ann>`)
	ann.token = r.text("access_token")
	l.did(t, "an unenrolment", l.as(t, ann, "DELETE", path, nil), 200)
	l.wrote(t, `factor/factor_unenrolled `+who+`{"factor_id":"<totp>","factor_status":"verified","session_id":"<session>"}`+from)
}

// What confirmations write to the audit log.
//
//covers:auth 170
func TestAuditOfConfirmations(t *testing.T) {
	t.Parallel()
	l := &auditLog{fixture: start(t, func(c *auth.Config) {
		c.Email.RequireConfirmation, c.Phone.RequireConfirmation, c.Phone.Enabled = true, true, true
		c.Phone.TestCodes = map[string]string{"15550100": "111111"}
		c.Phone.MaxFrequency = -1
	})}
	const who = "ann@example.com=<ann>"
	r := l.did(t, "a sign-up", l.post(t, "/signup", map[string]any{"email": "ann@example.com", "password": goodPassword}), 200)
	l.name(r.text("id"), "ann")
	l.wrote(t, `user/user_confirmation_requested `+who+` {"provider":"email"}`)
	l.did(t, "a mail again", l.post(t, "/resend", map[string]any{"type": "signup", "email": "ann@example.com"}), 200)
	l.wrote(t, `user/user_confirmation_requested `+who)
	l.did(t, "a confirmation", l.post(t, "/verify", map[string]any{"type": "signup", "email": "ann@example.com", "token": codeIn(t, l.mailFor(t, "ann@example.com"))}), 200)
	l.wrote(t, `team/user_signedup `+who+` {"provider":"email"}`)
	l.did(t, "a repeated sign-up", l.post(t, "/signup", map[string]any{"email": "ann@example.com", "password": goodPassword}), 200)
	l.wrote(t, `user/user_repeated_signup `+who+` {"provider":"email"}`)
	l.post(t, "/otp", map[string]any{"email": "ann@example.com"}).ok(t, 200)
	l.exec(t, "delete from auth.audit_log_entries")
	l.did(t, "a magic link", l.post(t, "/verify", map[string]any{"type": "email", "email": "ann@example.com", "token": codeIn(t, l.mailFor(t, "ann@example.com"))}), 200)
	l.wrote(t, `account/login `+who)

	r = l.did(t, "a sign-up by number", l.post(t, "/signup", map[string]any{"phone": "15550100", "password": goodPassword}), 200)
	l.name(r.text("id"), "bob")
	l.wrote(t, `user/user_confirmation_requested 15550100=<bob> {"provider":"phone"}`)
	l.did(t, "a text again", l.post(t, "/resend", map[string]any{"type": "sms", "phone": "15550100"}), 200)
	l.wrote(t, `user/user_recovery_requested 15550100=<bob>`)
	l.did(t, "its confirmation", l.post(t, "/verify", map[string]any{"type": "sms", "phone": "15550100", "token": "111111"}), 200)
	l.wrote(t, `team/user_signedup 15550100=<bob> {"provider":"phone"}`)
}

// What sign-ins through providers write to the audit log.
//
//covers:auth 170
func TestAuditOfProviders(t *testing.T) {
	t.Parallel()
	s := startSocial(t, confirming)
	l := &auditLog{fixture: s.fixture}
	known := func(email, name string) {
		t.Helper()
		l.name(s.value(t, "select id from auth.users where email = $1", email), name)
	}
	identity := func(email, provider string) string {
		t.Helper()
		return s.value(t, "select i.id from auth.identities i join auth.users u on u.id = i.user_id where u.email = $1 and provider = $2", email, provider)
	}
	sub := func(email, provider string) string {
		t.Helper()
		return s.value(t, "select i.provider_id from auth.identities i join auth.users u on u.id = i.user_id where u.email = $1 and provider = $2", email, provider)
	}
	in := func(what, provider, query string, who oauth.FakeUser) *url.URL {
		t.Helper()
		l.last = what
		return s.through(t, provider, query, who)
	}
	in("a first sign-in", "google", "", oauth.FakeUser{Email: "ann@social.test", Name: "Ann A"})
	known("ann@social.test", "ann")
	l.wrote(t, `team/user_signedup ann@social.test=<ann> "Ann A" {"provider":"google"}`)
	in("a second one", "google", "", oauth.FakeUser{Email: "ann@social.test", Name: "Ann A"})
	l.wrote(t, `account/login ann@social.test=<ann> "Ann A" {"provider":"google"}`)
	in("another provider", "github", "", oauth.FakeUser{Email: "ann@social.test", Name: "Ann A"})
	l.name(identity("ann@social.test", "github"), "identity")
	l.wrote(t, `account/login ann@social.test=<ann> "Ann A" {"provider":"github"}`,
		`user/identity_linked ann@social.test=<ann> "Ann A" {"identity_id":"<identity>","provider":"github","provider_id":"`+sub("ann@social.test", "github")+`"} 127.0.0.1`)

	verifier, challenge := pkce(t)
	end := in("a code", "google", "&code_challenge_method=s256&code_challenge="+challenge, oauth.FakeUser{Email: "ann@social.test", Name: "Ann A"})
	l.wrote(t, `account/login ann@social.test=<ann> "Ann A" {"provider":"google"}`)
	l.did(t, "its exchange", s.post(t, "/token?grant_type=pkce", map[string]any{"auth_code": end.Query().Get("code"), "code_verifier": verifier}), 200)
	l.wrote(t, `account/login ann@social.test=<ann> "Ann A" {"provider_type":"google"}`)

	guest := s.admin(t, "POST", "/invite", map[string]any{"email": "guest@social.test"}).ok(t, 200)
	l.name(guest.text("id"), "guest")
	l.exec(t, "delete from auth.audit_log_entries")
	in("an invitation accepted", "google", "&invite_token="+s.value(t, "select confirmation_token from auth.users where email = 'guest@social.test'"), oauth.FakeUser{Email: "guest@social.test"})
	l.wrote(t, `account/invite_accepted guest@social.test=<guest> {"provider":"google"}`)

	end = in("a sign-in", "google", "", oauth.FakeUser{Email: "ann@social.test", Name: "Ann A"})
	ann := user{token: fragment(t, end).Get("access_token")}
	l.exec(t, "delete from auth.audit_log_entries")
	number := sub("ann@social.test", "github")
	l.did(t, "an unlinking", s.as(t, ann, "DELETE", "/user/identities/"+identity("ann@social.test", "github"), nil), 200)
	l.wrote(t, `user/identity_unlinked ann@social.test=<ann> "Ann A" {"identity_id":"<identity>","provider":"github","provider_id":"`+number+`"} 127.0.0.1`)
	if err := s.fake.Next("github", oauth.FakeUser{Email: "ann@social.test", Name: "Ann A"}); err != nil {
		t.Fatal(err)
	}
	s.back(t, s.visit(t, l.did(t, "a link", s.as(t, ann, "GET", "/user/identities/authorize?skip_http_redirect=true&provider=github", nil), 200).text("url")))
	l.name(identity("ann@social.test", "github"), "again")
	l.wrote(t, `user/identity_linked ann@social.test=<ann> "Ann A" {"identity_id":"<again>","provider":"github","provider_id":"`+number+`"} 127.0.0.1`)
}
