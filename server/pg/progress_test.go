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
	spinner := startSpinner(&out, "fetching PostgreSQL 17")
	spinner.stop()
	b := startBar(&out, 4, "unpacking PostgreSQL")
	read, err := io.ReadAll(b.reader(strings.NewReader("four")))
	b.stop()
	if err != nil || string(read) != "four" {
		t.Errorf("read %q, %v", read, err)
	}
	if want := "suparust: fetching PostgreSQL 17\nsuparust: unpacking PostgreSQL\n"; out.String() != want {
		t.Errorf("it shows %q, want %q", out.String(), want)
	}
	startBar(nil, 4, "nobody looks").stop()
}
