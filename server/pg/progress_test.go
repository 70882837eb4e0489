package pg

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// TestProgressIsKept writes to what is no terminal: a line each, nothing that moves.
func TestProgressIsKept(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	spinner := Spin(&out, "fetching PostgreSQL 17")
	spinner.Stop()
	b := startBar(&out, 4, "unpacking PostgreSQL")
	read, err := io.ReadAll(b.reader(strings.NewReader("four")))
	b.Stop()
	if err != nil || string(read) != "four" {
		t.Errorf("read %q, %v", read, err)
	}
	if want := "suparust: fetching PostgreSQL 17\nsuparust: unpacking PostgreSQL\n"; out.String() != want {
		t.Errorf("it shows %q, want %q", out.String(), want)
	}
	count := Count(&out, 2, "applying migrations")
	count.Step("one")
	count.Stop()
	if strings.Contains(out.String(), "migrations") {
		t.Errorf("steps that tell of themselves are told twice: %q", out.String())
	}
	startBar(nil, 4, "nobody looks").Stop()
}
