//go:build unix

package pg

import (
	"context"
	"errors"
	"testing"

	"github.com/suparust/suparust/internal/proctest"
)

// Who gives up while the template's cluster is started leaves no server behind.
func TestBuildCancelled(t *testing.T) {
	t.Parallel()
	acct, err := processAccount()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := newRunDir(publicTempDir(t), acct) // a root that nobody else is in
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := dir.remove(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := &builder{bin: testBinaries(t), acct: acct, dir: dir}
	if err := b.startWithLibrary(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if left := proctest.Mentioning(dir.path); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
