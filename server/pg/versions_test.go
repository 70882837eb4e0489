//go:build unix

package pg

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestVersions runs every supported major version that can be had here.
func TestVersions(t *testing.T) {
	for major := MinMajor; major <= MaxMajor; major++ {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			if testing.Short() && major != DefaultMajor {
				t.Skip("short: the default version only")
			}
			log, _ := newTestLog(t)
			b, err := Resolve(t.Context(), ResolveOptions{Major: major, Logger: log})
			if nf := (*NotFoundError)(nil); errors.As(err, &nf) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if b.Major != major {
				t.Skipf("only PostgreSQL %s can be had", b.Version)
			}
			s := testSpec(t)
			s.Binaries = b
			useClone(t, mustLoad(t, s))
			cl := startTest(t, Config{Template: mustLoad(t, s)})
			if got := queryString(t, cl, superuser, "postgres", "select split_part(version(), ' ', 2)"); got != b.Version {
				t.Errorf("version %s, want %s", got, b.Version)
			}
			locale := queryString(t, cl, superuser, "postgres", "select concat_ws(' ', datlocprovider, datcollate, case when 'ä' < 'z' then 'linguistic' else 'bytes' end) from pg_database where datname = 'postgres'")
			if want := map[bool]string{true: "b C bytes", false: "c C.UTF-8 bytes"}[major >= 17]; locale != want {
				t.Errorf("locale %q, want %q", locale, want)
			}
			if got := queryString(t, cl, superuser, "postgres", "select upper('äöü') || (regexp_match('été', '\\w+'))[1]"); got != "ÄÖÜété" {
				t.Errorf("UTF-8: %q", got)
			}
			if mode := queryString(t, cl, superuser, "postgres", "select coalesce(current_setting('io_method', true), '')"); (mode == "sync") != (major >= 18) {
				t.Errorf("io_method %q", mode)
			}
			if tail := cl.LogTail(40); strings.Contains(tail, "ERROR") || strings.Contains(tail, "FATAL") || strings.Contains(tail, "PANIC") {
				t.Errorf("the log:\n%s", tail)
			}
		})
	}
}
