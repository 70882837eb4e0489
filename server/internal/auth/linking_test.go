package auth_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/oauth"
	"github.com/suparust/suparust/server/internal/mail"
)

// summary is a user in a line: address, confirmed, providers.
func (s *social) summary(t testing.TB, id string) string {
	t.Helper()
	return s.value(t, `select concat_ws(' ', coalesce(email, '-'), case when email_confirmed_at is null then 'unconfirmed' else 'confirmed' end,
		case when coalesce(encrypted_password, '') = '' then 'no password' else 'password' end,
		raw_app_meta_data->>'provider', raw_app_meta_data->'providers',
		(select string_agg(provider, ',' order by provider) from auth.identities where user_id = u.id))
		from auth.users u where id = $1`, id)
}

// TestLinking: who comes with a verified address enters the account of it.
func TestLinking(t *testing.T) {
	t.Parallel()
	s := startSocial(t, confirming)
	confirmed := func(email string) string {
		t.Helper()
		return s.admin(t, "POST", "/admin/users", map[string]any{"email": email, "password": goodPassword, "email_confirm": true}).ok(t, 200).text("id")
	}
	t.Run("a verified address", func(t *testing.T) {
		id := confirmed("one@link.test")
		u := s.in(t, "google", oauth.FakeUser{Email: "One@link.test"})
		if u.id != id {
			t.Fatal("it is another user")
		}
		if got := s.summary(t, id); got != `one@link.test confirmed password email ["email", "google"] email,google` {
			t.Error(got)
		}
		if again := s.in(t, "github", oauth.FakeUser{Email: "one@link.test"}); again.id != id {
			t.Error("a second service makes another user")
		}
	})
	t.Run("the service's id counts, not the address", func(t *testing.T) {
		u := s.in(t, "google", oauth.FakeUser{Subject: "77", Email: "before@link.test"})
		confirmed("after@link.test")
		if got := s.in(t, "google", oauth.FakeUser{Subject: "77", Email: "after@link.test"}); got.id != u.id {
			t.Error("another user")
		}
		if got := s.value(t, `select identity_data->>'email' from auth.identities where provider_id = '77'`); got != "after@link.test" {
			t.Errorf("the identity's address is %s", got)
		}
		if got := s.summary(t, u.id); !strings.HasPrefix(got, "before@link.test") {
			t.Error(got)
		}
	})
	t.Run("an unconfirmed account is taken over by its owner", func(t *testing.T) {
		s.post(t, "/signup", map[string]any{"email": "victim@link.test", "password": "attacker's own", "data": map[string]any{"evil": true}}).ok(t, 200)
		u := s.in(t, "google", oauth.FakeUser{Email: "victim@link.test"})
		if got := s.summary(t, u.id); got != `victim@link.test confirmed no password google ["google"] google` {
			t.Error(got)
		}
		if got := s.value(t, `select raw_user_meta_data ? 'evil' from auth.users where id = $1`, u.id); got != "false" {
			t.Error("the stranger's data is kept")
		}
		s.post(t, "/token?grant_type=password", map[string]any{"email": "victim@link.test", "password": "attacker's own"}).
			refused(t, 400, "invalid_credentials", "Invalid login credentials")
	})
	t.Run("an unverified address of somebody else", func(t *testing.T) {
		id := confirmed("owner@link.test")
		failed(t, s.through(t, "github", "", oauth.FakeUser{Email: "owner@link.test", Unverified: true}), "access_denied",
			"provider_email_needs_verification", "Unverified email with github. Verify the email with github in order to sign in")
		if got := s.summary(t, id); got != `owner@link.test confirmed password email ["email"] email` {
			t.Error(got)
		}
		other := s.value(t, `select user_id from auth.identities where provider = 'github' and email = 'owner@link.test'`)
		if got := s.summary(t, other); other == id || got != `- unconfirmed no password github ["github"] github` {
			t.Errorf("%s: %s", other, got)
		}
	})
	t.Run("an unverified address is asked to be confirmed", func(t *testing.T) {
		const message = "Unverified email with spotify. A confirmation email has been sent to your spotify email"
		failed(t, s.through(t, "spotify", "", oauth.FakeUser{Email: "new@link.test"}), "access_denied", "provider_email_needs_verification", message)
		if m := s.box.List(mail.Filter{To: "new@link.test"}); len(m) != 1 || m[0].Tags[0] != "confirmation" {
			t.Fatalf("the mails are %+v", m)
		}
		hash := s.value(t, `select confirmation_token from auth.users where email = 'new@link.test'`)
		s.post(t, "/verify", map[string]any{"type": "signup", "token_hash": hash}).ok(t, 200)
		u := s.in(t, "spotify", oauth.FakeUser{Email: "new@link.test"})
		if got := s.summary(t, u.id); got != `new@link.test confirmed no password spotify ["spotify"] spotify` {
			t.Error(got)
		}
	})
	t.Run("single sign-on stays apart", func(t *testing.T) {
		id := confirmed("sso@link.test")
		s.exec(t, `update auth.users set is_sso_user = true where id = $1`, id)
		s.exec(t, `update auth.identities set provider = 'sso:1' where user_id = $1`, id)
		if u := s.in(t, "google", oauth.FakeUser{Email: "sso@link.test"}); u.id == id {
			t.Error("it is the same user")
		}
	})
	t.Run("two accounts of one address", func(t *testing.T) {
		a, b := confirmed("two-a@link.test"), confirmed("two-b@link.test")
		s.exec(t, `update auth.identities set identity_data = identity_data || '{"email": "two@link.test"}' where user_id in ($1, $2)`, a, b)
		failed(t, s.through(t, "google", "", oauth.FakeUser{Email: "two@link.test"}), "server_error", "unexpected_failure",
			"Multiple accounts with the same email address in the same linking domain detected: default")
	})
	t.Run("many at once", func(t *testing.T) {
		who := oauth.FakeUser{Email: "race@link.test"}
		const n = 8
		froms := make([]*url.URL, n)
		for i := range froms {
			if err := s.fake.Next("google", who); err != nil {
				t.Fatal(err)
			}
			froms[i] = s.visit(t, s.authorize(t, "provider=google"))
		}
		ends := make([]*url.URL, n)
		var wg sync.WaitGroup
		for i := range froms {
			wg.Go(func() { ends[i] = s.back(t, froms[i]) })
		}
		wg.Wait()
		for _, end := range ends {
			if !strings.HasPrefix(end.Fragment, "access_token=") {
				t.Errorf("ends at %s", end)
			}
		}
		if got := s.value(t, `select count(*) from auth.users where email = 'race@link.test'`); got != "1" {
			t.Errorf("%s users", got)
		}
	})
}

// TestAutoconfirmLinks: where addresses need no confirmation, what a service
// tells is taken for verified.
func TestAutoconfirmLinks(t *testing.T) {
	t.Parallel()
	s := startSocial(t, func(c *auth.Config) {
		c.OAuth.Providers["github"] = auth.OAuthProvider{Enabled: true, EmailOptional: true}
	})
	u := s.signUp(t, "auto@link.test")
	if got := s.in(t, "spotify", oauth.FakeUser{Email: "auto@link.test"}); got.id != u.id {
		t.Error("another user")
	}
	none := s.in(t, "github", oauth.FakeUser{Email: "none@link.test", NoEmail: true})
	if got := s.summary(t, none.id); got != `- unconfirmed no password github ["github"] github` {
		t.Error(got)
	}
	if again := s.in(t, "github", oauth.FakeUser{Email: "none@link.test", NoEmail: true}); again.id != none.id {
		t.Error("a second user without an address")
	}
}

// TestManualLinking is linkIdentity and unlinkIdentity.
//
//covers:auth 111 113
func TestManualLinking(t *testing.T) {
	t.Parallel()
	s := startSocial(t, func(c *auth.Config) { c.Email.Notifications = map[string]bool{"identity_linked": true} })
	link := func(u user, provider, query string) string {
		t.Helper()
		return s.as(t, u, "GET", "/user/identities/authorize?skip_http_redirect=true&provider="+provider+query, nil).ok(t, 200).text("url")
	}
	add := func(u user, provider string, who oauth.FakeUser) *url.URL {
		t.Helper()
		if err := s.fake.Next(provider, who); err != nil {
			t.Fatal(err)
		}
		return s.back(t, s.visit(t, link(u, provider, "")))
	}
	ann := s.signUp(t, "ann@manual.test")
	if !strings.HasPrefix(fragment(t, add(ann, "google", oauth.FakeUser{Email: "other@manual.test"})).Get("access_token"), "ey") {
		t.Fatal("no session after linking")
	}
	if got := s.summary(t, ann.id); got != `ann@manual.test confirmed password email ["email", "google"] email,google` {
		t.Error(got)
	}
	if m := s.box.List(mail.Filter{To: "ann@manual.test"}); len(m) != 1 || m[0].Tags[0] != "identity_linked" {
		t.Errorf("the mails are %+v", m)
	}
	failed(t, add(ann, "google", oauth.FakeUser{Email: "other@manual.test"}), "server_error", "identity_already_exists", "Identity is already linked")
	bob := s.signUp(t, "bob@manual.test")
	failed(t, add(bob, "google", oauth.FakeUser{Email: "other@manual.test"}), "server_error", "identity_already_exists", "Identity is already linked to another user")

	t.Run("redirect", func(t *testing.T) {
		r := s.as(t, bob, "GET", "/user/identities/authorize?provider=github", nil).ok(t, 302)
		if !strings.HasPrefix(r.header.Get("Location"), fakeBase+"/github/authorize?") {
			t.Error(r.header.Get("Location"))
		}
		s.as(t, bob, "GET", "/user/identities/authorize?provider=x9", nil).
			refused(t, 400, "validation_failed", "Unsupported provider: Provider x9 could not be found")
	})
	t.Run("the user is gone", func(t *testing.T) {
		u := s.signUp(t, "gone@manual.test")
		at := parse(t, link(u, "google", ""))
		s.admin(t, "DELETE", "/admin/users/"+u.id, nil).ok(t, 200)
		r := s.do(t, request{path: "/callback?code=c&state=" + at.Query().Get("state")}).ok(t, 303)
		if got := parse(t, r.header.Get("Location")).Query(); got.Get("error_code") != "user_not_found" || got.Get("error_description") != "Linking target user not found" {
			t.Error(got)
		}
	})
	t.Run("an anonymous user becomes a permanent one", func(t *testing.T) {
		r := s.post(t, "/signup", map[string]any{}).ok(t, 200)
		anon := user{id: r.text("user.id"), token: r.text("access_token")}
		failed(t, add(anon, "github", oauth.FakeUser{Email: "ann@manual.test"}), "invalid_request", "email_exists",
			"A user with this email address has already been registered")
		add(anon, "github", oauth.FakeUser{Email: "anon@manual.test"})
		if got := s.summary(t, anon.id); got != `anon@manual.test confirmed no password github ["github"] github` {
			t.Error(got)
		}
		if got := s.value(t, `select is_anonymous from auth.users where id = $1`, anon.id); got != "false" {
			t.Error("the user is anonymous still")
		}
	})
	t.Run("an anonymous user with an unverified address", func(t *testing.T) {
		r := s.post(t, "/signup", map[string]any{}).ok(t, 200)
		anon := user{id: r.text("user.id"), token: r.text("access_token")}
		failed(t, add(anon, "spotify", oauth.FakeUser{Email: "unverified@manual.test"}), "server_error", "email_not_confirmed",
			"Unverified email with spotify. A confirmation email has been sent to your spotify email")
		if got := s.summary(t, anon.id); !strings.HasPrefix(got, "unverified@manual.test unconfirmed") || !strings.HasSuffix(got, "spotify") {
			t.Error(got)
		}
	})
	t.Run("unlink, and the address left is another user's", func(t *testing.T) {
		u := s.signUp(t, "conflict@manual.test")
		add(u, "gitlab", oauth.FakeUser{Email: "taken@manual.test"})
		id := s.value(t, `select id from auth.identities where provider = 'email' and user_id = $1`, u.id)
		// the address of a user without identities, as seeds make them
		s.exec(t, `insert into auth.users (instance_id, id, aud, role, email) values ('00000000-0000-0000-0000-000000000000', gen_random_uuid(), 'authenticated',
			'authenticated', 'taken@manual.test')`)
		s.as(t, u, "DELETE", "/user/identities/"+id, nil).
			refused(t, 422, "email_conflict_identity_not_deletable", "Unable to unlink identity due to email conflict")
		if got := s.summary(t, u.id); got != `conflict@manual.test confirmed password email ["email", "gitlab"] email,gitlab` {
			t.Error(got)
		}
	})
	t.Run("unlink", func(t *testing.T) {
		u := s.as(t, ann, "GET", "/user", nil).ok(t, 200)
		ids := map[string]string{}
		for i, p := range []string{u.text("identities.0.provider"), u.text("identities.1.provider")} {
			ids[p] = u.text([]string{"identities.0.identity_id", "identities.1.identity_id"}[i])
		}
		s.as(t, ann, "DELETE", "/user/identities/"+ids["email"], nil).ok(t, 200)
		if got := s.summary(t, ann.id); got != `other@manual.test confirmed password google ["google"] google` {
			t.Error(got)
		}
		s.as(t, ann, "DELETE", "/user/identities/"+ids["google"], nil).
			refused(t, 422, "single_identity_not_deletable", "User must have at least 1 identity after unlinking")
	})
}
