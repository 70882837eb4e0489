package migrations_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/suparust/suparust/migrations"
)

// brings skips where the tests run on an installed PostgreSQL, which gets no
// extensions of ours.
func (c *cluster) brings(tb testing.TB) {
	tb.Helper()
	if !strings.HasSuffix(c.Binaries().ID, migrations.ExtensionsVersion()) {
		tb.Skipf("PostgreSQL is the one in %s, which has extensions of its own", c.Binaries().BinDir)
	}
}

// TestExtensionFiles finds for each control file the script of its version.
func TestExtensionFiles(t *testing.T) {
	t.Parallel()
	files := migrations.Extensions()
	controls, err := fs.Glob(files, "*.control")
	if err != nil || len(controls) == 0 {
		t.Fatalf("%v %v", controls, err)
	}
	for _, control := range controls {
		text, err := fs.ReadFile(files, control)
		if err != nil {
			t.Fatal(err)
		}
		_, version, _ := strings.Cut(string(text), "default_version = '")
		version, _, _ = strings.Cut(version, "'")
		script := strings.TrimSuffix(filepath.Base(control), ".control") + "--" + version + ".sql"
		if _, err := fs.Stat(files, script); err != nil {
			t.Errorf("%s: %v", control, err)
		}
	}
	if id := migrations.ExtensionsVersion(); len(id) != 12 || strings.Trim(id, "0123456789abcdef") != "" {
		t.Errorf("the version is %q", id)
	}
}
