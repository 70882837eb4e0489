package migrations

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// MoveSQLClock sets how many microseconds the clock of SQL is ahead of the real
// one, in a database that Options.SQLClock was applied to. Every connection
// sees it at once, and no rollback undoes it.
const MoveSQLClock = `select pg_catalog.setval('suparust.clock', $1)`

// sqlClock makes SQL's functions of the time go by the sequence suparust.clock.
//
// PostgreSQL calls its own functions by their number, whatever the catalog says
// of them, but the planner writes the body of a function in SQL into the query:
// so they are replaced by such ones, which are always written in, for they take
// nothing, are not strict and set nothing. What holds the functions already,
// such as a default or a policy, follows. A sequence, because its position is
// read at no cost worth the name, and is no part of any snapshot or transaction.
const sqlClock = `
create sequence if not exists suparust.clock as bigint minvalue -9223372036854775808 start 0;
select pg_catalog.setval('suparust.clock', 0) where not (select is_called from suparust.clock);
revoke all on sequence suparust.clock from public, anon, authenticated, service_role, postgres;
grant select on sequence suparust.clock to public;
grant update on sequence suparust.clock to supabase_auth_admin;
create or replace function suparust.position_of(pg_catalog.regclass) returns pg_catalog.int8
  language internal stable strict parallel safe as 'pg_sequence_last_value';
create or replace function suparust.clock_ahead() returns pg_catalog.interval
  language sql stable parallel safe
  return interval '1 microsecond' operator(pg_catalog.*) suparust.position_of('suparust.clock'::pg_catalog.regclass);
create or replace function suparust.real_statement_timestamp() returns pg_catalog.timestamptz
  language internal stable strict parallel safe as 'statement_timestamp';
create or replace function suparust.real_clock_timestamp() returns pg_catalog.timestamptz
  language internal volatile strict parallel safe as 'clock_timestamp';
grant execute on function suparust.position_of, suparust.clock_ahead, suparust.real_statement_timestamp, suparust.real_clock_timestamp to public;
create or replace function pg_catalog.now() returns pg_catalog.timestamptz
  language sql stable parallel safe cost 1 return current_timestamp operator(pg_catalog.+) suparust.clock_ahead();
create or replace function pg_catalog.transaction_timestamp() returns pg_catalog.timestamptz
  language sql stable parallel safe cost 1 return current_timestamp operator(pg_catalog.+) suparust.clock_ahead();
create or replace function pg_catalog.statement_timestamp() returns pg_catalog.timestamptz
  language sql stable parallel safe cost 1 return suparust.real_statement_timestamp() operator(pg_catalog.+) suparust.clock_ahead();
create or replace function pg_catalog.clock_timestamp() returns pg_catalog.timestamptz
  language sql volatile parallel safe cost 1 return suparust.real_clock_timestamp() operator(pg_catalog.+) suparust.clock_ahead();
create or replace function pg_catalog.age(pg_catalog.timestamptz) returns pg_catalog.interval
  language sql stable strict parallel safe cost 1
  return pg_catalog.age(pg_catalog.now()::pg_catalog.date::pg_catalog.timestamptz, $1);
create or replace function pg_catalog.age(pg_catalog.timestamp) returns pg_catalog.interval
  language sql stable strict parallel safe cost 1
  return pg_catalog.age(pg_catalog.now()::pg_catalog.date::pg_catalog.timestamp, $1)`

// realClock undoes it: a snapshot may bring such a database to a server whose
// clock of SQL is to be the real one.
const realClock = `
create or replace function pg_catalog.now() returns pg_catalog.timestamptz
  language internal stable strict parallel safe as 'now';
create or replace function pg_catalog.transaction_timestamp() returns pg_catalog.timestamptz
  language internal stable strict parallel safe as 'now';
create or replace function pg_catalog.statement_timestamp() returns pg_catalog.timestamptz
  language internal stable strict parallel safe as 'statement_timestamp';
create or replace function pg_catalog.clock_timestamp() returns pg_catalog.timestamptz
  language internal volatile strict parallel safe as 'clock_timestamp';
create or replace function pg_catalog.age(pg_catalog.timestamptz) returns pg_catalog.interval
  language sql stable strict parallel safe cost 1
  return pg_catalog.age(current_date::pg_catalog.timestamptz, $1);
create or replace function pg_catalog.age(pg_catalog.timestamp) returns pg_catalog.interval
  language sql stable strict parallel safe cost 1
  return pg_catalog.age(current_date::pg_catalog.timestamp, $1)`

// noClock removes what moved it. A dump has that, too, and not what it replaced.
const noClock = `
drop function suparust.real_clock_timestamp(), suparust.real_statement_timestamp(), suparust.clock_ahead(), suparust.position_of(pg_catalog.regclass);
drop sequence suparust.clock`

// clockChanges are the statements that give the database the clock of SQL that
// is asked for.
func clockChanges(ctx context.Context, conn *pgx.Conn, o Options) ([]string, error) {
	if o.SQLClock {
		return []string{sqlClock}, nil
	}
	var replaced, left bool
	err := conn.QueryRow(ctx, `
		select (select lanname from pg_catalog.pg_language where oid = prolang) = 'sql', pg_catalog.to_regclass('suparust.clock') is not null
		from pg_catalog.pg_proc where oid = 'pg_catalog.now()'::pg_catalog.regprocedure`).Scan(&replaced, &left)
	if err != nil {
		return nil, fmt.Errorf("look for a clock of SQL that is moved: %w", err)
	}
	var changes []string
	if replaced && left { // they are ours
		changes = append(changes, realClock)
	}
	if left {
		changes = append(changes, noClock)
	}
	return changes, nil
}
