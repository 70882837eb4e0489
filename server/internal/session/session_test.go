package session_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/server/internal/session"
	"github.com/suparust/suparust/suparusttest"
)

func TestMain(m *testing.M) { os.Exit(suparusttest.Main(m)) }

const schema = `
create table public.notes (id int primary key, owner text not null, body text);
alter table public.notes enable row level security;
create policy own on public.notes using (owner = nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub');
insert into public.notes select i, 'u' || i % 10 from generate_series(1, 100) i;
create table public.checked (id int primary key, ref int references public.notes (id) deferrable initially deferred);
`

// open starts a database and a pool into it that logs in as authenticator.
func open(t *testing.T, maxConns int) (*session.DB, *suparusttest.Server) {
	t.Helper()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(schema))
	cfg, err := pgx.ParseConfig(srv.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	cfg.User = "authenticator"
	db := session.New(session.Config{ConnConfig: cfg, MaxConns: maxConns, AcquireTimeout: 300 * time.Millisecond})
	t.Cleanup(db.Close)
	return db, srv
}

func as(role, sub string) *session.Settings {
	return &session.Settings{
		Role: role, SearchPath: `"public", "extensions"`, Subject: sub, ClaimRole: role,
		Claims: fmt.Appendf(nil, `{"role":%q,"sub":%q}`, role, sub),
	}
}

func one(t *testing.T, db *session.DB, s *session.Settings, sql string, params ...string) string {
	t.Helper()
	st := session.Statement{SQL: sql}
	for _, p := range params {
		st.Params = append(st.Params, []byte(p))
	}
	res, err := db.Do(t.Context(), s, session.Options{}, st)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return string(res[0].Rows[0][0])
}

func code(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code
	}
	return fmt.Sprint(err)
}

//covers:rest 207
func TestDo(t *testing.T) {
	t.Parallel()
	db, _ := open(t, 1) // one connection: what one request leaves behind, the next one meets
	ctx := t.Context()
	count := session.Statement{SQL: "select count(*) from notes"}

	t.Run("a caller sees its own rows", func(t *testing.T) {
		for range 2 {
			for _, c := range []struct{ role, sub, want string }{
				{"authenticated", "u1", "10"}, {"anon", "", "0"}, {"service_role", "", "100"}, {"authenticated", "u2", "10"},
			} {
				if got := one(t, db, as(c.role, c.sub), count.SQL); got != c.want {
					t.Errorf("%s %s sees %s, want %s", c.role, c.sub, got, c.want)
				}
			}
		}
	})
	t.Run("settings end with the transaction", func(t *testing.T) {
		one(t, db, as("service_role", ""), "select 1")
		_, err := db.Do(ctx, nil, session.Options{}, count)
		if got := code(err); got != "42501" && got != "42P01" {
			t.Errorf("the login role read rows: %v", err)
		}
		if got := one(t, db, nil, "select current_user || coalesce(nullif(current_setting('request.jwt.claims', true), ''), '-')"); got != "authenticator-" {
			t.Errorf("left behind: %s", got)
		}
	})
	t.Run("an error undoes everything and the connection goes on", func(t *testing.T) {
		_, err := db.Do(ctx, as("service_role", ""), session.Options{},
			session.Statement{SQL: "insert into notes values (1000, 'x')"}, session.Statement{SQL: "select 1/0"})
		if code(err) != "22012" {
			t.Fatalf("error %v", err)
		}
		if got := one(t, db, as("service_role", ""), count.SQL); got != "100" {
			t.Errorf("%s rows", got)
		}
	})
	t.Run("a deferred constraint's error is the request's", func(t *testing.T) {
		_, err := db.Do(ctx, as("service_role", ""), session.Options{},
			session.Statement{SQL: "insert into checked values (1, 4711) returning id"})
		if code(err) != "23503" {
			t.Errorf("error %v", err)
		}
	})
	t.Run("read only", func(t *testing.T) {
		_, err := db.Do(ctx, as("service_role", ""), session.Options{ReadOnly: true}, session.Statement{SQL: "delete from notes"})
		if code(err) != "25006" {
			t.Errorf("error %v", err)
		}
	})
	t.Run("rollback returns rows and keeps nothing", func(t *testing.T) {
		insert := session.Statement{SQL: "insert into notes values (2000, 'x') returning id"}
		res, err := db.Do(ctx, as("service_role", ""), session.Options{Rollback: true}, insert)
		if err != nil || len(res) != 1 || string(res[0].Rows[0][0]) != "2000" {
			t.Fatalf("%v %v", res, err)
		}
		if got := one(t, db, as("service_role", ""), count.SQL); got != "100" {
			t.Errorf("%s rows", got)
		}
		_, err = db.Do(ctx, as("service_role", ""), session.Options{Rollback: true},
			session.Statement{SQL: "insert into checked values (1, 4711)"})
		if code(err) != "23503" {
			t.Errorf("the deferred constraint was not checked: %v", err)
		}
		one(t, db, as("service_role", ""), "select 1") // the connection is between transactions
	})
	t.Run("isolation", func(t *testing.T) {
		res, err := db.Do(ctx, as("service_role", ""), session.Options{Isolation: session.Serializable},
			session.Statement{SQL: "select current_setting('transaction_isolation')"})
		if err != nil || string(res[0].Rows[0][0]) != "serializable" {
			t.Errorf("%v %v", res, err)
		}
		if _, err := db.Do(ctx, nil, session.Options{Isolation: "read committed; drop table notes"}); err == nil {
			t.Error("an unknown level was taken")
		}
		one(t, db, nil, "select 1")
	})
	t.Run("unknown role", func(t *testing.T) {
		_, err := db.Do(ctx, as("nobody", ""), session.Options{}, count)
		if code(err) != "22023" {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a role that is not granted", func(t *testing.T) {
		_, err := db.Do(ctx, as("supabase_admin", ""), session.Options{}, count)
		if code(err) != "42501" {
			t.Errorf("error %v", err)
		}
	})
	t.Run("hostile values stay values", func(t *testing.T) {
		s := as("authenticated", `u1'; drop table notes; --`)
		s.Extra = []session.Setting{{Name: `app.settings.x`, Value: `'"; select 1`}}
		if got := one(t, db, s, "select current_setting('app.settings.x') || $1", `'"\`); got != `'"; select 1'"\` {
			t.Errorf("got %s", got)
		}
	})
	t.Run("null", func(t *testing.T) {
		res, err := db.Do(ctx, nil, session.Options{}, session.Statement{SQL: "select $1::text", Params: [][]byte{nil}})
		if err != nil || res[0].Rows[0][0] != nil {
			t.Errorf("%v %v", res, err)
		}
	})
}

// A schema that has changed since the statement was planned stops the
// transaction before it has done anything.
func TestSchemaVersion(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 1)
	var n int64
	if err := srv.Pool(t).QueryRow(t.Context(), "select coalesce(sum(n), 0) from suparust.ddl_log").Scan(&n); err != nil {
		t.Fatal(err)
	}
	s := as("service_role", "")
	s.SchemaVersion = &n
	insert := session.Statement{SQL: "insert into notes values (3000, 'x')"}
	srv.Exec(t, "create table public.later (id int)")
	if _, err := db.Do(t.Context(), s, session.Options{}, insert); code(err) != "SRS01" {
		t.Fatalf("error %v", err)
	}
	n++
	if _, err := db.Do(t.Context(), s, session.Options{}, insert); err != nil {
		t.Fatal(err)
	}
}

// A statement whose result type has changed is prepared anew.
func TestStatementsFollowTheSchema(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 1)
	all := session.Statement{SQL: "select * from notes where id = 1"}
	for _, ddl := range []string{"select 1", "alter table notes add column extra text", "alter table notes drop column body"} {
		srv.Exec(t, ddl)
		if _, err := db.Do(t.Context(), as("service_role", ""), session.Options{}, all); err != nil {
			t.Errorf("after %s: %v", ddl, err)
		}
	}
}

// More statements than are kept prepared do not add up on the server.
func TestPreparedStatementsAreBounded(t *testing.T) {
	t.Parallel()
	db, _ := open(t, 1)
	for i := range 700 {
		one(t, db, nil, fmt.Sprintf("select %d", i))
	}
	var n int
	if _, err := fmt.Sscan(one(t, db, nil, "select count(*) from pg_prepared_statements"), &n); err != nil || n > 513 {
		t.Errorf("%d statements are prepared: %v", n, err)
	}
}

// A statement that makes room for one that is never reached goes nevertheless.
func TestPreparedStatementsOfFailuresAreBounded(t *testing.T) {
	t.Parallel()
	db, _ := open(t, 1)
	fails := session.Statement{SQL: "select 1 / $1::int", Params: [][]byte{[]byte("0")}}
	for i := range 900 {
		unseen := session.Statement{SQL: fmt.Sprintf("select %d", -i)}
		if _, err := db.Do(t.Context(), nil, session.Options{}, fails, unseen); code(err) != "22012" {
			t.Fatal(err)
		}
		one(t, db, nil, fmt.Sprintf("select %d", i))
	}
	var n int
	if _, err := fmt.Sscan(one(t, db, nil, "select count(*) from pg_prepared_statements"), &n); err != nil || n > 520 {
		t.Errorf("%d statements are prepared: %v", n, err)
	}
}

// Long statements are run and not kept: their plans would fill the memory of
// PostgreSQL long before their number is bounded.
func TestLongStatementsAreNotKept(t *testing.T) {
	t.Parallel()
	db, _ := open(t, 1)
	long := "select count(*) from public.notes where id in (0" + strings.Repeat(", 1", 20_000) + ") and body is distinct from $1"
	for range 2 {
		if got := one(t, db, as("service_role", ""), long, "x"); got != "1" {
			t.Errorf("the count is %s", got)
		}
	}
	if got := one(t, db, nil, "select count(*) from pg_prepared_statements where length(statement) > 20000"); got != "0" {
		t.Errorf("%s long statements are kept", got)
	}
	for i := range 200 { // of a middling length: their number alone would not bound them
		one(t, db, nil, fmt.Sprintf("select %d /* %s */", i, strings.Repeat("x", 15<<10)))
	}
	var sum int
	if _, err := fmt.Sscan(one(t, db, nil, "select sum(length(statement)) from pg_prepared_statements"), &sum); err != nil || sum > 1<<20+1<<10 {
		t.Errorf("%d bytes of statements are kept: %v", sum, err)
	}
}

func TestTx(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 1)
	ctx := t.Context()
	s := as("authenticated", "u1")
	srv.Exec(t, "create policy ins on public.notes for insert with check (owner = 'u1')")

	count := func() string { return one(t, db, as("service_role", ""), "select count(*) from notes") }
	insert := func(id int) func(*session.Tx) error {
		return func(tx *session.Tx) error {
			_, err := tx.Exec(ctx, "insert into notes values ($1, 'u1')", id)
			return err
		}
	}
	if err := db.Tx(ctx, s, insert(101)); err != nil || count() != "101" {
		t.Fatalf("commit: %v, %s rows", err, count())
	}
	wrong := errors.New("wrong")
	for name, end := range map[string]error{"an error": wrong, "ErrRollback": session.ErrRollback} {
		err := db.Tx(ctx, s, func(tx *session.Tx) error {
			if err := insert(102)(tx); err != nil {
				return err
			}
			return end
		})
		if errors.Is(end, session.ErrRollback) != (err == nil) || count() != "101" {
			t.Errorf("%s: %v, %s rows", name, err, count())
		}
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = db.Tx(ctx, s, func(tx *session.Tx) error { _ = insert(102)(tx); panic("x") })
	}()
	if count() != "101" {
		t.Errorf("after a panic: %s rows", count())
	}
	err := db.Tx(ctx, s, func(tx *session.Tx) error {
		if err := tx.Savepoint(ctx, insert(1)); code(err) != "23505" {
			t.Errorf("in the savepoint: %v", err)
		}
		trial := func(tx *session.Tx) error {
			if err := insert(103)(tx); err != nil {
				return err
			}
			return session.ErrRollback
		}
		if err := tx.Savepoint(ctx, trial); err != nil {
			t.Errorf("trial: %v", err)
		}
		return insert(104)(tx)
	})
	if err != nil || count() != "102" {
		t.Errorf("after savepoints: %v, %s rows", err, count())
	}
	err = db.Tx(ctx, s, func(tx *session.Tx) error {
		_, _ = tx.Exec(ctx, "select 1/0")
		return nil // the failure is overlooked
	})
	if err == nil {
		t.Error("a rolled back commit looked like success")
	}
	if err := db.Tx(ctx, as("nobody", ""), func(*session.Tx) error { t.Error("ran as nobody"); return nil }); code(err) != "22023" {
		t.Errorf("unknown role: %v", err)
	}
	one(t, db, nil, "select 1")
}

// A request that goes away takes its query with it, and the connection stays.
func TestCancel(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 1)
	pid := one(t, db, nil, "select pg_backend_pid()")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := db.Do(ctx, as("service_role", ""), session.Options{}, session.Statement{SQL: "select pg_sleep(60)"})
		done <- err
	}()
	running := func() bool {
		var n int
		q := "select count(*) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"
		if err := srv.Pool(t).QueryRow(t.Context(), q).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
	for !running() {
		if t.Context().Err() != nil {
			t.Fatal("the query never ran")
		}
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("the query ended well")
	}
	if running() {
		t.Error("the query still runs")
	}
	if got := one(t, db, nil, "select pg_backend_pid()"); got != pid {
		t.Logf("the connection was replaced: %s, %s", pid, got)
	}
}

func TestPool(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 2)
	t.Run("bounded", func(t *testing.T) {
		release := make(chan struct{})
		var busy, held sync.WaitGroup
		for range 2 {
			busy.Add(1)
			held.Go(func() {
				_ = db.With(t.Context(), func(*pgx.Conn) error { busy.Done(); <-release; return nil })
			})
		}
		busy.Wait()
		if err := db.With(t.Context(), func(*pgx.Conn) error { return nil }); !errors.Is(err, session.ErrPoolTimeout) {
			t.Errorf("a third connection: %v", err)
		}
		close(release)
		held.Wait()
	})
	t.Run("killed connections cost one request", func(t *testing.T) {
		srv.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'")
		failed := 0
		for range 6 {
			if _, err := db.Do(t.Context(), nil, session.Options{}, session.Statement{SQL: "select 1"}); err != nil {
				failed++
			}
		}
		if failed > 1 {
			t.Errorf("%d requests failed", failed)
		}
	})
	t.Run("closed", func(t *testing.T) {
		db.Close()
		if err := db.With(t.Context(), func(*pgx.Conn) error { return nil }); !errors.Is(err, session.ErrClosed) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("no server", func(t *testing.T) {
		cfg, err := pgx.ParseConfig("host=" + t.TempDir() + " user=x dbname=x")
		if err != nil {
			t.Fatal(err)
		}
		gone := session.New(session.Config{ConnConfig: cfg})
		defer gone.Close()
		_, err = gone.Do(t.Context(), nil, session.Options{}, session.Statement{SQL: "select 1"})
		var ce *session.ConnectError
		if !errors.As(err, &ce) || !strings.Contains(err.Error(), "connect to the database") {
			t.Errorf("error %v", err)
		}
	})
}

// Settings are set in their order, the last of one name wins, and there may be
// more of them than a function takes arguments.
func TestManySettings(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 1)
	var n int64
	if err := srv.Pool(t).QueryRow(t.Context(), "select coalesce(sum(n), 0) from suparust.ddl_log").Scan(&n); err != nil {
		t.Fatal(err)
	}
	for _, version := range []*int64{nil, &n} {
		s := as("authenticated", "u1")
		s.SchemaVersion, s.RequestID = version, "r1"
		s.RoleSettings = []session.Setting{{Name: "app.s0", Value: "the role's"}, {Name: "statement_timeout", Value: "7s"}}
		for i := range 300 {
			s.Extra = append(s.Extra, session.Setting{Name: fmt.Sprintf("app.s%d", i), Value: fmt.Sprint(i)})
		}
		got := one(t, db, s, `select concat_ws(' ', current_user, current_setting('statement_timeout'), current_setting('application_name'),
			count(*) filter (where current_setting('app.s' || i) = i::text)) from generate_series(0, 299) i`)
		if got != "authenticated 7s suparust r1 300" {
			t.Errorf("guarded %t: %s", version != nil, got)
		}
	}
	if got := one(t, db, nil, "select current_user || coalesce(nullif(current_setting('app.s299', true), ''), ' none')"); got != "authenticator none" {
		t.Errorf("afterwards: %s", got)
	}
}
