package rest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/suparust/suparust/server/internal/rest"
	"github.com/suparust/suparust/server/internal/session"
)

// times joins n texts, %d in which is their number.
func times(n int, text, sep string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(strings.ReplaceAll(text, "%d", fmt.Sprint(i)))
	}
	return b.String()
}

func nested(n int, open, inner, end string) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
}

// Every limit: what is just within it gets through to the database, one more
// does not.
//
//covers:rest 254 255
func TestRequestLimits(t *testing.T) {
	t.Parallel()
	f := start(t, "create table t(id int primary key, d jsonb, p int references t(id)); insert into t values (1, '{}', 1)")
	c := f.as(t, "service_role", nil)
	for _, l := range []struct {
		name   string
		limit  int
		path   func(n int) string
		header func(n int) string
		within int // status of what is within
		beyond int
	}{
		{"URL", 64<<10 - len("id=eq.1&=eq.1/t"), func(n int) string { return "/t?id=eq.1&" + strings.Repeat("x", n) + "=eq.1" }, nil, 400, 414},
		{"headers", 62 << 10, nil, func(n int) string { return "X-Long: " + strings.Repeat("x", n+n%2*2<<10) }, 200, 431},
		{"parameters", 1000, func(n int) string { return "/t?" + times(n, "id=eq.1", "&") }, nil, 200, 400},
		{"depth of logic", 63, // a condition is a level as well
			func(n int) string { return "/t?and=(" + nested(n-1, "and(", "id.eq.1", ")") + ")" }, nil, 200, 400},
		{"conditions", 1000, func(n int) string { return "/t?or=(" + times(n, "id.eq.%d", ",") + ")" }, nil, 200, 400},
		{"depth of embeds", 16, func(n int) string { return "/t?select=" + nested(n, "p(", "id", ")") }, nil, 200, 400},
		{"embeds", 64, func(n int) string { return "/t?select=" + times(n, "a%d:p(id)", ",") }, nil, 200, 400},
		{"select items", 1600, func(n int) string { return "/t?select=" + times(n, "a%d:id", ",") }, nil, 200, 400},
		{"columns", 1600, func(n int) string { return "/t?select=id&columns=" + times(n, "c%d", ",") }, nil, 200, 400},
		{"list", 32768, func(n int) string { return "/t?d->>a=in.(" + strings.Repeat(",", n-1) + ")" }, nil, 200, 400},
		{"JSON path", 64, func(n int) string { return "/t?select=d" + strings.Repeat("->a", n) }, nil, 200, 400},
		{"media types", 64, nil, func(n int) string { return "Accept: " + times(n, "a/b%d", ",") }, 406, 400},
		{"preferences", 64, nil, func(n int) string { return "Prefer: " + times(n, "x%d=y", ",") }, 200, 400},
	} {
		t.Run(l.name, func(t *testing.T) {
			send := func(n int) *result {
				path, header := "/t?select=id", []string{}
				if l.path != nil {
					path = l.path(n)
				}
				if l.header != nil {
					header = append(header, l.header(n))
				}
				return c.get(t, path, header...)
			}
			send(l.limit).wantStatus(t, l.within)
			send(l.limit+1).wantCode(t, l.beyond, "PGRST100")
		})
	}
}

// Bodies beyond the limit are refused, whether their length is told or not, and
// so is one from which more is made than one may have.
//
//covers:rest 254 255
func TestBodyLimits(t *testing.T) {
	t.Parallel()
	f := start(t, "create table t(id int, s text); grant all on t to anon")
	api, c := f.direct(t, session.Config{}, rest.Config{Limits: rest.Limits{MaxBody: 1 << 20}})
	const csvType, formType = "Content-Type: text/csv", "Content-Type: application/x-www-form-urlencoded"
	for _, b := range []struct {
		name, body, header string
		status             int
		code               string
	}{
		{"JSON within", `{"s":"` + strings.Repeat("x", 1<<20-8) + `"}`, "", 201, ""},
		{"JSON", `{"s":"` + strings.Repeat("x", 1<<20-7) + `"}`, "", 413, "PGRST102"},
		{"CSV", "s\n" + strings.Repeat("x\n", 1<<19), csvType, 413, "PGRST102"},
		{"form", "s=" + strings.Repeat("x", 1<<20), formType, 413, "PGRST102"},
		{"what CSV becomes", strings.Repeat("x", 5000) + "\n" + strings.Repeat("1\n", 1000), csvType, 413, "PGRST102"},
		{"what a form becomes", "s=" + strings.Repeat("%01", 200_000), formType, 413, "PGRST102"},
		{"depth", strings.Repeat("[", 100_000), "", 400, "PGRST102"},
		{"columns in JSON", "{" + times(1601, `"c%d":1`, ",") + "}", "", 400, "PGRST100"},
		{"columns in CSV", times(1601, "c%d", ",") + "\n", csvType, 400, "PGRST100"},
		{"fields of a form", times(1001, "c%d=1", "&"), formType, 400, "PGRST100"},
	} {
		t.Run(b.name, func(t *testing.T) {
			var header []string
			if b.header != "" {
				header = append(header, b.header)
			}
			r := c.post(t, "/t", b.body, header...)
			if b.code == "" {
				r.wantStatus(t, b.status)
			} else {
				r.wantCode(t, b.status, b.code)
			}
			req, err := http.NewRequest(http.MethodPost, api+"/t", io.MultiReader(strings.NewReader(b.body)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", strings.TrimPrefix(b.header, "Content-Type: "))
			if b.header == "" {
				req.Header.Set("Content-Type", "application/json")
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != b.status {
				t.Errorf("in chunks: status %d, want %d", res.StatusCode, b.status)
			}
		})
	}
	c.post(t, "/t", `{"id":1}`).wantStatus(t, 201)
}

// Large bodies and answers wait for the memory of others, and get it.
//
//covers:rest 258
func TestMemoryOfLargeRequests(t *testing.T) {
	t.Parallel()
	f := start(t, "create table t(s text); grant all on t to anon; create function large() returns text stable language sql as $$ select repeat('x', 20000000) $$")
	api, c := f.direct(t, session.Config{}, rest.Config{Limits: rest.Limits{MaxMemory: 4 << 20}})
	slow := dial(t, api, "GET /rpc/large HTTP/1.1\r\nHost: h\r\n\r\n")
	head := make([]byte, 15)
	if _, err := io.ReadFull(slow, head); err != nil || string(head) != "HTTP/1.1 200 OK" {
		t.Fatal(string(head), err)
	}
	second := make(chan *result)
	go func() { second <- c.post(t, "/t", `{"s":"`+strings.Repeat("x", 2<<20)+`"}`) }()
	for range 10 { // what is small does not wait
		c.post(t, "/t", `{"s":"small"}`).wantStatus(t, 201)
	}
	select {
	case r := <-second:
		t.Errorf("the second large request did not wait: %d", r.status)
	default:
	}
	if _, err := io.CopyN(io.Discard, slow, 20_000_000); err != nil {
		t.Fatal(err)
	}
	(<-second).wantStatus(t, 201)
}
