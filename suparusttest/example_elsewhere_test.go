package suparusttest_test

import (
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/suparust/suparust/fixtures"
	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// elsewhere are the URL and the token of a server's control API, as suparust
// status shows them.
func elsewhere() (controlURL, token string) {
	access := suparusttest.Start(t).Control(t)
	return access.URL, access.Header.Get("Authorization")[len("Bearer "):]
}

func ExampleAttach() {
	controlURL, token := elsewhere() // suparust start --control; suparust status
	srv := suparusttest.Attach(t, "", "", server.Keys{}, suparusttest.WithControl(controlURL, token))
	ann := srv.CreateUser(t, "ann@example.com")
	srv.Clock.Advance(2 * time.Hour)
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, http.StatusForbidden)
}

func ExampleAttachEnv() {
	if os.Getenv("SUPARUST_CONTROL_URL") == "" {
		t.Skip("run it with: suparust exec -- go test")
	}
	srv := suparusttest.AttachEnv(t).Branch(t) // beside the other tests on that server
	srv.CreateUser(t, "ann@example.com")
}

func ExampleServer_Branch() {
	srv := suparusttest.Start(t, suparusttest.WithFixtures(fixtures.FS, "shop"))
	for _, status := range []string{"paid", "lost"} { // each from the shop as it is
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			own := srv.Branch(t)
			own.Exec(t, "create table outcome (status text)")
			own.ServiceClient().Post(t, "/rest/v1/outcome", map[string]string{"status": status}).WantStatus(t, http.StatusCreated)
		})
	}
}

func ExampleServer_Disconnect() {
	srv := suparusttest.Start(t, suparusttest.WithSQL("create table notes (body text)"))
	pool := srv.Pool(t) // an app's own
	if _, err := pool.Exec(t.Context(), "insert into notes values ('before')"); err != nil {
		t.Fatal(err)
	}
	srv.Disconnect(t)
	var err error
	for range 5 { // what an app is to do
		if _, err = pool.Exec(t.Context(), "insert into notes values ('after')"); err == nil {
			return
		}
	}
	t.Error(err)
}

func ExampleServer_Control() {
	srv := suparusttest.Start(t)
	control := srv.Control(t) // what tests in other languages ask with fetch
	control.Post(t, "/clock", `{"advance":"2h"}`).WantStatus(t, http.StatusOK)
	control.Post(t, "/faults", `{"path":"/rest/v1","status":503}`).WantStatus(t, http.StatusOK)
	srv.Client().Get(t, "/rest/v1/").WantStatus(t, http.StatusServiceUnavailable)
}

func ExampleServer_Environ() {
	srv := suparusttest.Start(t)
	app := exec.CommandContext(t.Context(), "sh", "-c", `test -n "$SUPABASE_URL" && test -n "$NEXT_PUBLIC_SUPABASE_ANON_KEY"`) // npm test
	app.Env = append(os.Environ(), srv.Environ()...)
	if out, err := app.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func ExampleMain() {
	// func TestMain(m *testing.M) { os.Exit(…) } of a package whose tests begin with the blog
	_ = func(m *testing.M) int { return suparusttest.Main(m, suparusttest.WithFixtures(fixtures.FS, "blog")) }
}
