package plan

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
)

// templates of requests; every %v is a value. The ones above the blank line
// have to be remembered, the others may be.
const templates = `
GET /films?id=eq.%v
GET /films?id=not.eq.%v&select=id,title
HEAD /films?title=gt.%v&year=lte.%v
GET /films?title=like.%v&title=not.ilike.%v&order=id.desc&limit=5
GET /films?id=in.(%v,%v)&title=neq.%v
GET /films?select=title,directors(name)&directors.name=eq.%v&year=gte.%v
GET /films?select=*,actors!inner(name)&actors.name=in.(%v)&data->>k=eq.%v
GET /films?id=lt.%v&and=(id.gt.3,or(title.eq.x,year.is.null))
GET /rpc/add?a=%v&b=%v
GET /rpc/films_of?y=%v&title=eq.%v
DELETE /films?id=eq.%v&select=id | Prefer: return=representation
PATCH /films?id=eq.%v | Prefer: return=representation | {"title":"%v"}
POST /films | Prefer: return=representation | {"title":"%v","year":2000}
POST /films?columns=title,year | Prefer: missing=default,return=minimal | [{"title":"%v"},{"title":"b"}]
POST /films?on_conflict=id | Prefer: resolution=merge-duplicates | [{"id":1,"title":"%v"}]
PUT /films?id=eq.%v | - | {"id":"%v","title":"t"}
POST /rpc/add | - | {"a":"%v"}
POST /rpc/whole | - | {"a":"%v"}
GET /films?id=eq.%v | Prefer: count=exact
GET /films?id=eq.%v&offset=3 | Prefer: count=planned
GET /films?id=eq.%v | Accept: application/vnd.pgrst.object+json
GET /films?id=eq.%v | Accept: text/csv

GET /films?id=%v
GET /films?id=is.%v
GET /films?id=isdistinct.%v
GET /films?title=eq(any).{%v}
GET /films?words=fts.%v
GET /films?words=fts(english).%v
GET /films?or=(id.eq.%v,title.like.%v)
GET /films?limit=%v
GET /films?offset=%v
GET /films?order=%v
GET /films?select=%v
GET /films?%v=eq.1
GET /films?select=id&id=eq.1&%v
GET /rpc/many?v=%v&v=%v
GET /rpc/whole?a=%v
GET /rpc/add?a=%v&a=%v
GET /rpc/films_of?y=1&title=%v
GET /%v?id=eq.1
POST /films | - | %v
POST /films?columns=%v | - | {"title":"a"}
POST /rpc/add | Content-Type: application/x-www-form-urlencoded | a=%v&b=2
POST /films | Content-Type: text/csv | title,year
GET /films?id=eq.%v | Prefer: %v
GET /films?id=eq.%v | Accept: %v
GET /films?id=eq.%v | Accept-Profile: %v
GET /films?id=eq.%v | Range: %v`

// odd values, as they stand in a query string.
var odd = []string{"1", "4711", "", "null", "*", "%25", "a*b", "(1)", ")", "(", ",", "%22a,b%22", "%22", "%5C", "a%5C%22b", "+", "a+b", "%2B",
	"%C3%A9", "é", "%FF", "%00", "%zz", "eq.1", "not.eq.1", "in.(1)", "in", "is", "not", "eq", "eq(any)", "1.5", ".", "..", "{}", "{a,b}",
	"x%26y", "a%3Db", "true", "id", "title.desc", "public", "private", "count=exact", "0-3", "zQslot000Qz", "zQbodyQz", "text/csv", "%2E", "a%2Eb",
	"application/json", " ", "\t", "\x01", "\x00", "$1", "'", "';--", "undefined"}

type outcome struct {
	Error   string
	Request *request.Request
	Plan    *Plan
}

// fresh is what parsing and planning give that remember nothing.
func fresh(s *catalog.Snapshot, o request.Options, po Options, method, target string, h http.Header, body string) outcome {
	path, query, _ := strings.Cut(target, "?")
	r, err := request.Parse(method, path, query, h, o)
	if err == nil && r.TakesBody() {
		err = r.ParseBody([]byte(body))
	}
	if err != nil {
		return outcome{Error: fmt.Sprint(err.Code, err.Message, err.Details, err.Hint)}
	}
	if r.Resource == request.Root {
		return outcome{Request: r}
	}
	p, err := Make(r, s, po)
	if err != nil {
		return outcome{Error: fmt.Sprint(err.Code, err.Message, err.Details, err.Hint)}
	}
	return outcome{Request: r, Plan: p}
}

func cached(c *Cache, method, target string, h http.Header, body string) outcome {
	path, query, _ := strings.Cut(target, "?")
	r, p, err := c.Prepare(method, path, query, h, func(r *request.Request) error {
		if err := r.ParseBody([]byte(body)); err != nil {
			return err
		}
		return nil
	})
	var rerr *request.Error
	if errors.As(err, &rerr) {
		return outcome{Error: fmt.Sprint(rerr.Code, rerr.Message, rerr.Details, rerr.Hint)}
	}
	return outcome{Request: r, Plan: p}
}

// same compares all that an answer is made of.
func same(a, b outcome) string {
	if a.Error != b.Error || (a.Plan == nil) != (b.Plan == nil) {
		return cmp.Diff(a.Error, b.Error) + fmt.Sprint(a.Plan == nil, b.Plan == nil)
	}
	if a.Plan == nil {
		return ""
	}
	for i, st := range a.Plan.statements() {
		if d := cmp.Diff(*st, *b.Plan.statements()[i]); d != "" {
			return d
		}
	}
	if !reflect.DeepEqual(a.Plan, b.Plan) {
		return "the plans differ outside of their statements"
	}
	if a.Request.Query.Canonical != b.Request.Query.Canonical && a.Request.Payload == nil {
		return a.Request.Query.Canonical + " / " + b.Request.Query.Canonical
	}
	if !reflect.DeepEqual(a.Request.Payload, b.Request.Payload) || !reflect.DeepEqual(withoutValues(a.Request), withoutValues(b.Request)) {
		return "the requests differ"
	}
	return ""
}

// fill puts values into a template.
func fill(template string, value func() string) (method, target string, h http.Header, body string) {
	parts := strings.SplitN(template, " | ", 3)
	for i := range parts {
		for strings.Contains(parts[i], "%v") {
			v := value()
			if i > 0 {
				if u, err := url.QueryUnescape(v); err == nil {
					v = u
				}
			}
			parts[i] = strings.Replace(parts[i], "%v", v, 1)
		}
	}
	method, target, _ = strings.Cut(parts[0], " ")
	h = http.Header{}
	if len(parts) > 1 {
		if name, v, ok := strings.Cut(parts[1], ": "); ok {
			h.Set(name, v)
		}
	}
	if len(parts) > 2 {
		body = parts[2]
	}
	return method, target, h, body
}

// A request of a remembered shape is planned as if nothing were remembered:
// the same statements with the same parameters, the same answer. Whatever the
// values are, and whatever was learnt from others before.
func TestCachedPlansAreFreshPlans(t *testing.T) {
	t.Parallel()
	s := testSnapshot()
	ro := request.Options{Schemas: []string{"public", "private"}, AllowTx: true}
	for name, po := range map[string]Options{
		"plain": {Schemas: ro.Schemas}, "capped": {Schemas: ro.Schemas, MaxRows: 10, Aggregates: true, Plans: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, template := range strings.Split(strings.TrimSpace(templates), "\n") {
				if template == "" {
					continue
				}
				rng := rand.New(rand.NewPCG(uint64(i), 1))
				value := func() string { return odd[rng.IntN(len(odd))] }
				c := NewCache(s, ro, po)
				for round := range 120 {
					if round < 3 {
						value = func() string { return fmt.Sprint("v", round) }
					} else if round == 3 {
						value = func() string { return odd[rng.IntN(len(odd))] }
					}
					method, target, h, body := fill(template, value)
					want, got := fresh(s, ro, po, method, target, h, body), cached(c, method, target, h, body)
					if d := same(want, got); d != "" {
						t.Fatalf("%s %s %v %s: %s", method, target, h, body, d)
					}
				}
			}
		})
	}
}

// What clients ask all the time is remembered.
func TestShapesAreRemembered(t *testing.T) {
	t.Parallel()
	s := testSnapshot()
	ro := request.Options{Schemas: []string{"public"}}
	for template := range strings.SplitSeq(strings.TrimSpace(templates), "\n") {
		if template == "" {
			break
		}
		c := NewCache(s, ro, Options{Schemas: ro.Schemas})
		for round := range 3 {
			method, target, h, body := fill(template, func() string { return fmt.Sprint("v", round) })
			if o := cached(c, method, target, h, body); o.Plan == nil {
				t.Fatalf("%s %s: %s", method, target, o.Error)
			}
		}
		if len(c.young) != 1 {
			t.Errorf("%s: %d shapes are remembered", template, len(c.young))
		}
	}
}

// However many shapes there are, the memory for them is bounded, and one in
// use stays.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	s := testSnapshot()
	ro := request.Options{Schemas: []string{"public"}}
	c := NewCache(s, ro, Options{Schemas: ro.Schemas})
	used := func() *entry {
		var shape request.Shape
		if !shape.ShapeOf("GET", "/films", "id=eq.7", nil) {
			t.Fatal("no shape")
		}
		return c.get(shape.Key)
	}
	ask := func(target string) {
		if o := cached(c, "GET", target, http.Header{}, ""); o.Plan == nil {
			t.Fatal(o.Error)
		}
	}
	for range 3 {
		ask("/films?id=eq.1")
	}
	first := used()
	for i := range 3 * maxEntries {
		for range 2 {
			ask(fmt.Sprintf("/films?id=eq.%d&limit=%d", i, i))
		}
		ask("/films?id=eq.2")
	}
	if len(c.young)+len(c.old) > 2*maxEntries || c.size > maxCacheSize {
		t.Errorf("%d and %d entries, %d bytes", len(c.young), len(c.old), c.size)
	}
	if first == nil || used() != first {
		t.Error("the shape in use was forgotten")
	}
	long := "/films?select=" + strings.Repeat("title,", 1000) + "id"
	before := len(c.young)
	for range 3 {
		ask(long)
	}
	if len(c.young) != before {
		t.Error("an endless shape is remembered")
	}
}

// FuzzCachedPlan compares the two ways of planning for any query string.
func FuzzCachedPlan(f *testing.F) {
	for line := range strings.SplitSeq(templates, "\n") {
		if method, target, _, _ := fill(line, func() string { return "1" }); method == "GET" {
			path, query, _ := strings.Cut(target, "?")
			f.Add(path, query, query)
		}
	}
	s := testSnapshot()
	ro := request.Options{Schemas: []string{"public"}}
	f.Fuzz(func(t *testing.T, path, first, then string) {
		if !strings.HasPrefix(path, "/") || path == "/" {
			return
		}
		c := NewCache(s, ro, Options{Schemas: ro.Schemas})
		for _, query := range []string{first, first, then, first} {
			target := path + "?" + query
			if d := same(fresh(s, ro, Options{Schemas: ro.Schemas}, "GET", target, http.Header{}, ""), cached(c, "GET", target, http.Header{}, "")); d != "" {
				t.Fatalf("%q: %s", target, d)
			}
		}
	})
}
