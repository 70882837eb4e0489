package pgnet

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Channel is where net.wake tells of committed requests.
const Channel = "pg_net"

// payloadRestart is what net.worker_restart sends there.
const payloadRestart = "restart"

// What a session begins with: its name, as the original's worker has one, and
// no setting of the role may cut its statements short.
const beginSQL = `set application_name = 'pg_net 0.20.4';
set statement_timeout = 0;
set lock_timeout = 0;
set idle_session_timeout = 0;
set search_path = '';
set default_transaction_read_only = off;
listen pg_net`

// Our extension is there, and not the original, whose functions are in C.
const oursSQL = `select pg_catalog.to_regclass('net.http_request_queue') is not null and exists (
	select from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
	where p.pronamespace = pg_catalog.to_regnamespace('net') and p.proname = 'wake' and l.lanname = 'plpgsql')`

// Responses that are older than the setting's time are deleted, a batch at a
// time.
const expireSQL = `delete from net._http_response r using (
	select ctid from net._http_response
	where created < pg_catalog.now() - coalesce(nullif(pg_catalog.current_setting('pg_net.ttl', true), ''), '6 hours')::interval
	order by created limit coalesce(nullif(pg_catalog.current_setting('pg_net.batch_size', true), '')::int, 200)
) old where r.ctid = old.ctid`

// The oldest requests leave the queue, as many as there is room for.
const takeSQL = `with taken as (
	select ctid from net.http_request_queue order by id
	limit least($1::int, coalesce(nullif(pg_catalog.current_setting('pg_net.batch_size', true), '')::int, 200))
	for update skip locked
)
delete from net.http_request_queue q using taken where q.ctid = taken.ctid
returning q.id, q.method::text, q.url, q.headers::text, q.body, q.timeout_milliseconds`

const storeSQL = `insert into net._http_response (id, status_code, content_type, headers, content, timed_out, error_msg)
values ($1, $2, $3, $4::jsonb, $5, $6, $7)`

const putBackSQL = `insert into net.http_request_queue (id, method, url, headers, body, timeout_milliseconds)
values ($1, $2, $3, $4::jsonb, $5, $6)`

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

// begin makes conn one that hears of requests and tells whether they are ours
// to send.
func begin(ctx context.Context, conn *pgx.Conn) (ours bool, err error) {
	if _, err := conn.Exec(ctx, beginSQL); err != nil {
		return false, err
	}
	return isOurs(ctx, conn)
}

// isOurs tells whether the queue is ours to send.
func isOurs(ctx context.Context, conn *pgx.Conn) (yes bool, err error) {
	err = conn.QueryRow(ctx, oursSQL).Scan(&yes)
	return yes, err
}

// take takes up to room requests from the queue.
func take(ctx context.Context, conn *pgx.Conn, room int) ([]*request, error) {
	if _, err := conn.Exec(ctx, expireSQL); err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, takeSQL, room)
	if err != nil {
		return nil, err
	}
	taken, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*request, error) {
		r := &request{}
		return r, row.Scan(&r.id, &r.method, &r.url, &r.headers, &r.body, &r.timeout)
	})
	return taken, err
}

// store writes a response down.
func store(ctx context.Context, conn *pgx.Conn, r *response) error {
	_, err := conn.Exec(ctx, storeSQL, r.id, r.status, r.contentType, r.headers, r.content, r.timedOut, r.errorMsg)
	return err
}

// putBack returns requests to the queue that were not sent to their end.
func putBack(ctx context.Context, conn *pgx.Conn, list []*request) error {
	var errs []error
	for _, r := range list {
		_, err := conn.Exec(ctx, putBackSQL, r.id, r.method, r.url, r.headers, r.body, r.timeout)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
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

// isGone tells that the extension, or a part of it, is not there any more.
func isGone(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "42P01" || pgErr.Code == "3F000" || pgErr.Code == "42703" || pgErr.Code == "42883")
}

// isRefused tells that PostgreSQL answered, so that asking again is of no use.
func isRefused(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && !strings.HasPrefix(pgErr.Code, "57P") && !strings.HasPrefix(pgErr.Code, "08") && !strings.HasPrefix(pgErr.Code, "53")
}
