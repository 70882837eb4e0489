package rest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vector is one request of a table with its expected answer. A table is a text
// of paragraphs: the request line; "> " header lines; "as " the claims of the
// token; "< " the body; the status; then headers of the answer ("-" for none),
// and checks: "body" compares as JSON, "text" byte by byte, "has" finds a part,
// "code" is an error's, "sql" counts the rows of a query afterwards.
type vector struct {
	line         int
	method, path string
	claims       map[string]any
	header       http.Header
	body         string
	status       int
	want         map[string]string
	checks       []string // body, text, has, code, sql lines
}

var vectorCheck = regexp.MustCompile(`^(body|text|has|code|sql) `)

func readVectors(t *testing.T, text string) []*vector {
	t.Helper()
	var list []*vector
	var v *vector
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
		case line == "":
			v = nil
		case v == nil:
			method, path, _ := strings.Cut(line, " ")
			v = &vector{line: i + 1, method: method, path: path, header: http.Header{}, want: map[string]string{}}
			list = append(list, v)
		case strings.HasPrefix(line, "> "):
			k, val, _ := strings.Cut(line[2:], ": ")
			v.header.Add(k, val)
		case strings.HasPrefix(line, "< "):
			v.body = strings.ReplaceAll(line[2:], `\n`, "\n")
		case strings.HasPrefix(line, "as "):
			if err := json.Unmarshal([]byte(line[3:]), &v.claims); err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
		case v.status == 0:
			if _, err := fmt.Sscan(line, &v.status); err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
		case vectorCheck.MatchString(line):
			v.checks = append(v.checks, line)
		default:
			k, val, _ := strings.Cut(line, ": ")
			v.want[k] = val
		}
	}
	return list
}

// One request of every kind over one small schema, as an app would make it.
//
//covers:rest 2 3 6 7 10 43 47 52 57 58 59 70 75 77 78 79 84 87 88 89 91 92 93 95 96 98
//covers:rest 106 107 109 113 114 126 128 130 131 137 138 139 140 141 142 149 152 153 157 158 160 164 166 170 171
//covers:rest 179 182 183 189 191 192 193 200 218 221 227
func TestContractVectors(t *testing.T) {
	t.Parallel()
	f := start(t, readFile(t, "testdata/vectors.sql"))
	data := readFile(t, "testdata/vectors_data.sql")
	f.exec(t, data)
	f.vectors(t, readFile(t, "testdata/vectors.txt"), data)
	f.exec(t, "create table fresh(id int primary key); grant all on fresh to anon")
	f.anonymous().get(t, "/fresh").want(t, http.StatusOK, `[]`)
}

// vectors sends the requests of a table, one after the other. Where reset is
// given, that SQL runs after each that may have written.
func (f *fixture) vectors(t *testing.T, table, reset string) {
	t.Helper()
	for _, v := range readVectors(t, table) {
		t.Run(fmt.Sprintf("line%d_%s_%s", v.line, v.method, strings.TrimPrefix(v.path, "/")), func(t *testing.T) {
			f.check(t, v)
		})
		if reset != "" && v.method != http.MethodGet && v.method != http.MethodHead && v.method != http.MethodOptions {
			f.exec(t, reset)
		}
	}
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func (f *fixture) check(t *testing.T, v *vector) {
	t.Helper()
	req, err := http.NewRequest(v.method, f.URL+v.path, strings.NewReader(v.body))
	if err != nil {
		t.Fatal(err)
	}
	if v.body == "" {
		req.Body = nil
	}
	req.Header = v.header.Clone()
	if v.claims == nil {
		v.claims = map[string]any{"role": "service_role"}
	}
	req.Header.Set("Authorization", "Bearer "+f.token(t, v.claims))
	if v.body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != v.status {
		t.Fatalf("status %d, want %d; body %s", res.StatusCode, v.status, body)
	}
	for name, want := range v.want {
		got := strings.Join(res.Header.Values(name), ", ")
		if want == "-" {
			want = ""
		}
		if got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, c := range v.checks {
		kind, want, _ := strings.Cut(c, " ")
		switch kind {
		case "text":
			if want = strings.ReplaceAll(want, `\n`, "\n"); string(body) != want {
				t.Errorf("body is %q, want %q", body, want)
			}
		case "has":
			if !strings.Contains(string(body), want) {
				t.Errorf("body is %s, without %s", body, want)
			}
		case "body":
			sameJSON(t, body, want)
		case "code":
			var e struct{ Code string }
			_ = json.Unmarshal(body, &e)
			if want == "-" {
				want = ""
			}
			if e.Code != want {
				t.Errorf("code %q, want %q; body %s", e.Code, want, body)
			}
		case "sql":
			count, query, _ := strings.Cut(want, " ")
			if got := f.count(t, query); fmt.Sprint(got) != count {
				t.Errorf("%s: %d rows, want %s", query, got, count)
			}
		}
	}
}

func sameJSON(t testing.TB, got []byte, want string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Errorf("body is no JSON: %s", got)
		return
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatalf("the expectation is no JSON: %s", want)
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Errorf("body differs (-want +got):\n%s", diff)
	}
}
