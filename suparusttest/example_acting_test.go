package suparusttest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/suparust/suparust/fixtures"
	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

func ExampleClient() {
	srv := suparusttest.Start(t, suparusttest.WithSQL("create table todos (id int primary key, task text, done bool default false)"))
	api := srv.ServiceClient()
	api.Post(t, "/rest/v1/todos", `[{"id":1,"task":"read"},{"id":2,"task":"write"}]`).WantStatus(t, http.StatusCreated)
	api.Patch(t, "/rest/v1/todos?id=eq.1", map[string]any{"done": true}).WantStatus(t, http.StatusNoContent)
	api.Delete(t, "/rest/v1/todos?id=eq.2").WantStatus(t, http.StatusNoContent)

	var todos []struct {
		Task string
		Done bool
	}
	api.Get(t, "/rest/v1/todos?select=task,done").WantStatus(t, http.StatusOK).JSON(t, &todos)
	if len(todos) != 1 || !todos[0].Done {
		t.Errorf("%+v", todos)
	}
	one := http.Header{"Accept": {"application/vnd.pgrst.object+json"}}
	api.Do(t, http.MethodGet, "/rest/v1/todos?id=eq.1", nil, one).WantStatus(t, http.StatusOK)
}

func ExampleServer_SignIn() {
	srv := suparusttest.Start(t)
	srv.Client().Post(t, "/auth/v1/signup", `{"email":"ann@example.com","password":"long enough"}`).WantStatus(t, http.StatusOK)
	ann := srv.SignIn(t, "ann@example.com", "long enough")
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, http.StatusOK)
}

func ExampleServer_CreateUser_options() {
	srv := suparusttest.Start(t, suparusttest.WithSQL("create role editor; grant editor to authenticator"))
	srv.CreateUser(t, "eve@example.com",
		suparusttest.UserRole("editor"), // else authenticated
		suparusttest.UserPassword("one of her own"),
		suparusttest.UserPhone("15550100"),
		suparusttest.UserMetadata(map[string]any{"name": "Eve"}),
	)
	eve := srv.SignIn(t, "eve@example.com", "one of her own")
	var user struct{ Role, Phone string }
	srv.ClientAs(eve).Get(t, "/auth/v1/user").WantStatus(t, http.StatusOK).JSON(t, &user)
	if user.Role != "editor" || user.Phone != "15550100" {
		t.Errorf("%+v", user)
	}

	srv.CreateUser(t, "new@example.com", suparusttest.UserUnconfirmed())
	srv.CreateUser(t, "bad@example.com", suparusttest.UserBanned(24*time.Hour))
	for _, email := range []string{"new@example.com", "bad@example.com"} {
		body := map[string]string{"email": email, "password": suparusttest.Password}
		srv.Client().Post(t, "/auth/v1/token?grant_type=password", body).WantStatus(t, http.StatusBadRequest)
	}
}

func ExampleServer_TOTP() {
	srv := suparusttest.Start(t)
	ann := srv.CreateUser(t, "ann@example.com", suparusttest.UserTOTP())
	api, factor := srv.ClientAs(ann), "/auth/v1/factors/"+ann.FactorID
	var challenge struct{ ID string }
	api.Post(t, factor+"/challenge", `{}`).WantStatus(t, http.StatusOK).JSON(t, &challenge)
	typed := map[string]string{"challenge_id": challenge.ID, "code": srv.TOTP(t, ann)}
	api.Post(t, factor+"/verify", typed).WantStatus(t, http.StatusOK)
}

func ExampleServer_Token() {
	srv := suparusttest.Start(t)
	ann := srv.CreateUser(t, "ann@example.com")
	token := srv.Token(t, map[string]any{"sub": ann.ID, "exp": srv.Clock.Now().Add(-time.Minute).Unix()}) // for a client of your own
	late := srv.ClientAs(&suparusttest.User{AccessToken: token})
	late.Get(t, "/rest/v1/").WantStatus(t, http.StatusUnauthorized)
}

func ExampleServer_OAuthIDToken() {
	srv := suparusttest.Start(t, suparusttest.WithOAuth("google"))
	token := srv.OAuthIDToken(t, "google", suparusttest.OAuthUser{Email: "ann@example.com", Name: "Ann"}, "")
	// what an app does that has it from Google's own button
	srv.Client().Post(t, "/auth/v1/token?grant_type=id_token", map[string]string{"provider": "google", "id_token": token}).WantStatus(t, http.StatusOK)
}

func ExampleServer_CreateSession() {
	srv := suparusttest.Start(t, suparusttest.WithFixtures(fixtures.FS, "blog"))
	ann := srv.CreateSession(t, "ann@example.com") // whatever her password
	srv.ClientAs(ann).Get(t, "/rest/v1/posts").WantStatus(t, http.StatusOK)

	srv.ResetAuth(t) // nobody is there any more
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, http.StatusForbidden)
}

func ExampleServer_NextOAuthUser() {
	srv := suparusttest.Start(t, suparusttest.WithOAuth("github"))
	srv.NextOAuthUser(t, "github", suparusttest.OAuthUser{Email: "ann@example.com", Name: "Ann"})

	// what a browser does that follows the link "Sign in with GitHub"
	browser := srv.Client()
	browser.HTTP.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Fragment != "" { // back at the app, with the tokens
			return http.ErrUseLastResponse
		}
		return nil
	}
	browser.Get(t, "/auth/v1/authorize?provider=github").WantStatus(t, http.StatusFound)
	srv.CreateSession(t, "ann@example.com") // she is there now
}

func ExampleWithFixedCode() {
	srv := suparusttest.Start(t, suparusttest.WithFixedCode("424242")) // for tests that cannot read mails
	srv.Client().Post(t, "/auth/v1/otp", `{"email":"ann@example.com"}`).WantStatus(t, http.StatusOK)
	srv.Client().Post(t, "/auth/v1/verify", `{"type":"email","email":"ann@example.com","token":"424242"}`).WantStatus(t, http.StatusOK)
}

func ExampleServer_Load() {
	srv := suparusttest.Start(t)
	srv.Load(t, fixtures.FS, "blog") // in the middle of a test

	var post struct{ Title string }
	srv.Row(t, "posts/draft", &post)
	srv.ServiceClient().Get(t, "/rest/v1/posts?id=eq."+srv.Key(t, "posts/draft")).WantStatus(t, http.StatusOK)
	if post.Title != "Not yet" {
		t.Errorf("%+v", post)
	}
}

func ExampleWithSharedCluster() {
	for _, name := range []string{"one", "another"} { // databases of one PostgreSQL, which do not see each other
		t.Run(name, func(t *testing.T) {
			srv := suparusttest.Start(t, suparusttest.WithSharedCluster(), suparusttest.WithSQL("create table mine (id int)"))
			srv.ServiceClient().Get(t, "/rest/v1/mine").WantStatus(t, http.StatusOK)
		})
	}
}

func ExampleStart_benchmark() {
	result := testing.Benchmark(func(b *testing.B) {
		srv := suparusttest.Start(b, suparusttest.WithSQL("create table notes (body text)"))
		api := srv.ServiceClient()
		for b.Loop() {
			api.Post(b, "/rest/v1/notes", `{"body":"hello"}`).WantStatus(b, http.StatusCreated)
		}
	})
	if result.N == 0 {
		t.Error("it failed")
	}
}

func ExampleServer_AnswerHTTP() {
	srv := suparusttest.Start(t, suparusttest.WithConfig(func(c *server.Config) {
		c.Auth.Hooks = map[string]server.HookConfig{"before_user_created": {Enabled: true, URI: "https://app.example.com/hooks/signup",
			Secrets: []string{"v1,whsec_aGFsZi1hLWtpbG9ieXRlLW9mLWVudHJvcHk="}}}
	}))
	srv.AnswerHTTP(t, suparusttest.HTTPAnswer{URL: "https://app.example.com/hooks/*", Body: map[string]any{}}) // {} lets everybody in
	srv.Client().Post(t, "/auth/v1/signup", `{"email":"ann@example.com","password":"long enough"}`).WantStatus(t, http.StatusOK)

	var asked struct{ User struct{ Email string } }
	request := srv.WaitHTTP(t, "https://app.example.com/hooks/signup")
	if err := request.JSON(&asked); err != nil || asked.User.Email != "ann@example.com" {
		t.Errorf("the hook was asked %s", request.Body)
	}
}
