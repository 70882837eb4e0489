package pgnet

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Channel is where net.wake tells of committed requests.
const Channel = "pg_net"

// payloadRestart is what net.worker_restart sends there.
const payloadRestart = "restart"

// What a session begins with: its name, as the original's worker has one, and
// no setting of the role may cut its statements short. The role's search_path
// stays, for triggers on responses are written with it in mind.
const beginSQL = `set application_name = 'pg_net 0.20.4';
set statement_timeout = 0;
set lock_timeout = 0;
set idle_session_timeout = 0;
set default_transaction_read_only = off;
listen pg_net`

// The queue of our extension, 0 where there is none or the original's, whose
// functions are in C.
const queueSQL = `select coalesce((select pg_catalog.to_regclass('net.http_request_queue')::oid
	from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
	where p.pronamespace = pg_catalog.to_regnamespace('net') and p.proname = 'wake' and l.lanname = 'plpgsql'), 0)`

// Responses that are older than the time they are kept are deleted, a batch at
// a time.
const expireSQL = `delete from net._http_response r using (
	select ctid from net._http_response where created < pg_catalog.now() - $1::text::interval order by created limit $2
) old where r.ctid = old.ctid`

// The oldest requests leave the queue.
const takeSQL = `with taken as (
	select ctid from net.http_request_queue order by id limit $1 for update skip locked
)
delete from net.http_request_queue q using taken where q.ctid = taken.ctid
returning q.tableoid, q.id, q.method::text, q.url, q.headers::text, q.body, q.timeout_milliseconds`

// Nothing is written for a queue that is no more: the extension was dropped with
// those who wait for responses, and may have been created anew.
const sameQueue = ` where pg_catalog.to_regclass('net.http_request_queue')::oid = $1::oid`

const storeSQL = `insert into net._http_response (id, status_code, content_type, headers, content, timed_out, error_msg)
select $2::bigint, $3::int, $4::text, $5::jsonb, $6::text, $7::boolean, $8::text` + sameQueue

const putBackSQL = `insert into net.http_request_queue (id, method, url, headers, body, timeout_milliseconds)
select $2::bigint, $3::text, $4::text, $5::jsonb, $6::bytea, $7::int` + sameQueue

// Somebody else has written to the queue and not committed yet, or has made a
// table that may be the queue.
const awaitedSQL = `select exists (
	select from pg_catalog.pg_locks l
	where locktype = 'relation' and pid is distinct from pg_catalog.pg_backend_pid()
		and database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
		and (mode = 'RowExclusiveLock' and relation = pg_catalog.to_regclass('net.http_request_queue')
			or mode = 'AccessExclusiveLock' and not exists (select from pg_catalog.pg_class c where c.oid = l.relation)))`

// Somebody else has written something and not committed yet.
const undecidedSQL = `select exists (
	select from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a using (pid)
	where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and a.datname = pg_catalog.current_database() and pid <> pg_catalog.pg_backend_pid())`

// begin makes conn one that hears of requests and finds the queue they are in.
func begin(ctx context.Context, conn *pgx.Conn) (queue uint32, err error) {
	if _, err := conn.Exec(ctx, beginSQL); err != nil {
		return 0, err
	}
	return findQueue(ctx, conn)
}

// findQueue finds the queue that is ours to send. It is 0 where there is none,
// and another one when the extension was created anew.
func findQueue(ctx context.Context, conn *pgx.Conn) (queue uint32, err error) {
	err = conn.QueryRow(ctx, queueSQL).Scan(&queue)
	return queue, err
}

// expire deletes a batch of the responses that are older than ttl. more tells
// that there may be others.
func expire(ctx context.Context, conn *pgx.Conn, ttl string, most int) (more bool, err error) {
	tag, err := conn.Exec(ctx, expireSQL, ttl, most)
	return most > 0 && tag.RowsAffected() >= int64(most), err
}

// take takes up to most requests from the queue.
func take(ctx context.Context, conn *pgx.Conn, most int) ([]*request, error) {
	rows, err := conn.Query(ctx, takeSQL, most)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*request, error) {
		r := &request{}
		return r, row.Scan(&r.queue, &r.id, &r.method, &r.url, &r.headers, &r.body, &r.timeout)
	})
}

// store writes a response down.
func store(ctx context.Context, conn *pgx.Conn, r *response) error {
	_, err := conn.Exec(ctx, storeSQL, r.queue, r.id, r.status, r.contentType, r.headers, r.content, r.timedOut, r.errorMsg)
	return err
}

// putBack returns a request to the queue that was not sent to its end.
func putBack(ctx context.Context, conn *pgx.Conn, r *request) error {
	_, err := conn.Exec(ctx, putBackSQL, r.queue, r.id, r.method, r.url, r.headers, r.body, r.timeout)
	return err
}

// awaited tells whether a transaction that is not over yet has asked for
// something.
func awaited(ctx context.Context, conn *pgx.Conn) (yes bool, err error) {
	err = conn.QueryRow(ctx, awaitedSQL).Scan(&yes)
	return yes, err
}

// undecided tells whether a transaction that is not over yet may have created
// the extension.
func undecided(ctx context.Context, conn *pgx.Conn) (yes bool, err error) {
	err = conn.QueryRow(ctx, undecidedSQL).Scan(&yes)
	return yes, err
}

// hasState tells whether PostgreSQL answered with an error whose SQLSTATE begins
// with one of these.
func hasState(err error, states ...string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && slices.ContainsFunc(states, func(state string) bool { return strings.HasPrefix(pgErr.Code, state) })
}

// isGone tells that the extension, or a part of it, is not there any more.
func isGone(err error) bool { return hasState(err, "42P01", "3F000", "42703", "42883") }

// isRefused tells that PostgreSQL answered, so that asking again is of no use.
func isRefused(err error) bool { return hasState(err, "") && !hasState(err, "57P", "08", "53") }
