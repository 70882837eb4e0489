//go:build unix

package pg

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// What a killed process has just forked holds its locks for another moment.
func TestLockOfTheDead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	dead, next := flock.New(path), flock.New(path)
	defer next.Close()
	if ok, err := dead.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := tryLock(next); ok || err != nil {
		t.Errorf("two have it: %t, %v", ok, err)
	}
	gone := time.AfterFunc(50*time.Millisecond, func() { _ = dead.Close() })
	defer gone.Stop()
	if ok, err := tryLock(next); !ok || err != nil {
		t.Errorf("the lock was not waited for: %t, %v", ok, err)
	}
}
