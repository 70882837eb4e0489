package rest_test

import "testing"

// Settings of the login role in the database change the API without a restart.
func TestDatabaseConfiguration(t *testing.T) {
	t.Parallel()
	f := start(t, `create schema personal; grant usage on schema personal to anon, authenticated, service_role;
		create table personal.diary(id int primary key, page text); grant all on personal.diary to service_role; insert into personal.diary values (1, 'dear');
		create table seen(id int); create table visits(id int primary key);
		create schema guard; grant usage on schema guard to public;
		create function guard.check_request() returns void language plpgsql as $$ begin
		  perform set_config('response.headers', '[{"X-Checked":"yes"}]', true);
		  if current_setting('request.headers')::json->>'x-block' is not null then
		    raise exception 'blocked' using errcode = 'PT451';
		  end if;
		  if current_setting('request.path') = '/seen' then set local role service_role; end if; end $$;
		revoke all on seen from anon; insert into seen values (1)`)
	service := f.as(t, "service_role", nil)
	service.get(t, "/diary", "Accept-Profile: personal").want(t, 406, `{"code":"PGRST106","details":null,"hint":"Only the following schemas are exposed: public, graphql_public","message":"Invalid schema: personal"}`)
	f.configure(t, "db_schemas", "public, personal")
	f.configure(t, "db_pre_request", "guard.check_request")
	f.configure(t, "jwt_aud", "my-app")
	r := service.get(t, "/diary", "Accept-Profile: personal")
	r.want(t, 200, `[{"id":1,"page":"dear"}]`)
	if r.header.Get("Content-Profile") != "personal" || r.header.Get("X-Checked") != "yes" {
		t.Errorf("%v", r.header)
	}
	service.post(t, "/diary", `{"id":2}`, "Content-Profile: personal").want(t, 201, ``)
	service.get(t, "/diary").wantCode(t, 404, "PGRST205")
	service.get(t, "/visits", "X-Block: 1").wantCode(t, 451, "PT451")
	f.as(t, "anon", nil).get(t, "/seen").want(t, 200, `[{"id":1}]`)
	f.as(t, "anon", map[string]any{"aud": "my-app"}).get(t, "/visits").want(t, 200, `[]`)
	f.as(t, "anon", map[string]any{"aud": []string{"x", "my-app"}}).get(t, "/visits").want(t, 200, `[]`)
	f.as(t, "anon", map[string]any{"aud": "other"}).get(t, "/visits").wantCode(t, 401, "PGRST303")
}

// What SQL reads of the request, and that a role's settings apply.
//
//covers:rest 205 211
func TestRequestIsVisibleToSQL(t *testing.T) {
	t.Parallel()
	f := start(t, `create function read(name text) returns text stable language sql as $$ select current_setting(name, true) $$;
		alter role authenticated set work_mem = '7MB'; grant execute on function read to public`)
	c := f.as(t, "authenticated", map[string]any{"sub": "11111111-1111-1111-1111-111111111111", "n": 1.5, "app_metadata": map[string]any{"k": "ü"}})
	for name, want := range map[string]string{
		"request.method":         `"GET"`,
		"request.path":           `"/rpc/read"`,
		"request.cookies":        `"{}"`,
		"role":                   `"authenticated"`,
		"work_mem":               `"7MB"`,
		"statement_timeout":      `"8s"`,
		"transaction_read_only":  `"on"`,
		"search_path":            `"\"public\", \"public\", \"extensions\""`,
		"request.jwt.claim.sub":  `"11111111-1111-1111-1111-111111111111"`,
		"request.jwt.claim.role": `"authenticated"`,
		"response.headers":       `null`,
	} {
		r := c.get(t, "/rpc/read?name="+name)
		if r.status != 200 || string(r.body) != want {
			t.Errorf("%s is %s, want %s", name, r.body, want)
		}
	}
	f.exec(t, "create function uid() returns uuid stable language sql as 'select auth.uid()'")
	f.exec(t, "create function claim() returns text stable language sql as $$ select auth.jwt()->'app_metadata'->>'k' $$")
	c.get(t, "/rpc/uid").want(t, 200, `"11111111-1111-1111-1111-111111111111"`)
	c.get(t, "/rpc/claim").want(t, 200, `"ü"`)
	f.anonymous().get(t, "/rpc/uid").want(t, 200, `null`)
}
