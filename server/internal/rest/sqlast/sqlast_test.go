package sqlast

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// An identifier is quoted just as the driver quotes one, whatever it holds,
// but for a NUL byte, which ends it.
//
//covers:rest 252
func FuzzIdent(f *testing.F) {
	for _, s := range []string{"a", `a"b`, `"`, `""`, "a\x00b", "", "ü", "\\", "a'b", strings.Repeat("x", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		w := &writer{}
		w.ident(name)
		cut, _, _ := strings.Cut(name, "\x00")
		if got, want := string(w.buf), (pgx.Identifier{cut}).Sanitize(); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	})
}

// A literal ends where it should: every quote in it is doubled, and a
// backslash is one only with the prefix that makes it so.
func FuzzLiteral(f *testing.F) {
	for _, s := range []string{"a", "it's", `\`, `\'`, "''", "", "a\x00'", "ü\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w := &writer{}
		w.literal(text)
		cut, _, _ := strings.Cut(text, "\x00")
		sql := string(w.buf)
		inner, escaped := strings.CutPrefix(sql, " E'")
		if !escaped {
			inner = strings.TrimPrefix(sql, "'")
		}
		inner, ok := strings.CutSuffix(inner, "'")
		if !ok {
			t.Fatalf("%q is %s", text, sql)
		}
		back := strings.ReplaceAll(inner, "''", "'")
		if escaped {
			back = strings.ReplaceAll(back, `\\`, `\`)
		} else if strings.Contains(inner, `\`) {
			t.Errorf("%q has a backslash and no prefix: %s", text, sql)
		}
		if back != cut || strings.Contains(strings.ReplaceAll(inner, "''", ""), "'") {
			t.Errorf("%q is %s", text, sql)
		}
	})
}

func TestTypeNames(t *testing.T) {
	for name, want := range map[string]bool{
		"int": true, "double precision": true, "_int4": true, "timestamp with time zone": true, "größe": true, "a$1": true,
		"": false, " ": false, "$$": false, "int; drop": false, "numeric(1)": false, "1a": false, "int[]": false, "a'b": false, `"a"`: false, "a--b": false,
	} {
		if _, ok := NewTypeName(name); ok != want {
			t.Errorf("type name %q accepted: %v, want %v", name, ok, want)
		}
	}
}
