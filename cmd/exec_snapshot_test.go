//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/cmd"
	"github.com/suparust/suparust/server"
)

// TestExecSnapshot: exec starts from a snapshot that a server has saved, and changes nothing of it.
func TestExecSnapshot(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "suparust-exec-") // PostgreSQL's account can reach it
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cfg := server.DefaultConfig()
	cfg.Ephemeral()
	cfg.Database.DataDir, cfg.Storage.Root = filepath.Join(dir, "postgres"), filepath.Join(dir, "storage")
	srv, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), srv.DatabaseURL())
	if err == nil {
		_, err = conn.Exec(t.Context(), "create table notes (text text); insert into notes values ('saved')")
	}
	if err == nil {
		err = conn.Close(t.Context())
	}
	if err == nil {
		_, err = srv.Snapshot(t.Context(), "seeded")
	}
	if err != nil {
		t.Error(err)
	}
	if err := srv.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	environ := append(os.Environ(), "SUPARUST_DB_DATA_DIR="+cfg.Database.DataDir, "SUPARUST_STORAGE_ROOT="+cfg.Storage.Root)
	run := func(want int, args ...string) (string, string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := cmd.Main(args, cmd.Stdio{In: bytes.NewReader(nil), Out: &out, Err: &errs}, environ); code != want {
			t.Fatalf("%q: exit code %d, want %d\n%s%s", args, code, want, &out, &errs)
		}
		return out.String(), errs.String()
	}
	const read = `curl -fsS -H "apikey: $SUPABASE_SERVICE_ROLE_KEY" "$SUPABASE_URL/rest/v1/notes"`
	for range 2 {
		if out, _ := run(0, "exec", "--snapshot", "seeded", "--", "sh", "-c", read+` -d text=more && `+read); out != `[{"text":"saved"}, `+"\n"+` {"text":"more"}]` {
			t.Errorf("the command sees %s", out)
		}
	}
	if _, errs := run(125, "exec", "--snapshot", "other", "--", "true"); !bytes.Contains([]byte(errs), []byte("seeded")) {
		t.Errorf("an unknown snapshot: %s", errs)
	}
}
