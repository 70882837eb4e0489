package rest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

var majorVersion = regexp.MustCompile(`[0-9]+`)

// postgis finds an installed PostgreSQL that has the extension, and skips the
// test where there is none: the PostgreSQL that is fetched comes without it.
func postgis(t *testing.T) (binDir string, major int) {
	t.Helper()
	candidates, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_config")
	if path, err := exec.LookPath("pg_config"); err == nil {
		candidates = append(candidates, path)
	}
	ask := func(program, what string) string {
		out, err := exec.Command(program, what).Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	for _, program := range candidates {
		if _, err := os.Stat(filepath.Join(ask(program, "--sharedir"), "extension", "postgis.control")); err != nil {
			continue
		}
		major, err := strconv.Atoi(majorVersion.FindString(ask(program, "--version")))
		if err == nil && major >= 15 && major <= 18 {
			return ask(program, "--bindir"), major
		}
	}
	t.Skip("no installed PostgreSQL 15 to 18 has PostGIS: install the package postgresql-<major>-postgis-3 to run this test")
	return "", 0
}

//covers:rest 185
func TestGeoJSON(t *testing.T) {
	t.Parallel()
	dir, major := postgis(t)
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithPostgres(major),
		suparusttest.WithConfig(func(c *server.Config) { c.Database.BinDir = dir }),
		suparusttest.WithSQL(`create schema gis; grant usage on schema gis to anon; create extension postgis schema gis;
			create table shops(id int primary key, address text, place gis.geometry(point, 4326));
			insert into shops values (1, 'Cambridge St', 'SRID=4326;POINT(-71.1 42.3)'), (2, 'Kendall St', 'SRID=4326;POINT(-71.2 42.4)');
			create table visits(id int primary key, shop int references shops(id));
			insert into visits values (1, 1);
			create table flat(id int primary key); insert into flat values (1);
			create function near() returns setof shops stable language sql as 'select * from shops where id = 2';
			create function how_many() returns bigint stable language sql as 'select count(*) from shops';
			create domain "application/vnd.twkb" as bytea;
			create function twkb_of(state bytea, next shops) returns "application/vnd.twkb" immutable language sql as
			  $$ select (state || gis.st_astwkb(next.place))::"application/vnd.twkb" $$;
			create aggregate twkb(shops) (sfunc = twkb_of, stype = "application/vnd.twkb", initcond = '')`))
	f := &fixture{URL: srv.URL + "/rest/v1", srv: srv}
	c := f.anonymous()
	const accept, contentType = "Accept: application/geo+json", "Content-Type: application/geo+json; charset=utf-8"
	for _, q := range []struct{ path, want string }{
		{"/shops?order=id", `{"type":"FeatureCollection","features":[
			{"type":"Feature","geometry":{"type":"Point","coordinates":[-71.1,42.3]},"properties":{"id":1,"address":"Cambridge St"}},
			{"type":"Feature","geometry":{"type":"Point","coordinates":[-71.2,42.4]},"properties":{"id":2,"address":"Kendall St"}}]}`},
		{"/shops?id=gt.2", `{"type":"FeatureCollection","features":[]}`},
		{"/shops?select=id,place&id=eq.1", `{"type":"FeatureCollection","features":[
			{"type":"Feature","geometry":{"type":"Point","coordinates":[-71.1,42.3]},"properties":{"id":1}}]}`},
		{"/shops?select=id,place,visits(id)&id=eq.1", `{"type":"FeatureCollection","features":[
			{"type":"Feature","geometry":{"type":"Point","coordinates":[-71.1,42.3]},"properties":{"id":1,"visits":[{"id":1}]}}]}`},
		{"/rpc/near", `{"type":"FeatureCollection","features":[
			{"type":"Feature","geometry":{"type":"Point","coordinates":[-71.2,42.4]},"properties":{"id":2,"address":"Kendall St"}}]}`},
	} {
		r := c.get(t, q.path, accept)
		r.want(t, 200, q.want)
		r.wantHeader(t, contentType)
	}
	r := c.post(t, "/shops", `{"id":3,"place":"SRID=4326;POINT(1 2)"}`, accept, "Prefer: return=representation")
	r.want(t, 201, `{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"id":3,"address":null}}]}`)
	r.wantHeader(t, contentType)
	c.get(t, "/flat", accept).wantCode(t, 400, "22023") // PostGIS misses the geometry
	c.get(t, "/rpc/how_many", accept).wantCode(t, 406, "PGRST107")
	c.get(t, "/shops?select=place&id=eq.1").want(t, 200, `[{"place":{"type":"Point","crs":{"type":"name","properties":{"name":"EPSG:4326"}},"coordinates":[-71.1,42.3]}}]`)

	// bytes of PostGIS as they are
	r = c.get(t, "/shops?id=eq.1", "Accept: application/vnd.twkb")
	if want := f.value(t, `select encode(gis.st_astwkb(place), 'escape') from shops where id = 1`); r.status != 200 || len(r.body) == 0 ||
		f.value(t, `select encode(decode('`+fmt.Sprintf("%x", r.body)+`', 'hex'), 'escape')`) != want {
		t.Errorf("%d %x", r.status, r.body)
	}
}

// Without PostGIS there is no GeoJSON.
//
//covers:rest 185
func TestGeoJSONWithoutPostGIS(t *testing.T) {
	t.Parallel()
	f := start(t, "create table t(id int primary key)")
	f.anonymous().get(t, "/t", "Accept: application/geo+json").wantCode(t, 406, "PGRST107")
}
