package rest_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
)

const whoami = `
create function whoami() returns json stable language sql as $$
  select json_build_object('user', current_user, 'sub', current_setting('request.jwt.claims', true)::json->>'sub',
    'path', current_setting('search_path'), 'plain', current_setting('request.jwt.claim.sub', true),
    'method', current_setting('request.method', true), 'x', current_setting('request.headers', true)::json->>'x-mark',
    'cookie', current_setting('request.cookies', true)::json->>'c') $$;
create table mine(id int generated always as identity primary key, owner text not null);
alter table mine enable row level security;
create policy mine on mine for all to authenticated
  using (owner = current_setting('request.jwt.claims', true)::json->>'sub') with check (owner = current_setting('request.jwt.claims', true)::json->>'sub');
insert into mine(owner) select 'u' || i from generate_series(0, 63) i;
grant all on mine to anon, authenticated, service_role;
`

// Requests of many callers at once over few connections see their own role,
// claims, headers and rows, and nobody else's.
//
//covers:rest 204 207
func TestCallersAreIsolated(t *testing.T) {
	t.Parallel()
	f := start(t, whoami)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			role := [...]string{"anon", "authenticated", "service_role"}[i%3]
			sub := fmt.Sprintf("u%d", i)
			c := f.as(t, role, map[string]any{"sub": sub})
			for n := range 10 {
				mark := fmt.Sprintf("%d-%d", i, n)
				want := fmt.Sprintf(`{"user":%q,"sub":%q,"path":"\"public\", \"public\", \"extensions\"","plain":%q,"method":"POST","x":%q,"cookie":%q}`,
					role, sub, sub, mark, mark)
				c.send(t, http.MethodPost, "/rpc/whoami", "{}", "X-Mark: "+mark, "Cookie: c="+mark).want(t, 200, want)
				switch role {
				case "anon":
					c.get(t, "/mine?select=owner").want(t, 200, `[]`)
				case "authenticated":
					c.get(t, "/mine?select=owner").want(t, 200, fmt.Sprintf(`[{"owner":%q}]`, sub))
				default:
					c.get(t, "/mine?select=owner&owner=eq."+sub).want(t, 200, fmt.Sprintf(`[{"owner":%q}]`, sub))
				}
			}
		})
	}
	wg.Wait()
}

//covers:rest 125
func TestRowLevelSecurity(t *testing.T) {
	t.Parallel()
	f := start(t, whoami+"create table closed(id int); revoke all on closed from anon, authenticated;")
	anon, user, service := f.as(t, "anon", nil), f.as(t, "authenticated", map[string]any{"sub": "u1"}), f.as(t, "service_role", nil)
	f.anonymous().get(t, "/mine").want(t, 200, `[]`)
	anon.post(t, "/mine", `{"owner":"u1"}`).wantCode(t, 401, "42501")
	user.post(t, "/mine", `{"owner":"u2"}`).wantCode(t, 403, "42501")
	user.send(t, http.MethodPost, "/mine?select=owner", `{"owner":"u1"}`, "Prefer: return=representation").want(t, 201, `[{"owner":"u1"}]`)
	user.send(t, http.MethodPatch, "/mine?owner=eq.u2", `{"owner":"u1"}`).want(t, 204, ``)
	user.send(t, http.MethodDelete, "/mine?owner=neq.x&select=owner", "", "Prefer: return=representation").want(t, 200, `[{"owner":"u1"},{"owner":"u1"}]`)
	if n := f.count(t, "select 1 from mine"); n != 63 {
		t.Errorf("%d rows are left, want 63: the others' only", n)
	}
	service.send(t, http.MethodDelete, "/mine?owner=eq.u2", "").want(t, 204, ``)
	anon.get(t, "/closed").wantCode(t, 401, "42501")
	user.get(t, "/closed").wantCode(t, 403, "42501")
	if r := anon.get(t, "/closed"); r.header.Get("Proxy-Status") != "PostgREST; error=42501" || r.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("headers %v", r.header)
	}
}

// A database process that dies costs the request it served, not the next.
func TestKilledBackendCostsOneRequest(t *testing.T) {
	t.Parallel()
	f := start(t, "create function pg_me() returns int stable language sql as 'select pg_backend_pid()'; create table t(id int)")
	c := f.as(t, "service_role", nil)
	for range 5 {
		r := c.get(t, "/rpc/pg_me")
		r.wantStatus(t, 200)
		f.exec(t, "select pg_terminate_backend("+string(r.body)+")")
		f.eventually(t, func() bool { return f.count(t, "select 1 from pg_stat_activity where pid = "+string(r.body)) == 0 })
		failed := 0
		for range 3 {
			if s := c.get(t, "/t").status; s != 200 {
				if s != http.StatusServiceUnavailable {
					t.Errorf("status %d, want 503", s)
				}
				failed++
			}
		}
		if failed > 1 {
			t.Errorf("%d requests failed, want at most one", failed)
		}
	}
}
