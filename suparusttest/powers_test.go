package suparusttest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/fixtures"
	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// power is what the handle can do, and how that is seen.
type power struct {
	name string
	use  func(t *testing.T, srv *suparusttest.Server)
}

// powers follow each other on one server. The last but one brings it back to
// its beginning.
var powers = []power{
	{"users", usersOf}, {"SQL as a user", rolesOf}, {"fixtures", fixturesOf}, {"mail and text messages", messagesOf}, {"the clock", clockOf},
	{"jobs of pg_cron", jobsOf},
	{"requests to others", othersOf}, {"requests of SQL to others", pgNetOf},
	{"faults", faultsOf}, {"connections that end", disconnectOf}, {"snapshots", snapshotsOf}, {"a branch", branchOf}, {"reset", resetOf}, {"no users", resetAuthOf},
}

// TestPowers: the handle does the same wherever the server runs.
func TestPowers(t *testing.T) {
	t.Parallel()
	loaded := suparusttest.WithSQL(`create table notes (id int primary key, owner uuid default auth.uid());
		alter table notes enable row level security;
		create policy own on notes using (owner = auth.uid());
		insert into storage.buckets (id, name) values ('b', 'b')`)
	for _, where := range []struct {
		name string
		make func(t *testing.T) *suparusttest.Server
	}{
		{"in this process", func(t *testing.T) *suparusttest.Server {
			return suparusttest.Start(t, suparusttest.WithoutProject(), loaded, suparusttest.WithConfig(standsAlone(publicTempDir(t))))
		}},
		{"in another process", func(t *testing.T) *suparusttest.Server {
			access := startAlone(t, publicTempDir(t))
			return suparusttest.Attach(t, "", "", server.Keys{}, suparusttest.WithControl(access.URL, access.Token), loaded)
		}},
	} {
		t.Run(where.name, func(t *testing.T) {
			t.Parallel()
			srv := where.make(t)
			for _, p := range powers {
				if !t.Run(p.name, func(t *testing.T) { p.use(t, srv) }) {
					return
				}
			}
		})
	}
}

func usersOf(t *testing.T, srv *suparusttest.Server) {
	eva := srv.CreateUser(t, "eva@example.com", suparusttest.UserTOTP(), suparusttest.UserAppMetadata(map[string]any{"admin": true}))
	aal := func(u *suparusttest.User) string {
		t.Helper()
		srv.Exec(t, "create or replace function level() returns text language sql as $$ select auth.jwt() ->> 'aal' $$")
		return string(srv.ClientAs(u).Get(t, "/rest/v1/rpc/level").WantStatus(t, http.StatusOK).Body)
	}
	want(t, "by password", aal(eva), `"aal1"`)
	want(t, "with the second factor", aal(srv.Elevate(t, eva)), `"aal2"`)
	want(t, "signed in again", srv.SignIn(t, "eva@example.com", suparusttest.Password).ID, eva.ID)
	want(t, "a session of nothing", srv.CreateSession(t, "eva@example.com").ID, eva.ID)
	srv.CreateUser(t, "bad@example.com", suparusttest.UserBanned(time.Hour))
	srv.Client().Post(t, "/auth/v1/token?grant_type=password", map[string]string{"email": "bad@example.com", "password": suparusttest.Password}).
		WantStatus(t, http.StatusBadRequest)
	c := srv.ClientWithClaims(t, map[string]any{"sub": eva.ID})
	c.Post(t, "/rest/v1/notes", `{"id":1}`).WantStatus(t, http.StatusCreated)
	want(t, "the claimed user's rows", rows(t, c, "/rest/v1/notes?select=id"), `[{"id":1}]`)
	want(t, "a visitor's rows", rows(t, srv.Client(), "/rest/v1/notes"), `[]`)
}

func rolesOf(t *testing.T, srv *suparusttest.Server) {
	var n int
	tx := suparusttest.AsRole(t, srv.Pool(t), map[string]any{"sub": srv.CreateUser(t, "cat@example.com", suparusttest.UserPhone("15550100")).ID})
	if err := tx.QueryRow(t.Context(), "select count(*) from notes").Scan(&n); err != nil || n != 0 {
		t.Errorf("cat sees %d rows, %v", n, err)
	}
	if err := srv.Pool(t).QueryRow(t.Context(), "select count(*) from notes").Scan(&n); err != nil || n != 1 {
		t.Errorf("postgres sees %d rows, %v", n, err)
	}
}

func fixturesOf(t *testing.T, srv *suparusttest.Server) {
	srv.Load(t, fixtures.FS, "shop")
	dan := srv.UserNamed(t, "ann")
	want(t, "the user of the name", dan.ID, srv.Key(t, "auth.users/ann"))
	srv.ClientAs(dan).Get(t, "/storage/v1/object/invoices/1/invoice.txt").WantStatus(t, http.StatusOK)
}

func messagesOf(t *testing.T, srv *suparusttest.Server) {
	post := func(path string, body any) {
		t.Helper()
		srv.Client().Post(t, path, body).WantStatus(t, http.StatusOK)
	}
	post("/auth/v1/recover", map[string]string{"email": "cat@example.com"})
	first := srv.Mail.Wait(t, "Cat@example.com")
	if len(first.Code) != 6 || first.Link == "" || first.TokenHash == "" || first.Tags[0] != "recovery" || first.From.Address == "" || !first.IsTo("cat@example.com") {
		t.Errorf("%+v", first)
	}
	found := make(chan suparusttest.Message)
	go func() {
		defer close(found)
		found <- srv.Mail.WaitFor(t, "cat@example.com", func(m suparusttest.Message) bool { return m.ID != first.ID })
	}()
	post("/auth/v1/recover", map[string]string{"email": "cat@example.com"})
	if second := <-found; second.ID == "" || second.ID == first.ID {
		t.Errorf("%+v after %+v", second, first)
	}
	post("/auth/v1/otp", map[string]string{"phone": "+15550100"})
	if sms := srv.Mail.Wait(t, "+1 555 0100"); sms.Kind != "sms" || len(sms.Code) != 6 {
		t.Errorf("%+v", sms)
	}
	want(t, "mails to her", len(srv.Mail.To("cat@example.com")), 2)
	want(t, "mails about a recovery", len(srv.Mail.List(server.MailFilter{Tag: "recovery"})), 2)
	want(t, "all", len(srv.Mail.All()), 3)
	res, err := http.Get(srv.MailURL(t) + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	want(t, "the mailbox's port", res.StatusCode, http.StatusOK)
	srv.Mail.Clear()
	want(t, "none", len(srv.Mail.All()), 0)
}

func clockOf(t *testing.T, srv *suparusttest.Server) {
	cat := srv.SignIn(t, "cat@example.com", suparusttest.Password)
	srv.Clock.Advance(2 * time.Hour) // her token is good for one
	srv.ClientAs(cat).Get(t, "/auth/v1/user").WantStatus(t, http.StatusForbidden)
	if d := time.Until(srv.Clock.Now()); d < time.Hour || d > 3*time.Hour {
		t.Errorf("the clock is %v ahead", d)
	}
	srv.ClientWithClaims(t, map[string]any{"sub": cat.ID}).Get(t, "/rest/v1/notes").WantStatus(t, http.StatusOK) // a token of this time
	srv.Clock.Set(time.Now())
	srv.ClientAs(cat).Get(t, "/auth/v1/user").WantStatus(t, http.StatusOK)
}

func jobsOf(t *testing.T, srv *suparusttest.Server) {
	needsCron(t)
	srv.Exec(t, "create extension pg_cron; create table done (at timestamptz default now()); select cron.schedule('nightly', '0 3 * * *', 'insert into done default values')")
	if run := srv.RunCron(t, "nightly"); run.Message != "INSERT 0 1" || run.JobName != "nightly" || run.ID != 1 {
		t.Errorf("the run is %+v", run)
	}
	srv.Clock.Advance(48 * time.Hour)
	if n := column(t, srv, "select count(*) from done"); n != "3" {
		t.Errorf("after two nights the job has been run %s times", n)
	}
	srv.Clock.Set(time.Now())
	srv.Exec(t, "drop extension pg_cron; drop table done")
}

func othersOf(t *testing.T, srv *suparusttest.Server) {
	srv.AnswerHTTP(t, suparusttest.HTTPAnswer{Method: "POST", URL: "https://app.example.com/hooks/*", Body: map[string]any{}})
	srv.AnswerHTTP(t, suparusttest.HTTPAnswer{URL: "https://app.example.com/hooks/signup", Times: 1, Status: http.StatusOK,
		Body: map[string]any{"error": map[string]any{"http_code": 403, "message": "by invitation only"}}})
	sign := func() *suparusttest.Response {
		return srv.Client().Post(t, "/auth/v1/signup", `{"email":"eve@example.com","password":"long enough"}`)
	}
	asked := make(chan suparusttest.HTTPRequest)
	go func() {
		defer close(asked)
		asked <- srv.WaitHTTP(t, "https://app.example.com/*")
	}()
	if r := sign().WantStatus(t, http.StatusForbidden); !strings.Contains(string(r.Body), "by invitation only") {
		t.Errorf("%s", r.Body)
	}
	var payload struct {
		User struct{ Email string }
	}
	first := <-asked
	if err := first.JSON(&payload); err != nil || payload.User.Email != "eve@example.com" || first.Method != "POST" || !first.Answered || first.Header.Get("Webhook-Id") == "" {
		t.Errorf("%+v, %v", first, err)
	}
	sign().WantStatus(t, http.StatusOK)
	want(t, "requests", len(srv.HTTPRequests(t, "https://app.example.com/hooks/signup")), 2)
	want(t, "requests to nobody", len(srv.HTTPRequests(t, "https://other.example.com/*")), 0)
	said := fatal(t, func(tb testing.TB) { srv.AnswerHTTP(tb, suparusttest.HTTPAnswer{URL: "app.example.com"}) })
	want(t, "no address", said, `suparusttest: an answer needs the URL of the requests, such as https://hooks.example.com/*; "app.example.com" is none`)
	srv.ClearHTTP(t)
	want(t, "forgotten", len(srv.HTTPRequests(t, "")), 0)
}

// pgNetOf answers what SQL asks with pg_net, which the server sends once the
// transaction is committed.
func pgNetOf(t *testing.T, srv *suparusttest.Server) {
	srv.Exec(t, `create table parcels (id int primary key);
		create function tell() returns trigger language plpgsql as $$ begin
			perform net.http_post('https://shop.example.com/parcels', to_jsonb(new), headers => '{"X-From": "a trigger"}');
			return new;
		end $$;
		create trigger tell after insert on parcels for each row execute function tell()`)
	srv.AnswerHTTP(t, suparusttest.HTTPAnswer{Method: "POST", URL: "https://shop.example.com/*", Status: http.StatusAccepted, Header: map[string]string{"X-Shop": "open"},
		Body: map[string]any{"paid": true}})
	srv.ServiceClient().Post(t, "/rest/v1/parcels", `{"id":7}`).WantStatus(t, http.StatusCreated)
	asked := srv.WaitHTTP(t, "https://shop.example.com/parcels")
	var parcel struct{ ID int }
	if err := asked.JSON(&parcel); err != nil || parcel.ID != 7 || asked.Method != "POST" || !asked.Answered || asked.Header.Get("X-From") != "a trigger" {
		t.Errorf("%+v, %v", asked, err)
	}
	eventually(t, patience, func() error { // the answer is written down soon after
		if n := column(t, srv, "select count(*) from net._http_response"); n != "1" {
			return fmt.Errorf("%s responses are written down", n)
		}
		return nil
	})
	want(t, "what SQL is told", column(t, srv, "select concat_ws(' ', status_code, content::jsonb ->> 'paid', (select value from jsonb_each_text(headers) where lower(key) = 'x-shop')) from net._http_response"), "202 true open")
	srv.ClearHTTP(t)
	srv.Exec(t, "drop table parcels")
}

func faultsOf(t *testing.T, srv *suparusttest.Server) {
	srv.Fault(t, suparusttest.Fault{Path: "/rest/v1", Skip: 1, Times: 2, Status: http.StatusServiceUnavailable, Delay: time.Millisecond})
	var got []int
	for range 4 {
		got = append(got, srv.Client().Get(t, "/rest/v1/notes").Status)
	}
	want(t, "what requests meet", fmt.Sprint(got), "[200 503 503 200]")
	srv.Fault(t, suparusttest.Fault{Path: "/", Times: -1, Cut: true})
	srv.ClearFaults(t)
	srv.Client().Get(t, "/rest/v1/notes").WantStatus(t, http.StatusOK)
	said := fatal(t, func(tb testing.TB) { srv.Fault(tb, suparusttest.Fault{Path: "/x"}) })
	want(t, "a fault of nothing", said, "suparusttest: say what is to happen: delay, status, cut, cut_after or lose_answer")
}

func disconnectOf(t *testing.T, srv *suparusttest.Server) {
	pid := func() (n int) {
		t.Helper()
		eventually(t, 10*time.Second, func() error { return srv.Pool(t).QueryRow(t.Context(), "select pg_backend_pid()").Scan(&n) })
		return n
	}
	was := pid()
	srv.Disconnect(t)
	if is := pid(); is == was {
		t.Errorf("the connection %d is still there", is)
	}
	srv.Client().Get(t, "/rest/v1/notes").WantStatus(t, http.StatusOK) // the server has connected anew
}

func snapshotsOf(t *testing.T, srv *suparusttest.Server) {
	state := func() string {
		t.Helper()
		var files []struct{ Name string }
		srv.ServiceClient().Post(t, "/storage/v1/object/list/b", `{"prefix":""}`).WantStatus(t, http.StatusOK).JSON(t, &files)
		return fmt.Sprint(rows(t, srv.ServiceClient(), "/rest/v1/notes?select=id&order=id"), files)
	}
	put := func(id int) {
		t.Helper()
		srv.Exec(t, "insert into notes values ($1)", id)
		srv.ServiceClient().Post(t, fmt.Sprintf("/storage/v1/object/b/%d.txt", id), "file").WantStatus(t, http.StatusOK)
	}
	put(2)
	two := state()
	n := srv.Snapshot(t)
	put(3)
	three := state()
	srv.SaveSnapshot(t, "three")
	srv.Restore(t, n)
	want(t, "restored", state(), two)
	srv.Restore(t, srv.NamedSnapshot(t, "three"))
	want(t, "restored by name", state(), three)
	if said := fatal(t, func(tb testing.TB) { srv.NamedSnapshot(tb, "four") }); !strings.Contains(said, "there is no snapshot of the name four") || !strings.Contains(said, "there are: three") {
		t.Errorf("a name of nothing: %q", said)
	}
}

func branchOf(t *testing.T, srv *suparusttest.Server) {
	var api *suparusttest.Client
	t.Run("lives", func(t *testing.T) {
		branch := srv.Branch(t, suparusttest.WithSQL("create table theirs as select 1 as n"))
		api = branch.Control(t)
		want(t, "what it begins with", rows(t, branch.ServiceClient(), "/rest/v1/notes?id=eq.3&select=id"), `[{"id":3}]`)
		branch.Exec(t, "delete from notes")
		branch.Clock.Advance(time.Hour)
		branch.CreateUser(t, "branch@example.com")
		branch.Client().Post(t, "/auth/v1/recover", `{"email":"branch@example.com"}`).WantStatus(t, http.StatusOK)
		branch.Mail.Wait(t, "branch@example.com")
		branch.Reset(t)
		want(t, "what it goes back to", rows(t, branch.ServiceClient(), "/rest/v1/theirs"), `[{"n":1}]`)
	})
	gone(t, api)
	want(t, "mails here", len(srv.Mail.All()), 0)
	want(t, "rows here", rows(t, srv.ServiceClient(), "/rest/v1/notes?id=eq.3&select=id"), `[{"id":3}]`)
}

func resetOf(t *testing.T, srv *suparusttest.Server) {
	srv.Client().Post(t, "/auth/v1/recover", `{"email":"cat@example.com"}`).WantStatus(t, http.StatusOK)
	srv.Clock.Advance(24 * time.Hour)
	srv.Reset(t)
	want(t, "rows", rows(t, srv.ServiceClient(), "/rest/v1/notes"), `[]`) // the table of WithSQL is there
	want(t, "mails", len(srv.Mail.All()), 0)
	if d := time.Until(srv.Clock.Now()).Abs(); d > time.Hour {
		t.Errorf("the clock is %v off", d)
	}
	var users int
	if err := srv.Pool(t).QueryRow(t.Context(), "select count(*) from auth.users").Scan(&users); err != nil || users != 0 {
		t.Errorf("%d users, %v", users, err)
	}
}

func resetAuthOf(t *testing.T, srv *suparusttest.Server) {
	ann := srv.CreateUser(t, "ann@example.com")
	srv.ResetAuth(t)
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, http.StatusForbidden)
	env := srv.Environ()
	for _, pair := range []string{"SUPABASE_URL=" + srv.URL, "SUPARUST_CONTROL_URL=" + srv.Control(t).URL} {
		if !slices.Contains(env, pair) {
			t.Errorf("%s is not in the environment of a client", pair)
		}
	}
}
