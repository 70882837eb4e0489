package migrations_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/suparust/suparust/migrations"
)

// TestNetIsAnExtension creates, describes and drops it in every form that
// projects write, as a superuser and as the platform's postgres, which is none.
func TestNetIsAnExtension(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]migrations.Options{"superuser": {}, "strict": {StrictPostgresRole: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, o)
			pg := c.connect(t, "postgres")
			c.brings(t)
			pg.exec("drop extension if exists pg_net cascade")
			for create, schema := range map[string]string{
				`create extension if not exists "pg_net" with schema extensions`: "extensions",
				`create extension pg_net with schema public`:                     "public",
				`create extension pg_net`:                                        "public",
			} {
				pg.exec(create)
				pg.exec(`create extension if not exists "pg_net" with schema extensions`)
				if got := pg.one("select extnamespace::regnamespace, extversion from pg_extension where extname = 'pg_net'"); got != schema+" | 0.20.4" && create != "create extension pg_net" {
					t.Errorf("%s: %s", create, got)
				}
				if got := pg.one(`select nspowner::regrole from pg_namespace where nspname = 'net'`); got != "supabase_admin" {
					t.Errorf("%s: the schema belongs to %s", create, got)
				}
				if got := pg.lines(`select p.oid::regprocedure from pg_proc p where pronamespace = 'net'::regnamespace and not exists
					(select from pg_depend where objid = p.oid and deptype = 'e')`); len(got) > 0 {
					t.Errorf("%s: not part of the extension: %v", create, got)
				}
				pg.exec(`comment on extension pg_net is 'mine'; drop extension pg_net`)
				if got := pg.one("select to_regnamespace('net') is null"); got != "t" {
					t.Errorf("%s: it was not dropped whole", create)
				}
			}
		})
	}
}

// withNet starts a cluster that has pg_net, and connects as postgres.
func withNet(t *testing.T) (*cluster, *conn) {
	t.Helper()
	c := start(t, migrations.Options{})
	c.brings(t)
	pg := c.connect(t, "postgres")
	pg.exec("create extension if not exists pg_net with schema extensions")
	return c, pg
}

// TestNetSurface compares what is there with the original's.
func TestNetSurface(t *testing.T) {
	t.Parallel()
	_, pg := withNet(t)
	want := []string{
		"_await_response(request_id bigint) boolean",
		"_encode_url_with_params_array(url text, params_array text[]) text",
		"_http_collect_response(request_id bigint, async boolean DEFAULT true) net.http_response_result",
		"_urlencode_string(string character varying) text",
		"check_worker_is_up() void",
		"http_collect_response(request_id bigint, async boolean DEFAULT true) net.http_response_result",
		"http_delete(url text, params jsonb DEFAULT '{}'::jsonb, headers jsonb DEFAULT '{}'::jsonb, timeout_milliseconds integer DEFAULT 5000, body jsonb DEFAULT NULL::jsonb) bigint",
		"http_get(url text, params jsonb DEFAULT '{}'::jsonb, headers jsonb DEFAULT '{}'::jsonb, timeout_milliseconds integer DEFAULT 5000) bigint",
		`http_post(url text, body jsonb DEFAULT '{}'::jsonb, params jsonb DEFAULT '{}'::jsonb, headers jsonb DEFAULT '{"Content-Type": "application/json"}'::jsonb, timeout_milliseconds integer DEFAULT 5000) bigint`,
		"wait_until_running() void",
		"wake() void",
		"worker_restart() boolean",
	}
	got := pg.lines(`select proname || '(' || pg_get_function_arguments(oid) || ') ' || pg_get_function_result(oid) from pg_proc
		where pronamespace = 'net'::regnamespace and proname not in ('_door', '_enqueue', '_is_up') order by proname collate "C"`)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("functions:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	want = []string{
		"_http_response: id bigint, status_code integer, content_type text, headers jsonb, content text, timed_out boolean, error_msg text, created timestamp with time zone",
		"http_request_queue: id bigint, method net.http_method, url text, headers jsonb, body bytea, timeout_milliseconds integer",
		"http_response: status_code integer, headers jsonb, body text",
		"http_response_result: status net.request_status, message text, response net.http_response",
	}
	got = pg.lines(`select relname || ': ' || string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum)
		from pg_class c join pg_attribute a on a.attrelid = c.oid and attnum > 0
		where relnamespace = 'net'::regnamespace and relkind in ('r', 'c') group by relname order by relname collate "C"`)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("tables:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	// who may call what
	for _, role := range []string{"anon", "authenticated", "service_role", "supabase_functions_admin"} {
		if got := pg.one(`select has_function_privilege($1, 'net.http_post(text,jsonb,jsonb,jsonb,integer)', 'execute'), has_schema_privilege($1, 'net', 'usage'),
			has_table_privilege($1, 'net._http_response', 'select')`, role); got != "t | t | t" {
			t.Errorf("%s: %s", role, got)
		}
	}
	pg.exec("create role stranger")
	if got := pg.one("select has_function_privilege('stranger', 'net.http_get(text,jsonb,jsonb,integer)', 'execute'), has_function_privilege('stranger', 'net._door()', 'execute')"); got != "f | f" {
		t.Errorf("a stranger: %s", got)
	}
	if err := pg.fails("select net.check_worker_is_up()"); err.Message != "the pg_net background worker is not up" {
		t.Errorf("got %v", err)
	}
}

// TestNetQueues writes requests as the original does.
func TestNetQueues(t *testing.T) {
	t.Parallel()
	c, pg := withNet(t)
	api := c.connect(t, "authenticator")
	const queued = "select method, url, headers, convert_from(body, 'UTF8'), timeout_milliseconds from net.http_request_queue"
	for call, want := range map[string]string{
		`net.http_get('http://x.test')`:                                                                                `GET | http://x.test/ | {} | ∅ | 5000`,
		`net.http_get('HTTPS://x.test:8443/a?b=1#c', '{"d": "e f", "g": "ü&="}')`:                                      `GET | https://x.test:8443/a?b=1&d=e%20f&g=%c3%bc%26%3d#c | {} | ∅ | 5000`,
		`net.http_get('http://u:p@x.test/a/../b/./c?', headers => null)`:                                               `GET | http://u:p@x.test/b/c | ∅ | ∅ | 5000`,
		`net.http_get('http://x.test?', '{"a": null, "b": ""}')`:                                                       `GET | http://x.test/?b= | {} | ∅ | 5000`,
		`net.http_post('http://[::1]:80/')`:                                                                            `POST | http://[::1]:80/ | {"Content-Type": "application/json"} | {} | 5000`,
		`net.http_post('http://x.test', '{"a": [1]}', headers => '{"X-A": "1"}')`:                                      `POST | http://x.test/ | {"X-A": "1", "Content-Type": "application/json"} | {"a": [1]} | 5000`,
		`net.http_post('http://x.test', headers => '{"content-type": "application/json"}', timeout_milliseconds => 7)`: `POST | http://x.test/ | {"content-type": "application/json"} | {} | 7`,
		`net.http_post('http://x.test', null)`:                                                                         `POST | http://x.test/ | {"Content-Type": "application/json"} | ∅ | 5000`,
		`net.http_delete('http://x.test/1', '{"a": "b"}', '{"X": "y"}', 9, '{"z": 0}')`:                                `DELETE | http://x.test/1?a=b | {"X": "y"} | {"z": 0} | 9`,
		`net.http_get('http://u@[::1%25eth0]:0080/a//b?%C3')`:                                                          `GET | http://u@[::1%25eth0]:80/a//b?%C3 | {} | ∅ | 5000`,
		`net.http_get('http://a_b.-:/?x&', '{"": "1"}')`:                                                               `GET | http://a_b.-/?x&=1 | {} | ∅ | 5000`,
		`net.http_delete('http://x.test')`:                                                                             `DELETE | http://x.test/ | {} | ∅ | 5000`,
	} {
		if got := api.as("anon", "{}", "select "+call, queued)[0]; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", call, got, want)
		}
	}
	for call, want := range map[string]string{
		`net.http_get('localhost:80')`:         `invalid URL "localhost:80": Unsupported URL scheme`,
		`net.http_get('/a')`:                   `invalid URL "/a": Bad scheme`,
		`net.http_get('http://x.test/a b')`:    `invalid URL "http://x.test/a b": Malformed input to a URL function`,
		`net.http_get('http://')`:              `invalid URL "http://": No host part in the URL`,
		`net.http_get('http:x.test')`:          `invalid URL "http:x.test": Unsupported number of slashes following scheme`,
		`net.http_get('http://x.test:99999/')`: `invalid URL "http://x.test:99999/": Port number was not a decimal number between 0 and 65535`,
		`net.http_get('http://x.test:a/')`:     `invalid URL "http://x.test:a/": Port number was not a decimal number between 0 and 65535`,
		`net.http_get('http://[::1/')`:         `invalid URL "http://[::1/": Bad IPv6 address`,
		`net.http_get('http://[1.2.3.4]/')`:    `invalid URL "http://[1.2.3.4]/": Bad IPv6 address`,
		`net.http_get('http://[::1]:x/')`:      `invalid URL "http://[::1]:x/": Port number was not a decimal number between 0 and 65535`,
		`net.http_get('http://a:1:2/')`:        `invalid URL "http://a:1:2/": Port number was not a decimal number between 0 and 65535`,
		`net.http_get('http://a@b@c/')`:        `invalid URL "http://a@b@c/": Bad hostname`,
		`net.http_get('http://a;b/')`:          `invalid URL "http://a;b/": Bad hostname`,
		`net.http_get('http://a%20b/')`:        `invalid URL "http://a%20b/": Bad hostname`,
		`net.http_get('http://a^b/')`:          `invalid URL "http://a^b/": Bad hostname`,
		`net.http_get(null)`:                   `null value in column "url" of relation "http_request_queue" violates not-null constraint`,
		`net.http_post('http://x.test', headers => '{"CONTENT-TYPE": "text/plain"}')`: `Content-Type header must be "application/json"`,
	} {
		if err := pg.fails("select " + call); err.Message != want {
			t.Errorf("%s: %s, want %s", call, err.Message, want)
		}
	}
	if got := pg.one(`select net._encode_url_with_params_array(null, null), net._urlencode_string(null), net._urlencode_string('')`); got != "∅ | ∅ | " {
		t.Errorf("nulls: %q", got)
	}
}

// TestNetNotifies tells of requests at the end of their transaction, once.
func TestNetNotifies(t *testing.T) {
	t.Parallel()
	c, pg := withNet(t)
	listener := c.connect(t, "supabase_admin")
	listener.exec("listen pg_net")
	pg.exec("begin; select net.http_get('http://x.test'); rollback")
	pg.exec("begin; select net.http_get('http://x.test') from generate_series(1, 100)")
	pg.exec("commit; notify pg_net, 'end'")
	var got []string
	for len(got) == 0 || got[len(got)-1] != "end" {
		n, err := listener.WaitForNotification(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n.Payload)
	}
	if fmt.Sprintf("%q", got) != `["" "end"]` {
		t.Errorf("notified %q", got)
	}
}

// TestNetCollects reads responses through the functions for it.
func TestNetCollects(t *testing.T) {
	t.Parallel()
	_, pg := withNet(t)
	pg.exec(`
		insert into net._http_response (id, status_code, headers, content, timed_out) values (1, 200, '{"a": "b"}', 'c', false);
		insert into net._http_response (id, timed_out, error_msg) values (2, true, 'late')`)
	for id, want := range map[string]string{
		"1": `SUCCESS | ok | 200 | {"a": "b"} | c`, "2": `ERROR | late | ∅ | ∅ | ∅`, "3": `ERROR | request matching request_id not found | ∅ | ∅ | ∅`,
	} {
		for _, function := range []string{"_http_collect_response", "http_collect_response"} {
			if got := pg.one("select (r).status, (r).message, ((r).response).* from net." + function + "(" + id + ") r"); got != want {
				t.Errorf("%s(%s): %s", function, id, got)
			}
		}
	}
	if got := pg.one("select (net.http_collect_response(1, async => false)).status"); got != "SUCCESS" {
		t.Error(got)
	}
}
