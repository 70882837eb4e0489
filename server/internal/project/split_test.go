package project

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// statements returns what would be sent of a file.
func statements(src string) []string {
	var out []string
	for _, p := range Split(src) {
		if p.Kind == Statement {
			text, _ := p.sent()
			out = append(out, text)
		}
	}
	return out
}

func TestSplitStatements(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, src string
		want      []string
	}{
		{"empty", "", nil},
		{"only blanks and comments", " \n-- nothing;\n/* ; */", nil},
		{"only semicolons", ";; ;", nil},
		{"two", "select 1; select 2;", []string{"select 1", "select 2"}},
		{"last without semicolon", "select 1;\nselect 2\n", []string{"select 1", "select 2"}},
		{"comment before stays", "-- a;\nselect 1;", []string{"-- a;\nselect 1"}},
		{"comment after belongs to the next", "select 1; -- b\nselect 2", []string{"select 1", "-- b\nselect 2"}},
		{"windows lines", "select 1;\r\nselect 2;\r\n", []string{"select 1", "select 2"}},
		{"quote", "select 'a;b''c;'; select 2", []string{"select 'a;b''c;'", "select 2"}},
		{"backslash is nothing in a plain string", `select 'a\'; select 2`, []string{`select 'a\'`, "select 2"}},
		{"escape string", `select E'a\';b', e'\\'; select 2`, []string{`select E'a\';b', e'\\'`, "select 2"}},
		{"escape string goes on after a newline", "select E'a'\n 'b\\';c'; select 2", []string{"select E'a'\n 'b\\';c'", "select 2"}},
		{"word that ends in e is no escape string", `select type'a\'; select 2`, []string{`select type'a\'`, "select 2"}},
		{"unicode string", `select U&'\0061;''', u&"a;"""; select 2`, []string{`select U&'\0061;''', u&"a;"""`, "select 2"}},
		{"identifier", `select ";""';" ; select 2`, []string{`select ";""';"`, "select 2"}},
		{"dollar quotes", "do $$ begin; end $$; select $a$ ; $$ ; $A$ ; $a$;", []string{"do $$ begin; end $$", "select $a$ ; $$ ; $A$ ; $a$"}},
		{"dollar tag with letters of other languages", "select $ü$;$ü$; select 2", []string{"select $ü$;$ü$", "select 2"}},
		{"parameters and identifiers with dollars", "select $1, a$b$; select $2$", []string{"select $1, a$b$", "select $2$"}},
		{"nested comment", "select /* a /* ; */ ; */ 1; select 2", []string{"select /* a /* ; */ ; */ 1", "select 2"}},
		{"quote in a comment", "select 1 -- it's\n; select 2 /* it's */;", []string{"select 1 -- it's", "select 2 /* it's */"}},
		{"division is no comment", "select 4/2; select 4-2", []string{"select 4/2", "select 4-2"}},
		{"parentheses", "create rule r as on insert to t do (select 1; select 2); select 3",
			[]string{"create rule r as on insert to t do (select 1; select 2)", "select 3"}},
		{"closing parenthesis too many", "select 1); select 2", []string{"select 1)", "select 2"}},
		{"begin atomic", "create function f() returns int language sql begin atomic select 1; select case when true then 1 end; end; select 2",
			[]string{"create function f() returns int language sql begin atomic select 1; select case when true then 1 end; end", "select 2"}},
		{"begin atomic over comments", "CREATE OR REPLACE PROCEDURE p() BEGIN /* x */ -- y\n ATOMIC INSERT INTO t VALUES (1); END; select 2",
			[]string{"CREATE OR REPLACE PROCEDURE p() BEGIN /* x */ -- y\n ATOMIC INSERT INTO t VALUES (1); END", "select 2"}},
		{"transaction block", "begin; select 1; end; select 2", []string{"begin", "select 1", "end", "select 2"}},
		{"column named atomic", "begin; select atomic from t; commit", []string{"begin", "select atomic from t", "commit"}},
		{"function named begin", "create function begin() returns int language sql as 'select 1'; select 2",
			[]string{"create function begin() returns int language sql as 'select 1'", "select 2"}},
		{"unterminated quote", "select 'a; select 2", []string{"select 'a; select 2"}},
		{"unterminated dollar quote", "select $$a; select 2", []string{"select $$a; select 2"}},
		{"unterminated comment", "select 1; /* select 2;", []string{"select 1"}},
		{"byte order mark", "\ufeffselect 1;", []string{"select 1"}},
		{"restrict lines of pg_dump", "--\n-- dump\n--\n\n\\restrict abc\n\nselect 1;\n\n\\unrestrict abc\n\n", []string{"select 1"}},
		{"restrict line first", "\ufeff\\restrict abc\nselect 1;", []string{"select 1"}},
		{"other psql commands are left to PostgreSQL", "\\set x 1\nselect 1;", []string{"\\set x 1\nselect 1"}},
		{"semicolons between", "select 1;;;select 2;;", []string{"select 1", "select 2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, statements(tt.src)); diff != "" {
				t.Errorf("statements (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSplitKeepsPositions(t *testing.T) {
	t.Parallel()
	src := "\ufeff-- é\nselect 1;\n\n  /* x */ select 'ü', y;\n"
	var at []string
	for _, p := range Split(src) {
		if p.Kind != Statement {
			continue
		}
		text, offset := p.sent()
		if src[offset:offset+len(text)] != text {
			t.Errorf("statement %q is not at offset %d", text, offset)
		}
		at = append(at, src[p.Start:p.Start+8])
	}
	if diff := cmp.Diff([]string{"select 1", "select '"}, at); diff != "" {
		t.Errorf("first tokens (-want +got):\n%s", diff)
	}
}

func TestSplitCopy(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, src, data, after string }{
		{"rows", "COPY public.t (a, b) FROM stdin;\n1\ta;b\n2\tit's\n\\.\n\nselect 1;", "1\ta;b\n2\tit's\n", "select 1"},
		{"windows lines", "copy t from stdin with (format csv);\r\n1,a\r\n\\.\r\nselect 1;", "1,a\r\n", "select 1"},
		{"none", "copy t from stdin;\n\\.\nselect 1;", "", "select 1"},
		{"without the end mark", "copy t from stdin;\n1\n2\n", "1\n2\n", ""},
		{"a row that only begins like the end mark", "copy t from stdin;\n\\.x\n\\.\nselect 1;", "\\.x\n", "select 1"},
		{"end mark at the end of the file", "copy t from stdin;\n1\n\\.", "1\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pieces := Split(tt.src)
			if len(pieces) < 2 || pieces[1].Kind != CopyData {
				t.Fatalf("pieces = %+v, want the data second", pieces)
			}
			if got := pieces[1].data(); got != tt.data {
				t.Errorf("data = %q, want %q", got, tt.data)
			}
			rest := statements(tt.src)[1:]
			if got := strings.Join(rest, "|"); got != tt.after {
				t.Errorf("statements after = %q, want %q", got, tt.after)
			}
		})
	}
	for _, src := range []string{"copy t from 'stdin';\nselect 1;", "copy t to stdout;\nselect 1;", "select 1 from stdin;\nselect 1;", "copy (select a from stdin) to stdout;\nselect 1;"} {
		if got := len(statements(src)); got != 2 {
			t.Errorf("%q has %d statements, want 2", src, got)
		}
	}
}

func TestStatementsThatRunAlone(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"create index concurrently i on t (a)":                     true,
		"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t(a)": true,
		"-- why\ncreate /* x */ index concurrently i on t (a)":     true,
		"create index i on t (a)":                                  false,
		"drop index concurrently if exists i":                      true,
		"drop index i":                                             false,
		"reindex table concurrently t":                             true,
		"reindex (concurrently, verbose) index i":                  true,
		"reindex database postgres":                                true,
		"reindex table t":                                          false,
		"vacuum (full, analyze) t":                                 true,
		"alter system set work_mem = '8MB'":                        true,
		"cluster t using i":                                        true,
		"create database x":                                        true,
		"alter table p detach partition c concurrently":            true,
		"alter table p add column vacuum int":                      false,
		"refresh materialized view concurrently v":                 false,
		"insert into vacuum values ('create index concurrently')":  false,
	}
	for src, want := range tests {
		if got := Split(src)[0].alone(); got != want {
			t.Errorf("%q runs alone = %v, want %v", src, got, want)
		}
	}
}

// TestSplitIsLinear has inputs on which a splitter that looks back or ahead too far takes minutes.
func TestSplitIsLinear(t *testing.T) {
	t.Parallel()
	const n = 400_000
	for _, part := range []string{"$a", "'", "E'\\", "/*", "--", "(", "begin ", "\\;", "\\restrict;", "$1$", "copy a from stdin;", "create function begin ", "e'a' ", ";"} {
		src := strings.Repeat(part, n/len(part))
		start := time.Now()
		Split(src)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%d bytes of %q took %v", len(src), part, took)
		}
	}
}

func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		"select 1; select 'a;b';", "do $x$ ; $x$; -- c\n/* /* */ */", "copy t from stdin;\n1\n\\.\nselect 2",
		"create function f() begin atomic select case when 1 then 2 end; end; select 1", "\ufeff\\restrict x\nselect E'\\'';",
		"create rule r do (a;b)", "$", "$$", "E'", "\\.", "(;)", "U&\"a\"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		var all strings.Builder
		for _, p := range Split(src) {
			if p.Text == "" {
				t.Error("an empty piece")
			}
			if p.Offset != all.Len() {
				t.Errorf("piece %q is at %d, says %d", p.Text, all.Len(), p.Offset)
			}
			if p.Start < p.Offset || p.Start > p.Offset+len(p.Text) {
				t.Errorf("first token at %d is outside of %d+%d", p.Start, p.Offset, len(p.Text))
			}
			text, offset := p.sent()
			if p.Kind == Statement && text == "" {
				t.Errorf("statement %q is empty", p.Text)
			}
			if src[offset:offset+len(text)] != text {
				t.Errorf("%q is not at its offset", text)
			}
			all.WriteString(p.Text)
		}
		if all.String() != src {
			t.Errorf("the pieces are %q, not the input %q", all.String(), src)
		}
	})
}
