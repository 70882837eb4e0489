package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

const visibleSchema = `
create function seen() returns jsonb stable language sql as $$ select jsonb_build_object(
  'path', current_setting('search_path'), 'role', current_user, 'session', session_user,
  'claims', current_setting('request.jwt.claims')::json, 'method', current_setting('request.method'),
  'target', current_setting('request.path'), 'headers', current_setting('request.headers')::json,
  'cookies', current_setting('request.cookies')::json, 'uid', auth.uid(), 'arole', auth.role(), 'jwt', auth.jwt()) $$;
create function timeout() returns text stable language sql as $$ select current_setting('statement_timeout') $$;
create function level() returns text stable language sql as $$ select current_setting('transaction_isolation') $$;
create function left_over() returns text stable language sql as $$ select concat_ws('|', nullif(current_setting('app.mark', true), ''),
  nullif(current_setting('response.headers', true), ''), nullif(current_setting('pgrst.inserted', true), '')) $$;
create function leave() returns void language plpgsql as $$ begin perform set_config('app.mark', 'left', true);
  perform set_config('response.headers', '[{"X-Left":"1"}]', true); set local statement_timeout = '7s'; set local timezone = 'Asia/Tokyo'; end $$;
create function leave_and_fail() returns void language plpgsql as $$ begin perform leave(); raise exception 'after all'; end $$;
create sequence tries;
create function clash() returns int volatile language plpgsql as $$ begin perform nextval('tries'); raise exception 'clash' using errcode = '40001'; end $$;
create function deadlock() returns int volatile language plpgsql as $$ begin perform nextval('tries'); raise exception 'dead' using errcode = '40P01'; end $$;
`

// What SQL reads of the request, as a whole.
//
//covers:rest 18 199 204 211
func TestSettingsOfARequest(t *testing.T) {
	t.Parallel()
	f := start(t, visibleSchema)
	const sub = "11111111-1111-1111-1111-111111111111"
	c := f.as(t, "authenticated", map[string]any{"sub": sub, "n": 1.5, "deep": map[string]any{"k": []any{"ü", nil}}})
	r := c.send(t, http.MethodPost, "/rpc/seen?select=*", "{}", "X-Mark: one", "Cookie: a=1; b=x%20y", "Accept: application/json", "User-Agent: test")
	var got struct {
		Path, Role, Session, Method, Target, Uid, Arole string
		Claims, Jwt                                     map[string]any
		Headers                                         map[string]string
		Cookies                                         map[string]string
	}
	decode(t, r.body, &got)
	if got.Path != `"public", "public", "extensions"` || got.Role != "authenticated" || got.Session != "authenticator" || got.Method != "POST" || got.Target != "/rpc/seen" {
		t.Errorf("%+v", got)
	}
	if got.Uid != sub || got.Arole != "authenticated" || got.Jwt["sub"] != sub {
		t.Errorf("auth's functions say %q %q %v", got.Uid, got.Arole, got.Jwt)
	}
	if got.Claims["role"] != "authenticated" || got.Claims["n"] != 1.5 || fmt.Sprint(got.Claims["deep"]) != "map[k:[ü <nil>]]" {
		t.Errorf("claims %v", got.Claims)
	}
	if got.Headers["x-mark"] != "one" || got.Headers["accept"] != "application/json" || got.Headers["user-agent"] != "test" || got.Headers["content-type"] != "application/json" {
		t.Errorf("headers %v", got.Headers)
	}
	for name := range got.Headers {
		if name != strings.ToLower(name) || name == "cookie" {
			t.Errorf("there is a header %s", name)
		}
	}
	if got.Cookies["a"] != "1" || got.Cookies["b"] == "" || len(got.Cookies) != 2 {
		t.Errorf("cookies %v", got.Cookies)
	}
	// without a token, and with one that names no role, the role is the anonymous one
	for _, c := range []*client{f.anonymous(), {url: f.URL, token: f.token(t, map[string]any{"sub": sub})}} {
		got.Claims, got.Role = nil, ""
		decode(t, c.get(t, "/rpc/seen").body, &got)
		if got.Claims["role"] != "anon" || got.Role != "anon" {
			t.Errorf("claims %v, role %s", got.Claims, got.Role)
		}
	}
	// Prefer is one list, however it is written, and the first of a kind counts
	req, err := http.NewRequest(http.MethodGet, f.URL+"/rpc/seen", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Prefer"] = []string{"count=exact, timezone=UTC", "count=planned ,handling=strict", "handling=lenient"}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Preference-Applied"); got != "count=exact, handling=strict, timezone=UTC" || res.Header.Get("Content-Range") != "0-0/1" {
		t.Errorf("%s, %s", got, res.Header.Get("Content-Range"))
	}
}

// A role's settings count for its requests only; nothing that a request sets
// is there for the next one, whether it went well or not.
//
//covers:rest 205 207 209
func TestNothingIsLeftOver(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(visibleSchema+
		"create role careful nologin; grant careful to authenticator; alter role careful set default_transaction_isolation = 'serializable'; alter role careful set statement_timeout = '4s'"),
		suparusttest.WithConfig(func(c *server.Config) { c.Database.MaxConns = 1 }))
	f := &fixture{URL: srv.URL + "/rest/v1", srv: srv}
	for range 2 {
		for _, call := range []struct{ role, path, want string }{
			{"anon", "/rpc/timeout", `"3s"`}, {"authenticated", "/rpc/timeout", `"8s"`}, {"careful", "/rpc/timeout", `"4s"`}, {"anon", "/rpc/timeout", `"3s"`},
			{"careful", "/rpc/level", `"serializable"`}, {"anon", "/rpc/level", `"read committed"`},
		} {
			if r := f.as(t, call.role, nil).get(t, call.path); string(r.body) != call.want {
				t.Errorf("%s %s: %s, want %s", call.role, call.path, r.body, call.want)
			}
		}
		c := f.as(t, "service_role", nil)
		usual := string(c.get(t, "/rpc/timeout").body)
		if r := c.post(t, "/rpc/leave", "{}"); r.status != 204 || r.header.Get("X-Left") != "1" {
			t.Errorf("%d %v", r.status, r.header)
		}
		c.post(t, "/rpc/leave_and_fail", "{}").wantCode(t, 400, "P0001")
		r := c.get(t, "/rpc/left_over")
		if r.want(t, 200, `""`); r.header.Get("X-Left") != "" {
			t.Errorf("%v", r.header)
		}
		if got := string(c.get(t, "/rpc/timeout").body); got != usual {
			t.Errorf("the timeout is %s, was %s", got, usual)
		}
	}
}

// A conflict between transactions is the client's to try again.
//
//covers:rest 206 210
func TestConflictsAreNotTriedAgain(t *testing.T) {
	t.Parallel()
	f := start(t, visibleSchema+"create function slow() returns int stable language sql as 'select 1 from pg_sleep(20)'; alter role anon set statement_timeout = '60ms'")
	c := f.as(t, "service_role", nil)
	c.post(t, "/rpc/clash", "{}").want(t, 500, `{"code":"40001","details":null,"hint":null,"message":"clash"}`)
	c.post(t, "/rpc/deadlock", "{}").wantCode(t, 500, "40P01")
	if n := f.value(t, "select last_value::text from tries"); n != "2" {
		t.Errorf("two calls ran %s times", n)
	}
	r := f.anonymous().get(t, "/rpc/slow")
	r.want(t, 500, `{"code":"57014","details":null,"hint":null,"message":"canceling statement due to statement timeout"}`)
	if got := r.header.Get("Proxy-Status"); got != "PostgREST; error=57014" {
		t.Errorf("Proxy-Status is %q", got)
	}
}
