package session_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/internal/leaktest"
	"github.com/suparust/suparust/server/internal/session"
	"github.com/suparust/suparust/suparusttest"
)

func TestMain(m *testing.M) {
	os.Exit(leaktest.Main(func() int { return suparusttest.Main(m) }))
}

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
