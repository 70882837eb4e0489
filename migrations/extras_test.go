package migrations_test

import (
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/suparust/suparust/migrations"
)

// TestRealtime sends as triggers of a project do and reads under a policy.
func TestRealtime(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{})
	pg := c.connect(t, "postgres")
	pg.exec(`
		create table public.notes (id int primary key, body text);
		create function public.announce() returns trigger language plpgsql security definer as $$
		begin
			perform realtime.broadcast_changes('notes:' || coalesce(new.id, old.id), tg_op, tg_op, tg_table_name, tg_table_schema, new, old);
			return null;
		end $$;
		create trigger announce after insert or update or delete on public.notes for each row execute function public.announce();
		insert into public.notes values (1, 'a');
		update public.notes set body = 'b';
		delete from public.notes;`)
	want := []string{
		`notes:1 | broadcast | INSERT | t | {"id": 1, "body": "a"} | ∅`,
		`notes:1 | broadcast | UPDATE | t | {"id": 1, "body": "b"} | {"id": 1, "body": "a"}`,
		`notes:1 | broadcast | DELETE | t | ∅ | {"id": 1, "body": "b"}`,
	}
	got := pg.lines(`select topic, extension, event, private, nullif(payload -> 'record', 'null'), nullif(payload -> 'old_record', 'null')
		from realtime.messages where payload ->> 'table' = 'notes' and payload ->> 'schema' = 'public' and payload ->> 'operation' = event
			and (payload ->> 'id')::uuid = id
		order by array_position(array['INSERT', 'UPDATE', 'DELETE'], event)`)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q\nwant %q", got, want)
	}

	pg.exec(`
		delete from realtime.messages;
		select realtime.send('{"id": "mine", "x": 1}', 'e', 'room', false);
		select realtime.send_binary('\x0102', 'e', 'room');
		create policy listen on realtime.messages for select to authenticated using (realtime.topic() = topic and extension = 'broadcast');`)
	if got := pg.lines("select event, private, payload, binary_payload from realtime.messages order by private"); strings.Join(got, "\n") !=
		"e | f | {\"x\": 1, \"id\": \"mine\"} | ∅\ne | t | ∅ | \\x0102" {
		t.Errorf("messages: %q", got)
	}
	api := c.connect(t, "authenticator")
	for topic, want := range map[string]string{"room": "2", "other": "0", "": "0"} {
		if got := api.as("authenticated", "{}", "set local realtime.topic = '"+topic+"'", "select count(*) from realtime.messages")[0]; got != want {
			t.Errorf("topic %q: %s messages, want %s", topic, got, want)
		}
	}
	// Without an INSERT policy the message is dropped with a warning, and the caller's statement stands.
	if got := api.as("authenticated", "{}", "select realtime.send('{}', 'e', 'room')", "select 'still here'")[0]; got != "still here" {
		t.Error(got)
	}
	if err := pg.fails("select realtime.broadcast_changes('t', 'e', 'TRUNCATE', 'x', 'y', null::record, null::record)"); !strings.Contains(err.Message, "Unexpected operation type: TRUNCATE") {
		t.Errorf("got %v", err)
	}
	if err := pg.fails("select realtime.broadcast_changes('t', 'e', 'INSERT', 'x', 'y', null::record, null::record, 'STATEMENT')"); !strings.Contains(err.Message, "for each row") {
		t.Errorf("got %v", err)
	}
}

// TestWebhook fires the webhook's trigger without pg_net, and with functions that
// stand for it.
func TestWebhook(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{})
	pg := c.connect(t, "postgres")
	pg.exec(`
		drop extension if exists pg_net;
		create table public.notes (id int primary key);
		create trigger hook after insert or delete on public.notes for each row
			execute function supabase_functions.http_request('http://example.com/hook', 'POST', '{"x-key": "1"}', '{"q": "2"}', '5000');
		insert into public.notes values (1);`)
	if got := pg.one("select hook_table_id::regclass, hook_name, request_id from supabase_functions.hooks"); got != "notes | hook | ∅" {
		t.Errorf("hooks: %s", got)
	}
	pg.exec(`
		create schema net;
		grant usage on schema net to supabase_functions_admin;
		create table net.sent (id bigserial primary key, url text, body jsonb, params jsonb, headers jsonb, timeout int);
		create function net.http_post(url text, body jsonb default '{}', params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds int default 1000)
			returns bigint language sql security definer as $$ insert into net.sent (url, body, params, headers, timeout) values ($1, $2, $3, $4, $5) returning id $$;
		create function net.http_get(url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds int default 1000)
			returns bigint language sql security definer as $$ insert into net.sent (url, params, headers, timeout) values ($1, $2, $3, $4) returning id $$;
		insert into public.notes values (2);
		delete from public.notes where id = 1;
		create trigger ping after update on public.notes for each row
			execute function supabase_functions.http_request('http://example.com/ping', 'GET', 'null', 'null', 'null');
		update public.notes set id = 3;`)
	want := []string{
		`1 | http://example.com/hook | {"type": "INSERT", "table": "notes", "record": {"id": 2}, "schema": "public", "old_record": null} | {"q": "2"} | {"x-key": "1"} | 5000`,
		`2 | http://example.com/hook | {"type": "DELETE", "table": "notes", "record": null, "schema": "public", "old_record": {"id": 1}} | {"q": "2"} | {"x-key": "1"} | 5000`,
		`3 | http://example.com/ping | ∅ | {} | {"Content-Type": "application/json"} | 1000`,
	}
	if got := pg.lines("select * from net.sent order by id"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if got := pg.one("select count(request_id) from supabase_functions.hooks"); got != "3" {
		t.Errorf("%s requests are recorded, want 3", got)
	}
	for arguments, want := range map[string]string{
		"": "url argument is missing", "'null', 'POST'": "url argument is missing",
		"'http://example.com'": "method argument is missing", "'http://example.com', 'PUT'": "method argument PUT is invalid",
	} {
		pg.exec("drop trigger if exists bad on public.notes; create trigger bad before insert on public.notes for each row execute function supabase_functions.http_request(" + arguments + ")")
		if err := pg.fails("insert into public.notes values (9)"); err.Message != want {
			t.Errorf("arguments (%s): got %q, want %q", arguments, err.Message, want)
		}
	}
}

// TestExtensions calls the functions that projects take from schema extensions.
func TestExtensions(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{}).connect(t, "postgres")
	if got := c.one(`select extensions.uuid_generate_v4() is not null, uuid_generate_v4() is not null,
		encode(digest('abc', 'sha256'), 'hex'), crypt('x', gen_salt('bf', 4)) like '$2a$04$%', length(gen_random_bytes(16))`); got !=
		"t | t | ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad | t | 16" {
		t.Errorf("got %s", got)
	}
	c.exec(`create extension if not exists "uuid-ossp" with schema extensions; create extension if not exists pgcrypto;
		create extension if not exists pg_stat_statements with schema extensions`)

	// Tokens go both ways between pgjwt's functions and a library.
	const secret = "super-secret-jwt-token-with-at-least-32-characters-long"
	signed := c.one(`select extensions.sign('{"role":"anon","exp":4102444800}', $1)`, secret)
	claims := jwt.MapClaims{}
	if _, err := jwt.ParseWithClaims(signed, claims, func(*jwt.Token) (any, error) { return []byte(secret), nil }, jwt.WithValidMethods([]string{"HS256"})); err != nil || claims["role"] != "anon" {
		t.Errorf("sign gave %s: %v %v", signed, claims, err)
	}
	if got := c.one("select extensions.sign('{}', 'k', 'HS512')"); strings.Count(got, ".") != 2 {
		t.Errorf("HS512: %s", got)
	}
	for _, tt := range []struct {
		method jwt.SigningMethod
		claims jwt.MapClaims
		secret string
		want   string
	}{
		{jwt.SigningMethodHS256, jwt.MapClaims{"sub": "ü"}, secret, "t | ü"},
		{jwt.SigningMethodHS256, jwt.MapClaims{"sub": "x", "exp": 4102444800}, secret, "t | x"},
		{jwt.SigningMethodHS256, jwt.MapClaims{"sub": "x", "exp": 1}, secret, "f | x"},
		{jwt.SigningMethodHS256, jwt.MapClaims{"sub": "x", "nbf": 4102444800}, secret, "f | x"},
		{jwt.SigningMethodHS256, jwt.MapClaims{"sub": "x"}, "another", "f | x"},
		{jwt.SigningMethodHS512, jwt.MapClaims{"sub": "x"}, secret, "f | x"},
	} {
		token, err := jwt.NewWithClaims(tt.method, tt.claims).SignedString([]byte(tt.secret))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.one("select valid, payload ->> 'sub' from extensions.verify($1, $2)", token, secret); got != tt.want {
			t.Errorf("verify %v %v: got %s, want %s", tt.method.Alg(), tt.claims, got, tt.want)
		}
	}
}

func TestGraphQLPlaceholder(t *testing.T) {
	t.Parallel()
	api := start(t, migrations.Options{}).connect(t, "authenticator")
	got := api.as("anon", "{}", `select graphql_public.graphql(query => '{ a }', "operationName" => null, variables => null, extensions => null)`)[0]
	if got != `{"errors": [{"message": "pg_graphql extension is not enabled."}]}` {
		t.Errorf("got %s", got)
	}
}
