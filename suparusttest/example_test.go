package suparusttest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/suparust/suparust/fixtures"
	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

func ExampleStart() {
	srv := suparusttest.Start(t, suparusttest.WithSQL(`
		create table notes (id bigint generated always as identity, owner uuid default auth.uid(), body text);
		alter table notes enable row level security;
		create policy own on notes using (owner = auth.uid());
	`))
	ann, bob := srv.CreateUser(t, "ann@example.com"), srv.CreateUser(t, "bob@example.com")
	srv.ClientAs(ann).Post(t, "/rest/v1/notes", `{"body":"mine"}`).WantStatus(t, http.StatusCreated)

	var notes []struct{ Body string }
	srv.ClientAs(bob).Get(t, "/rest/v1/notes").WantStatus(t, http.StatusOK).JSON(t, &notes)
	if len(notes) != 0 {
		t.Errorf("bob reads %v", notes)
	}
}

func ExampleWithMigrations() {
	srv := suparusttest.Start(t, suparusttest.WithMigrations(fstest.MapFS{
		"001_todos.sql": {Data: []byte("create table todos (id bigint primary key, task text);")},
		"seed.sql":      {Data: []byte("insert into todos values (1, 'write a test');")},
	}))
	srv.Client().Get(t, "/rest/v1/todos?id=eq.1").WantStatus(t, http.StatusOK)
}

func ExampleWithFixtures() {
	// testdata/fixtures/people/*.sql
	srv := suparusttest.Start(t, suparusttest.WithFixtures(os.DirFS("testdata/fixtures"), "people"))
	srv.Client().Get(t, "/rest/v1/people").WantStatus(t, http.StatusOK)
}

func ExampleWithClock() {
	var later atomic.Int64
	srv := suparusttest.Start(t, suparusttest.WithClock(func() time.Time {
		return time.Now().Add(time.Duration(later.Load()))
	}))
	ann := srv.CreateUser(t, "ann@example.com")
	later.Store(int64(2 * time.Hour)) // ann's token is good for one
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, http.StatusForbidden)
}

func ExampleWithConfig() {
	suparusttest.Start(t, suparusttest.WithConfig(func(c *server.Config) {
		c.REST.MaxRows = 100
		c.Storage.FileSizeLimit = 1 << 20
	}))
}

func ExampleServer_ClientWithClaims() {
	srv := suparusttest.Start(t)
	srv.ClientWithClaims(t, map[string]any{
		"sub":          "4b0e3d38-7f6e-4f3e-9a6c-3f5f0f6a2f10",
		"app_metadata": map[string]any{"team": "blue"},
	}).Get(t, "/rest/v1/")
}

func ExampleServer_Pool() {
	srv := suparusttest.Start(t)
	var users int
	if err := srv.Pool(t).QueryRow(t.Context(), "select count(*) from auth.users").Scan(&users); err != nil {
		t.Fatal(err)
	}
}

func ExampleMailbox_Wait() {
	srv := suparusttest.Start(t, suparusttest.WithConfig(func(c *server.Config) {
		c.Auth.Email.RequireConfirmation = true
	}))
	srv.Client().Post(t, "/auth/v1/signup", `{"email":"ann@example.com","password":"long enough"}`).WantStatus(t, http.StatusOK)

	mail := srv.Mail.Wait(t, "ann@example.com") // mail.Link and mail.TokenHash lead to the same
	srv.Client().Post(t, "/auth/v1/verify", map[string]string{
		"type": "signup", "email": "ann@example.com", "token": mail.Code,
	}).WantStatus(t, http.StatusOK)
}

func ExampleMailbox_Wait_sms() {
	srv := suparusttest.Start(t, suparusttest.WithConfig(func(c *server.Config) {
		c.Auth.Phone.Enabled = true
	}))
	srv.Client().Post(t, "/auth/v1/otp", `{"phone":"+15550100"}`).WantStatus(t, http.StatusOK)

	sms := srv.Mail.Wait(t, "+15550100")
	srv.Client().Post(t, "/auth/v1/verify", map[string]string{
		"type": "sms", "phone": "+15550100", "token": sms.Code,
	}).WantStatus(t, http.StatusOK)
}

func ExampleServer_CreateUser() {
	srv := suparusttest.Start(t, suparusttest.WithSQL(`
		create table secrets (body text);
		alter table secrets enable row level security;
		create policy careful on secrets using (auth.jwt() ->> 'aal' = 'aal2' and (auth.jwt() -> 'app_metadata' ->> 'admin')::bool);
		insert into secrets values ('deep');
	`))
	admin := srv.CreateUser(t, "admin@example.com", suparusttest.UserTOTP(), suparusttest.UserAppMetadata(map[string]any{"admin": true}))
	secrets := func(u *suparusttest.User) (n []struct{ Body string }) {
		srv.ClientAs(u).Get(t, "/rest/v1/secrets").WantStatus(t, http.StatusOK).JSON(t, &n)
		return n
	}
	if n := secrets(admin); len(n) != 0 {
		t.Errorf("a password is enough for %v", n)
	}
	if n := secrets(srv.Elevate(t, admin)); len(n) != 1 {
		t.Errorf("with the second factor: %v", n)
	}
}

func ExampleAsRole() {
	srv := suparusttest.Start(t, suparusttest.WithFixtures(fixtures.FS, "blog"))
	tx := suparusttest.AsRole(t, srv.Pool(t), map[string]any{"sub": srv.Key(t, "auth.users/bob")})
	var titles []string
	if err := tx.QueryRow(t.Context(), "select array_agg(title order by id) from posts").Scan(&titles); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(titles, "Not yet") {
		t.Error("bob sees the draft of ann")
	}
}

func ExampleServer_Fault() {
	srv := suparusttest.Start(t)
	srv.Fault(t, suparusttest.Fault{Path: "/rest/v1", Times: 2, Status: http.StatusServiceUnavailable})
	attempts := 1
	for srv.Client().Get(t, "/rest/v1/").Status != http.StatusOK { // what an app is to do
		attempts++
	}
	if attempts != 3 {
		t.Errorf("%d attempts", attempts)
	}
}

func ExampleServer_clock() {
	srv := suparusttest.Start(t)
	ann := srv.CreateUser(t, "ann@example.com")
	srv.Clock.Advance(2 * time.Hour) // ann's token is good for one
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, http.StatusForbidden)
}

func ExampleWithSQLClock() {
	srv := suparusttest.Start(t, suparusttest.WithSQLClock(), suparusttest.WithSQL(`
		create table invitations (code text primary key, expires_at timestamptz default now() + interval '7 days');
		alter table invitations enable row level security;
		create policy open on invitations for select using (expires_at > now());
	`))
	srv.ServiceClient().Post(t, "/rest/v1/invitations", `{"code":"come"}`).WantStatus(t, http.StatusCreated)
	open := func() (n int) {
		var rows []struct{ Code string }
		srv.Client().Get(t, "/rest/v1/invitations").WantStatus(t, http.StatusOK).JSON(t, &rows)
		return len(rows)
	}
	if n := open(); n != 1 {
		t.Errorf("%d invitations, want 1", n)
	}
	srv.Clock.Advance(8 * 24 * time.Hour) // now() of the policy goes along; current_timestamp would not
	if n := open(); n != 0 {
		t.Errorf("%d invitations after a week, want 0", n)
	}
}

func ExampleServer_clock_cron() {
	srv := suparusttest.Start(t, suparusttest.WithSQL(`
		create extension pg_cron;
		create table reports (id bigint generated always as identity);
		select cron.schedule('report', '0 3 * * *', 'insert into reports default values');
	`))
	srv.Clock.Advance(7 * 24 * time.Hour) // returns when the seven runs have ended
	var reports []struct{ ID int }
	srv.ServiceClient().Get(t, "/rest/v1/reports").WantStatus(t, http.StatusOK).JSON(t, &reports)
	if len(reports) != 7 {
		t.Errorf("%d reports in a week", len(reports))
	}
}

func ExampleServer_RunCron() {
	srv := suparusttest.Start(t, suparusttest.WithSQL(`
		create extension pg_cron;
		create table carts (id bigint generated always as identity, touched timestamptz default now());
		insert into carts (touched) values (now()), (now() - interval '2 days');
		select cron.schedule('empty carts', '@hourly', $$ delete from carts where touched < now() - interval '1 day' $$);
	`))
	run := srv.RunCron(t, "empty carts") // now, and only now: time alone runs no job of a test
	if run.Message != "DELETE 1" {
		t.Errorf("the job says %s", run.Message)
	}
}

func ExampleWithFixtures_brought() {
	srv := suparusttest.Start(t, suparusttest.WithFixtures(fixtures.FS, "shop"))
	ann := srv.ClientAs(srv.UserNamed(t, "ann"))
	ann.Post(t, "/rest/v1/rpc/place_order", map[string]string{"order_id": srv.Key(t, "orders/open")}).WantStatus(t, http.StatusOK)
	ann.Get(t, "/storage/v1/object/invoices/1/invoice.txt").WantStatus(t, http.StatusOK)
}

func ExampleWithHTTP() {
	srv := suparusttest.Start(t,
		suparusttest.WithConfig(func(c *server.Config) {
			c.Auth.Hooks = map[string]server.HookConfig{"before_user_created": {Enabled: true, URI: "https://app.example.com/hooks/signup",
				Secrets: []string{"v1,whsec_aGFsZi1hLWtpbG9ieXRlLW9mLWVudHJvcHk="}}}
		}),
		suparusttest.WithHTTP(func(r *http.Request) *http.Response {
			return suparusttest.Answer(http.StatusOK, map[string]any{"error": map[string]any{"http_code": 403, "message": "by invitation only"}})
		}))
	srv.Client().Post(t, "/auth/v1/signup", `{"email":"ann@example.com","password":"long enough"}`).WantStatus(t, http.StatusForbidden)
}

func ExampleWithHTTP_sql() {
	told := make(chan string, 1)
	srv := suparusttest.Start(t,
		suparusttest.WithSQL(`
			create table orders (id int primary key);
			grant all on orders to anon;
			create function tell() returns trigger language plpgsql as $$ begin
				perform net.http_post('https://shop.example.com/orders', to_jsonb(new));
				return new;
			end $$;
			create trigger tell after insert on orders for each row execute function tell();
		`),
		suparusttest.WithHTTP(func(r *http.Request) *http.Response {
			var order struct{ ID int }
			_ = json.NewDecoder(r.Body).Decode(&order)
			told <- fmt.Sprint(r.Method, " ", r.URL, " ", order.ID)
			return suparusttest.Answer(http.StatusAccepted, nil)
		}))
	srv.Client().Post(t, "/rest/v1/orders", `{"id": 7}`).WantStatus(t, http.StatusCreated)
	if got := <-told; got != "POST https://shop.example.com/orders 7" {
		t.Errorf("told %s", got)
	}
	var status int // as soon as the response is written down
	err := srv.Pool(t).QueryRow(t.Context(), "select ((net._http_collect_response(1, async => false)).response).status_code").Scan(&status)
	if err != nil || status != http.StatusAccepted {
		t.Errorf("status %d, %v", status, err)
	}
}

func ExampleServer_Snapshot() {
	srv := suparusttest.Start(t, suparusttest.WithSQL("create table orders (id bigint generated always as identity, paid boolean default false)"))
	srv.Exec(t, "insert into orders select from generate_series(1, 1000)")
	thousand := srv.Snapshot(t)
	for _, clean := range []string{"delete from orders", "truncate orders", "drop table orders"} {
		srv.Exec(t, clean)
		srv.Restore(t, thousand)
	}
	srv.ServiceClient().Get(t, "/rest/v1/orders?id=eq.1000").WantStatus(t, http.StatusOK)
}

func ExampleServer_Reset() {
	srv := suparusttest.Start(t, suparusttest.WithSQL("create table carts (id bigint primary key)"))
	for _, step := range []string{"empty", "with one thing"} {
		t.Run(step, func(t *testing.T) {
			defer srv.Reset(t) // the next one begins as this one did
			srv.ServiceClient().Post(t, "/rest/v1/carts", `{"id":1}`).WantStatus(t, http.StatusCreated)
			srv.CreateUser(t, "ann@example.com")
		})
	}
}

func ExampleWithSnapshot() {
	dir := t.TempDir()
	here := suparusttest.WithConfig(func(c *server.Config) { c.SnapshotDir = dir }) // else beside the project's data
	srv := suparusttest.Start(t, here, suparusttest.WithSQL("create table big as select generate_series(1, 10000) as n"))
	srv.SaveSnapshot(t, "ten-thousand")

	again := suparusttest.Start(t, here, suparusttest.WithSnapshot("ten-thousand"))
	again.ServiceClient().Get(t, "/rest/v1/big?n=eq.10000").WantStatus(t, http.StatusOK)
}
