//go:build unix

package wake_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/suparust/suparust/server/internal/wake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPipe calls those who are named, however the text is cut.
func TestPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, err := wake.Open(dir, "one", "two")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, wake.Name)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("nobody\n" + strings.Repeat("x", 5000) + "\none\n")
	<-p.Calls("one")
	write("tw")
	write("o\nthree\n")
	<-p.Calls("two")
	write("one\none\none\ntwo\n")
	<-p.Calls("two") // in order, so the others have been read
	<-p.Calls("one")
	select {
	case <-p.Calls("one"):
		t.Error("three calls at once were more than one")
	default:
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the pipe is still there: %v", err)
	}
}

// TestPipeOfAStoppedCluster is closed when its directory is gone.
func TestPipeOfAStoppedCluster(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cluster")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := wake.Open(dir, "one")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wake.Open(dir, "one"); err == nil {
		t.Error("two pipes stand in one place")
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := wake.Open(dir, "one"); err == nil {
		t.Error("a pipe stands in no directory")
	}
}
