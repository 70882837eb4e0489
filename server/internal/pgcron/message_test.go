package pgcron

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestDescribe: the texts are libpq's, with the place shown in a part of a long
// line.
func TestDescribe(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 40) + "b" + strings.Repeat("c", 60)
	for name, c := range map[string]struct {
		e       pgproto3.ErrorResponse
		command string
		want    string
	}{
		"plain": {pgproto3.ErrorResponse{Severity: "ERROR", Message: "no"}, "x", "ERROR:  no\n"},
		"all": {pgproto3.ErrorResponse{Severity: "ERROR", Message: "no", Detail: "d", Hint: "h", Where: "w"}, "x",
			"ERROR:  no\nDETAIL:  d\nHINT:  h\nCONTEXT:  w\n"},
		"place":      {pgproto3.ErrorResponse{Severity: "ERROR", Message: "no", Position: 10}, "select\n\tähm, b\nfrom c", "ERROR:  no\nLINE 2:  ähm, b\n          ^\n"},
		"internal":   {pgproto3.ErrorResponse{Severity: "ERROR", Message: "no", InternalPosition: 3, InternalQuery: "a b"}, "x", "ERROR:  no\nLINE 1: a b\n          ^\nQUERY:  a b\n"},
		"cut right":  {pgproto3.ErrorResponse{Severity: "ERROR", Message: "no", Position: 41}, long, "ERROR:  no\nLINE 1: " + long[:60] + "...\n" + strings.Repeat(" ", 48) + "^\n"},
		"cut left":   {pgproto3.ErrorResponse{Severity: "ERROR", Message: "no", Position: 101}, long, "ERROR:  no\nLINE 1: ..." + long[41:] + "\n" + strings.Repeat(" ", 70) + "^\n"},
		"cut twice":  {pgproto3.ErrorResponse{Severity: "ERROR", Message: "no", Position: 71}, long, "ERROR:  no\nLINE 1: ..." + long[20:80] + "...\n" + strings.Repeat(" ", 61) + "^\n"},
		"at the end": {pgproto3.ErrorResponse{Severity: "ERROR", Message: "no", Position: 4}, "abc", "ERROR:  no\nLINE 1: abc\n           ^\n"},
		"beyond":     {pgproto3.ErrorResponse{Severity: "ERROR", Message: "no", Position: 9}, "abc", "ERROR:  no\n"},
	} {
		if got := describe(&c.e, c.command); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
}
