package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/suparust/suparust/server"
)

// TestResetOfInterrupted resets a database whose restore was interrupted: it is
// there, although not in its place.
func TestResetOfInterrupted(t *testing.T) {
	t.Parallel()
	c := durable(publicTempDir(t))
	s, stop := serve(t, c)
	execSQL(t, s, "create table t (i int)")
	stop()
	now := filepath.Join(c.Database.DataDir, ".suparust-now")
	if err := os.Mkdir(now, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(c.Database.DataDir, "PG_VERSION"), filepath.Join(now, "PG_VERSION")); err != nil {
		t.Fatal(err)
	}
	if err := server.ResetDatabase(t.Context(), c, "", server.ResetOptions{}); err != nil {
		t.Fatal(err)
	}
	s, _ = serve(t, c)
	service(s).Get(t, "/rest/v1/t").WantStatus(t, http.StatusNotFound)
}
