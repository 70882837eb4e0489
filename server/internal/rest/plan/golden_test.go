package plan

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
)

var update = flag.Bool("update", false, "write the golden files anew")

func text(s string) catalog.Text { return catalog.Trusted(s) }

func public(name string) catalog.Name { return catalog.Name{Schema: "public", Name: name} }

// testSnapshot is a small schema made by hand: films with a director, actors
// over a junction, and functions of every kind.
func testSnapshot() *catalog.Snapshot {
	column := func(name, typ, def string) *catalog.Column {
		c := &catalog.Column{Name: name, Type: text(typ), JSON: typ == "json" || typ == "jsonb", TSVector: typ == "tsvector"}
		if def != "" {
			c.Default = text(def)
		}
		return c
	}
	relation := func(name string, key []string, columns ...*catalog.Column) *catalog.Relation {
		for i, c := range columns {
			c.Number = int16(i + 1)
		}
		return &catalog.Relation{Name: public(name), Kind: 'r', Insertable: true, Updatable: true, Deletable: true, PrimaryKey: key, Columns: columns}
	}
	films := relation("films", []string{"id"}, column("id", "integer", "nextval('public.films_id_seq'::regclass)"),
		column("title", "text", ""), column("year", "smallint", "2000"), column("director_id", "integer", ""), column("data", "jsonb", ""),
		column("words", "tsvector", ""), column("odd \"name\"", "character varying(10)", "'it''s'::text"))
	directors := relation("directors", []string{"id"}, column("id", "integer", ""), column("name", "text", ""))
	actors := relation("actors", []string{"id"}, column("id", "integer", ""), column("name", "text", ""))
	paint := column("paint", "public.colour", "0")
	paint.Representation = &catalog.Representation{ToJSON: ptr(public("show")), FromText: ptr(public("read")), FromJSON: ptr(public("read"))}
	walls := relation("walls", []string{"id"}, column("id", "integer", ""), paint, column("film_id", "integer", "1"))
	roles := relation("roles", []string{"film_id", "actor_id"}, column("film_id", "integer", ""), column("actor_id", "integer", ""))
	rel := func(from, to string, card catalog.Cardinality, constraint string, pairs ...catalog.ColumnPair) *catalog.Relationship {
		return &catalog.Relationship{Table: public(from), Foreign: public(to), Cardinality: card, Constraint: constraint, Columns: pairs, ToOne: card <= catalog.OneToOne}
	}
	castJunction := &catalog.Junction{Table: public("roles"), Constraint1: "roles_film_id_fkey", Constraint2: "roles_actor_id_fkey",
		Origin: []catalog.ColumnPair{{Column: "id", Foreign: "film_id"}}, Foreign: []catalog.ColumnPair{{Column: "id", Foreign: "actor_id"}}}
	actorsOf := rel("films", "actors", catalog.ManyToMany, "")
	actorsOf.Junction = castJunction
	best := rel("directors", "films", catalog.Computed, "")
	best.Function, best.ToOne = public("best_film"), true
	param := func(name, typ string, required bool) catalog.Parameter {
		return catalog.Parameter{Name: name, Type: text(typ), TypeName: typ, Required: required}
	}
	filmsName := public("films")
	variadic := param("v", "text[]", true)
	variadic.Variadic = true
	wallsName := public("walls")
	s := catalog.NewSnapshot([]*catalog.Relation{films, directors, actors, roles, walls}, []*catalog.Function{
		{Name: public("add"), Parameters: []catalog.Parameter{param("a", "integer", true), param("b", "integer", false)}, Volatility: catalog.Immutable},
		{Name: public("films_of"), Parameters: []catalog.Parameter{param("y", "integer", true)}, Volatility: catalog.Stable, Returns: catalog.ReturnsSetOfComposite, Relation: &filmsName},
		{Name: public("touch"), Volatility: catalog.Volatile, Returns: catalog.ReturnsVoid},
		{Name: public("whole"), Parameters: []catalog.Parameter{param("", "json", true)}, Volatility: catalog.Immutable},
		{Name: public("many"), Parameters: []catalog.Parameter{variadic}, Volatility: catalog.Immutable},
		{Name: public("walls_of"), Volatility: catalog.Stable, Returns: catalog.ReturnsSetOfComposite, Relation: &wallsName},
		{Name: public("page"), Volatility: catalog.Stable, MediaType: "text/html"},
		{Name: public("anything"), Volatility: catalog.Stable, MediaType: "*/*"},
	}, []*catalog.Relationship{
		rel("films", "directors", catalog.ManyToOne, "films_director_id_fkey", catalog.ColumnPair{Column: "director_id", Foreign: "id"}),
		rel("directors", "films", catalog.OneToMany, "films_director_id_fkey", catalog.ColumnPair{Column: "id", Foreign: "director_id"}),
		actorsOf, best,
		rel("films", "walls", catalog.OneToMany, "walls_film_id_fkey", catalog.ColumnPair{Column: "id", Foreign: "film_id"}),
		rel("walls", "films", catalog.ManyToOne, "walls_film_id_fkey", catalog.ColumnPair{Column: "film_id", Foreign: "id"}),
	})
	for _, h := range []*catalog.Handler{
		{Aggregate: public("film_page"), Relation: filmsName, MediaType: "text/html"},
		{Aggregate: public("any_page"), MediaType: "text/html"},
		{Aggregate: public("any_tsv"), MediaType: "text/Tab-separated-values"},
		{Aggregate: public("wall_page"), Relation: wallsName, MediaType: "application/vnd.wall"},
		{Aggregate: public("actor_any"), Relation: public("actors"), MediaType: "*/*"},
	} {
		s.AddHandler(h)
	}
	return s
}

func ptr[T any](v T) *T { return &v }

// planText parses "METHOD path", header lines, a blank line and a body, and plans it.
func planText(s *catalog.Snapshot, in string, o Options) (*Plan, *request.Error) {
	head, body, _ := strings.Cut(in, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	method, target, _ := strings.Cut(lines[0], " ")
	path, query, _ := strings.Cut(target, "?")
	h := http.Header{}
	for _, l := range lines[1:] {
		k, v, _ := strings.Cut(l, ": ")
		h.Add(k, v)
	}
	r, err := request.Parse(method, path, query, h, request.Options{Schemas: []string{"public"}, AllowTx: true})
	if err != nil {
		return nil, err
	}
	if err := r.ParseBody([]byte(strings.TrimSpace(body))); err != nil {
		return nil, err
	}
	return Make(r, s, o)
}

//covers:rest 104
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			snapshot := testSnapshot()
			want := map[string]string{}
			for _, f := range ar.Files {
				want[f.Name] = string(f.Data)
			}
			out := &txtar.Archive{Comment: ar.Comment}
			for _, f := range ar.Files {
				base, ok := strings.CutSuffix(f.Name, ".request")
				if !ok {
					continue
				}
				options := Options{Schemas: []string{"public"}, MaxRows: 100, Aggregates: true, SafeUpdate: true}
				if strings.HasPrefix(filepath.Base(name), "stream") {
					options.StreamAbove = 50
				}
				got := show(planText(snapshot, string(f.Data), options))
				out.Files = append(out.Files, f, txtar.File{Name: base + ".sql", Data: []byte(got)})
				if diff := cmp.Diff(want[base+".sql"], got); diff != "" && !*update {
					t.Errorf("%s (-want +got):\n%s", base, diff)
				}
			}
			if *update {
				if err := os.WriteFile(name, txtar.Format(out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func show(p *Plan, err *request.Error) string {
	if err != nil {
		return fmt.Sprintf("error %d %v\n", err.Status, err)
	}
	var b strings.Builder
	b.WriteString(p.Main.SQL)
	b.WriteByte('\n')
	for i, v := range p.Main.Params {
		fmt.Fprintf(&b, "$%d = %s\n", i+1, v)
	}
	if p.Estimate.SQL != "" {
		b.WriteString(p.Estimate.SQL + "\n")
	}
	if p.ReadOnly {
		b.WriteString("read only\n")
	}
	return b.String()
}

// tokens reduces a statement to the kinds of its tokens, so that two
// statements of one shape are equal whatever their names and values are.
func tokens(t testing.TB, sql string) string {
	var b strings.Builder
	for i := 0; i < len(sql); {
		switch c := sql[i]; {
		case c == '"' || c == '\'':
			j := i + 1
			for {
				if j >= len(sql) {
					t.Fatalf("unterminated %c in %s", c, sql)
				}
				if sql[j] == '\\' && c == '\'' && i > 0 && sql[i-1] == 'E' {
					j += 2
					continue
				}
				if sql[j] == c {
					if j+1 < len(sql) && sql[j+1] == c {
						j += 2
						continue
					}
					break
				}
				j++
			}
			b.WriteByte(c)
			i = j + 1
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

// FuzzShape: whatever names and values a request holds, the statement made of
// it has the tokens of a harmless one.
//
//covers:rest 252 253
func FuzzShape(f *testing.F) {
	for _, s := range []string{`x`, `a"b`, `a'b`, `";drop table films;--`, `\`, `$1`, `/*`, "a\x00b", `a""b`, "\u2028", `%27`, `"`, `''`, "--\n"} {
		f.Add(s, s)
	}
	snapshot := testSnapshot()
	options := Options{Schemas: []string{"public"}, MaxRows: 100}
	streaming := options
	streaming.StreamAbove = 50
	shapes := []string{
		"GET /films?select=%[1]s:%[1]s,%[1]s->%[1]s->>%[1]s&%[1]s=eq.%[2]s&%[1]s=in.(%[3]s,%[3]s)&order=%[1]s.desc&%[1]s->%[1]s=like(any).%[2]s",
		"GET /films?select=%[1]s:directors(%[1]s)&or=(%[1]s.eq.%[3]s,%[1]s.fts(english).%[3]s)&%[1]s.%[1]s=neq.%[2]s",
		"PATCH /films?%[1]s=eq.%[2]s&select=%[1]s\nPrefer: return=representation\n\n{\"title\":%[4]s}",
		"POST /films?select=%[1]s&on_conflict=%[1]s\nPrefer: return=representation, resolution=merge-duplicates, missing=default\n\n[{\"title\":%[4]s}]",
		"DELETE /films?%[1]s=is.null&%[1]s=cs.%[2]s",
		"GET /rpc/films_of?y=%[2]s&%[1]s=eq.%[2]s&select=%[1]s",
		"GET /walls?select=%[1]s:paint,*,films(%[1]s)&paint=eq.%[2]s&paint=in.(%[3]s,%[3]s)&paint=gt(all).%[2]s&or=(paint.not.lt.%[3]s,paint->%[1]s.eq.%[3]s)&order=paint,%[1]s",
		"GET /films?select=%[1]s,walls(*,%[1]s:paint::text)&walls.paint=match.%[2]s&walls.paint=isdistinct.%[2]s",
		"POST /walls?columns=id,paint,film_id&select=%[1]s:paint\nPrefer: return=representation, missing=default\n\n[{\"paint\":%[4]s}]",
		"PATCH /walls?paint=eq.%[2]s&columns=paint\nPrefer: missing=default\n\n{\"paint\":%[4]s}",
		"PUT /walls?id=eq.%[2]s\n\n{\"id\":%[4]s,\"paint\":%[4]s}",
		"GET /films?%[1]s=eq.%[2]s\nAccept: text/html",
		"GET /films?select=%[1]s&%[1]s=eq.%[2]s\nAccept: text/html",
		"GET /rpc/walls_of?select=%[1]s:paint&paint=eq.%[2]s\nAccept: text/html",
		"GET /rpc/many?v=%[2]s\nAccept: text/html",
		"GET /films?select=%[1]s&%[1]s=eq.%[2]s\nAccept: text/csv",
	}
	make := func(shape, name, value string, options Options) (string, bool) {
		quoted := url.QueryEscape(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`)
		element := url.QueryEscape(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`)
		body := fmt.Sprintf("%q", "x")
		p, err := planText(snapshot, fmt.Sprintf(shape, quoted, url.QueryEscape(value), element, body), options)
		if err != nil {
			return "", false
		}
		return p.Main.SQL, true
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		if name == "" {
			return // an empty alias is none
		}
		for i, shape := range shapes {
			for _, o := range []Options{options, streaming} {
				sql, ok := make(shape, name, value, o)
				if !ok {
					continue // a text that is no UTF-8, or a value that is an operator in a call
				}
				benign, ok := make(shape, "zzz", "vvv", o)
				if !ok {
					t.Fatalf("shape %d is refused", i)
				}
				if got, want := tokens(t, sql), tokens(t, benign); got != want {
					t.Fatalf("shape %d, name %q, value %q\n got %s\nwant %s", i, name, value, got, want)
				}
			}
		}
	})
}

// Whatever is asked for by a filter, the statement is the same: it is prepared once.
//
//covers:rest 60
func TestFilterValuesAreParameters(t *testing.T) {
	snapshot := testSnapshot()
	options := Options{Schemas: []string{"public"}, MaxRows: 100}
	for _, group := range [][]string{
		{"GET /films?id=eq.1", "GET /films?id=eq.';drop%20table%20films", "GET /films?id=eq."},
		{"GET /films?id=in.(1)", "GET /films?id=in.(1,2,3)", "GET /films?id=in.()"},
		{"GET /films?title=like.a*", "GET /films?title=like.%25"},
		{"GET /films?year=gt(any).{1,2}", "GET /films?year=gt(any).{}"},
		{"GET /films?words=fts(english).a", "GET /films?words=fts(german).b%26c"},
		{"GET /films?or=(id.eq.1,title.in.(a,b))", `GET /films?or=(id.eq."2)",title.in.("c"))`},
		{"GET /films?data->>a=eq.1", "GET /films?data->>b=eq.2"},
		{"GET /films?select=title,directors(name)&directors.name=eq.x", "GET /films?select=title,directors(name)&directors.name=eq.y"},
		{"PATCH /films?id=eq.1\n\n{\"title\":\"a\"}", "PATCH /films?id=eq.2\n\n{\"title\":\"b\"}"},
		{"DELETE /films?id=eq.1", "DELETE /films?id=eq.2"},
		{"GET /rpc/films_of?y=1&id=eq.1", "GET /rpc/films_of?y=2&id=eq.2"},
		{"GET /walls?paint=eq.a", "GET /walls?paint=eq.b"},
	} {
		want := ""
		for _, request := range group {
			p, err := planText(snapshot, request, options)
			if err != nil {
				t.Fatalf("%s: %v", request, err)
			}
			if want == "" {
				want = p.Main.SQL
			} else if p.Main.SQL != want {
				t.Errorf("%s\n got %s\nwant %s", request, p.Main.SQL, want)
			}
		}
	}
}
