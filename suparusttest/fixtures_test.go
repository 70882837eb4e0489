package suparusttest_test

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/suparust/suparust/fixtures"
	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// titles are the values of a column that a client sees.
func titles(t *testing.T, c *suparusttest.Client, path, column string) string {
	t.Helper()
	var rows []map[string]any
	c.Get(t, path).WantStatus(t, http.StatusOK).JSON(t, &rows)
	var list []string
	for _, r := range rows {
		list = append(list, r[column].(string))
	}
	return strings.Join(list, ",")
}

// TestBlog: the set is what its README says.
func TestBlog(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithFixtures(fixtures.FS, "blog"))
	ann, cleo := srv.ClientAs(srv.UserNamed(t, "ann")), srv.ClientAs(srv.SignIn(t, "cleo@example.com", suparusttest.Password))
	const posts = "/rest/v1/posts?order=created_at"
	if got := titles(t, srv.Client(), posts, "title"); got != "Hello,Indexes,From Bob" {
		t.Errorf("visitors see %s", got)
	}
	if got := titles(t, ann, posts, "title"); got != "Hello,Indexes,Not yet,From Bob" {
		t.Errorf("ann sees %s", got)
	}
	if got := titles(t, cleo, "/rest/v1/comments?order=created_at&select=body,posts(title)", "body"); got != "Welcome!,Thank you." {
		t.Errorf("cleo sees the comments %s", got)
	}
	draft := srv.Key(t, "posts/draft")
	cleo.Post(t, "/rest/v1/comments", `{"post_id":`+draft+`,"body":"?"}`).WantStatus(t, http.StatusForbidden)
	cleo.Post(t, "/rest/v1/comments", `{"post_id":`+srv.Key(t, "posts/hello")+`,"body":"!"}`).WantStatus(t, http.StatusCreated)
	ann.Patch(t, "/rest/v1/posts?id=eq."+draft, `{"published":true}`).WantStatus(t, http.StatusNoContent)
	if got := titles(t, cleo, posts, "title"); got != "Hello,Indexes,Not yet,From Bob" {
		t.Errorf("cleo sees %s", got)
	}
	var post struct {
		Title string
		Tags  []string
	}
	srv.Row(t, "posts/second", &post)
	if post.Title != "Indexes" || len(post.Tags) != 2 {
		t.Errorf("%+v", post)
	}
}

// TestTenants: the set is what its README says.
func TestTenants(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithFixtures(fixtures.FS, "tenants"))
	as := func(name string) *suparusttest.Client { return srv.ClientAs(srv.UserNamed(t, name)) }
	const projects = "/rest/v1/projects?order=name"
	for name, want := range map[string]string{"ann": "Anvil,Rocket", "bob": "Anvil,Rocket", "greta": "Dam", "dora": ""} {
		if got := titles(t, as(name), projects, "name"); got != want {
			t.Errorf("%s sees %s", name, got)
		}
	}
	acme, dora := srv.Key(t, "organizations/acme"), srv.Key(t, "auth.users/dora")
	join := `{"organization_id":"` + acme + `","user_id":"` + dora + `"}`
	as("dora").Post(t, "/rest/v1/members", join).WantStatus(t, http.StatusForbidden)
	as("bob").Post(t, "/rest/v1/members", join).WantStatus(t, http.StatusForbidden)
	as("greta").Post(t, "/rest/v1/members", join).WantStatus(t, http.StatusForbidden)
	as("ann").Post(t, "/rest/v1/members", join).WantStatus(t, http.StatusCreated)
	as("dora").Post(t, "/rest/v1/projects", `{"organization_id":"`+acme+`","name":"Trap"}`).WantStatus(t, http.StatusCreated)
	as("greta").Post(t, "/rest/v1/projects", `{"organization_id":"`+acme+`","name":"Spy"}`).WantStatus(t, http.StatusForbidden)
	if got := titles(t, as("dora"), projects, "name"); got != "Anvil,Rocket,Trap" {
		t.Errorf("dora sees %s", got)
	}
}

// TestShop: the set is what its README says.
func TestShop(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithFixtures(fixtures.FS, "shop"))
	ann, bob := srv.ClientAs(srv.UserNamed(t, "ann")), srv.ClientAs(srv.UserNamed(t, "bob"))
	if got := titles(t, srv.Client(), "/rest/v1/products?order=name", "name"); got != "Kettle,Mug" {
		t.Errorf("visitors see %s", got)
	}
	srv.Client().Get(t, "/storage/v1/object/public/products/kettle.svg").WantStatus(t, http.StatusOK)
	ann.Get(t, "/storage/v1/object/invoices/1/invoice.txt").WantStatus(t, http.StatusOK)
	bob.Get(t, "/storage/v1/object/invoices/1/invoice.txt").WantStatus(t, http.StatusBadRequest)

	place := func(c *suparusttest.Client, order string, status int) *suparusttest.Response {
		t.Helper()
		return c.Post(t, "/rest/v1/rpc/place_order", `{"order_id":`+srv.Key(t, "orders/"+order)+`}`).WantStatus(t, status)
	}
	place(bob, "open", http.StatusBadRequest) // ann's
	if r := place(bob, "bobs", http.StatusBadRequest); !strings.Contains(string(r.Body), "23514") {
		t.Errorf("three of two mugs: %s", r.Body)
	}
	place(ann, "open", http.StatusOK)
	var items []struct{ Price float64 }
	ann.Post(t, "/rest/v1/orders", `{}`).WantStatus(t, http.StatusCreated)
	var orders []struct{ ID int }
	ann.Get(t, "/rest/v1/orders?status=eq.open").WantStatus(t, http.StatusOK).JSON(t, &orders)
	if len(orders) != 1 {
		t.Fatalf("%v", orders)
	}
	ann.Do(t, "POST", "/rest/v1/order_items", []map[string]any{{"order_id": orders[0].ID, "product_id": srv.Key(t, "products/kettle"), "price": 0.01}},
		http.Header{"Prefer": {"return=representation"}}).WantStatus(t, http.StatusCreated).JSON(t, &items)
	if len(items) != 1 || items[0].Price != 49.90 {
		t.Errorf("the customer chose the price: %v", items)
	}
}

// TestFixtureRows: what a project writes in its own sets.
func TestFixtureRows(t *testing.T) {
	t.Parallel()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithConfig(func(c *server.Config) { c.Auth.Phone.Enabled = true }), suparusttest.WithFixtures(fstest.MapFS{
		"first/README.md":   file("nothing to load"),
		"first/.hidden.sql": file("this is no SQL"),
		"first/01_all.sql": file(`
			create schema sales;
			create table sales.orders (id uuid primary key default gen_random_uuid(), "Odd ""Name" text, n numeric, tags text[], j jsonb, t timestamptz default 'epoch', up uuid references sales.orders);
			create table nokey (a int default 7, b text default 'of the table');`),
		"first/02_auth.users.json": file(`{"ann": {"email": "ann@example.com", "password": "a password of hers", "app_metadata": {"plan": "pro"}},
			"tel": {"phone": "+491701234567"}, "new": {"email": "new@example.com", "email_confirm": false}}`),
		"first/03_sales.orders.json": file(`{
			"first": {"Odd \"Name": "a; drop table nokey; --", "n": 12345678901234567890.25, "tags": ["x", "y"], "j": {"$ref": 1}},
			"second": {"up": {"$ref": "sales.orders/first"}, "j": [1, null], "t": null, "n": null},
			"third": {"up": {"$ref": "sales.orders/second", "column": "up"}}}`),
		"first/04_nokey.csv":       file("$name,a,b\nx,1,\ny,,\\N\n,3,\"two\nlines, \"\"quoted\"\"\"\n"),
		"second/1_nokey.json":      file(`[{}, {"$name": "z", "a": {"$ref": "nokey/x", "column": "a"}, "b": {"$ref": "auth.users/ann"}}]`),
		"second/2_nokey.csv":       file("b -> auth.users\nann\n"),
		"ignored.sql":              file("this is no SQL"),
		"second/3_storage.objects": &fstest.MapFile{Mode: fs.ModeDir},
	}, "first", "second"))
	if u := srv.SignIn(t, "ann@example.com", "a password of hers"); u.ID != srv.Key(t, "auth.users/ann") {
		t.Errorf("%+v", u)
	}
	srv.Client().Post(t, "/auth/v1/token?grant_type=password", map[string]string{"phone": "491701234567", "password": suparusttest.Password}).WantStatus(t, http.StatusOK)
	srv.Client().Post(t, "/auth/v1/token?grant_type=password", map[string]string{"email": "new@example.com", "password": suparusttest.Password}).WantStatus(t, http.StatusBadRequest)
	query := func(sql string) (s string) {
		t.Helper()
		if err := srv.Pool(t).QueryRow(t.Context(), sql).Scan(&s); err != nil {
			t.Error(err)
		}
		return s
	}
	if got := query(`select concat_ws('|', "Odd ""Name", n, tags, j, t) from sales.orders where n is not null`); got != `a; drop table nokey; --|12345678901234567890.25|{x,y}|{"$ref": 1}|1970-01-01 00:00:00+00` {
		t.Error(got)
	}
	if got := query(`select string_agg(concat_ws('|', (select count(*) from sales.orders b where b.id = a.up), j, t is null), ';' order by j, n) from sales.orders a where n is null`); got != `1|[1, null]|t;1|f` {
		t.Error(got)
	}
	if got := query(`select string_agg(concat_ws('|', a, coalesce(replace(b, '` + srv.Key(t, "auth.users/ann") + `', 'ann'), 'null')), ';' order by a, b) from nokey`); got != "1|ann;1|of the table;3|two\nlines, \"quoted\";7|ann;7|of the table;7|null" {
		t.Errorf("%q", got)
	}
	srv.Load(t, fstest.MapFS{"third/nokey.json": file(`[{"b": {"$ref": "sales.orders/first"}}]`)})
}

// TestFixtureIDs: rows may have ids where the table would number them, and the
// numbers go on behind them.
func TestFixtureIDs(t *testing.T) {
	t.Parallel()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithFixtures(fstest.MapFS{
		"s/1_tables.sql": file(`
			create table always (id bigint generated always as identity primary key, body text);
			create table "By Default" (id int generated by default as identity (start 50) primary key, body text);
			create table old (id serial primary key, body text);
			create table down (id int generated by default as identity (increment -1) primary key, body text);`),
		"s/2_always.csv":      file("id,body\n7,seven\n,one\n3,three\n"),
		"s/3_By Default.json": file(`[{"id": 7}, {"body": "fifty"}]`),
		"s/4_old.json":        file(`[{"id": 1}, {"id": 2}]`),
		"s/5_down.json":       file(`[{"id": -9}]`),
		"s/6_always.csv":      file("id,body\n2,two\n"),
	}))
	for table, want := range map[string]string{"always": "[1, 2, 3, 7, 8]", "By Default": "[7, 50, 51]", "old": "[1, 2, 3]", "down": "[-10, -9]"} {
		path := "/rest/v1/" + strings.ReplaceAll(table, " ", "%20")
		srv.ServiceClient().Post(t, path, `{"body":"the next"}`).WantStatus(t, http.StatusCreated)
		if got := column(t, srv, `select jsonb_agg(id order by id) from "`+table+`"`); got != want {
			t.Errorf("%s: %s, want %s", table, got, want)
		}
	}
}

// TestFixtureErrors: an error names the file, the row and what is wrong, and
// leaves nothing of the file.
func TestFixtureErrors(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(),
		suparusttest.WithSQL("create table notes (id int primary key, body text not null, owner uuid references auth.users); create table twokeys (a int, b int, primary key (a, b))"))
	target := fixtures.Target{DB: srv.Pool(t), URL: srv.URL, ServiceKey: srv.ServiceKey}
	for _, c := range []struct{ file, text, want string }{
		{"notes.json", `{`, `fixture s/notes.json:1: unexpected EOF`},
		{"notes.json", "[\n{\"id\": 1},\n{]", `fixture s/notes.json: row 2: it is no object: invalid character ']'`},
		{"notes.json", `5`, `fixture s/notes.json:1: rows are an array`},
		{"notes.json", `[5]`, `row 1: it is no object`},
		{"notes.json", `[null]`, `row 1: it is no object`},
		{"notes.json", "[]\n[]", `fixture s/notes.json:2: there is something behind the rows`},
		{"notes.json", `{"a": {"id": 1, "body": "x"}, "a": {"id": 2, "body": "y"}}`, `row 2 (a): row 1 has this name too`},
		{"notes.json", `{"a": {"id": 1, "body": "x"}, "b": {"id": 1, "body": "y"}}`, `s/notes.json: row 2 (b): ERROR: duplicate key value violates unique constraint "notes_pkey" (SQLSTATE 23505): Key (id)=(1) already exists.`},
		{"notes.json", `[{"id": 1, "body": null}]`, `row 1: ERROR: null value in column "body"`},
		{"notes.json", `[{"id": 1, "text": "x"}]`, `column "text" of relation "notes" does not exist`},
		{"notes.json", `[{"id": "one", "body": "x"}]`, `invalid input syntax for type integer: "one"`},
		{"notes.json", `[{"id": 1, "body": "x", "owner": {"$ref": "auth.users/nobody"}}]`, `row 1: owner: there is no row auth.users/nobody before this one`},
		{"notes.json", `[{"id": 1, "body": {"$ref": "nothing"}}]`, `body: "nothing" is no reference`},
		{"twokeys.json", `{"a": {"a": 1, "b": 2}, "c": {"a": {"$ref": "twokeys/a"}, "b": 3}}`, `row 2 (c): a: public.twokeys has no primary key of one column`},
		{"twokeys.json", `{"a": {"a": 1, "b": 2}, "c": {"a": {"$ref": "twokeys/a", "column": "c"}, "b": 3}}`, `public.twokeys has no column "c"`},
		{"nothing.json", `[]`, `relation "public.nothing" does not exist`},
		{"notes.csv", "", `fixture s/notes.csv: it is empty`},
		{"notes.csv", "id,body\n1\n", `fixture s/notes.csv: record on line 2: wrong number of fields`},
		{"notes.csv", "id,body\n1,x\none,y\n", `s/notes.csv: row 2: ERROR: invalid input syntax for type integer: "one"`},
		{"1_x.sql", "select 1;\nselect 2;\nselect nothing;", `fixture s/1_x.sql:3: ERROR: column "nothing" does not exist`},
		{"auth.users.json", `[{"email": "x@example.com", "name": "x"}]`, `"name" is nothing that a user has: a user has id, aud,`},
		{"auth.users.json", `[{"user_metadata": {}}]`, `a user needs an email or a phone`},
		{"auth.users.json", `{"a": {"email": "x"}}`, `row 1 (a): POST /auth/v1/admin/users answers 400: Unable to validate email address: invalid format`},
		{"storage.objects/nowhere/a.txt", `x`, `fixture s/storage.objects/nowhere/a.txt: POST /storage/v1/object/nowhere/a.txt answers 400: Bucket not found`},
		{"storage.objects/a.txt", `x`, `a file stands in the folder of its bucket`},
		{"things/a.json", `[]`, `a folder in a set is storage.objects`},
		{"a.yaml", ``, `a file of a set ends in .sql, .json, .csv, or .md`},
		{"README.md", ``, `the fixture "s" holds nothing to load`},
	} {
		_, err := fixtures.Load(t.Context(), target, nil, fstest.MapFS{"s/" + c.file: &fstest.MapFile{Data: []byte(c.text)}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %s\n got %v\nwant %s", c.file, c.text, err, c.want)
		}
	}
	if _, err := fixtures.Load(t.Context(), target, nil, fixtures.FS, "blgo"); err == nil || !strings.Contains(err.Error(), `no fixture "blgo"; there are: blog, quickstart, shop, tenants`) {
		t.Error(err)
	}
	var at *fixtures.Error
	_, err := fixtures.Load(t.Context(), fixtures.Target{DB: srv.Pool(t)}, nil, fstest.MapFS{"s/auth.users.json": &fstest.MapFile{Data: []byte(`[{"email":"x@example.com"}]`)}})
	if !errors.As(err, &at) || at.Row != 1 || !strings.Contains(err.Error(), "need a server") {
		t.Error(err)
	}
	var n int
	if err := srv.Pool(t).QueryRow(t.Context(), "select (select count(*) from notes) + (select count(*) from twokeys) + (select count(*) from auth.users)").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows stayed, %v", n, err)
	}
}
