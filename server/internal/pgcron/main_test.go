package pgcron_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/suparust/suparust/suparusttest"
)

// TestMain finds goroutines that a scheduler has left behind.
func TestMain(m *testing.M) {
	current := goleak.IgnoreCurrent()
	code := suparusttest.Main(m)
	if code == 0 {
		if err := goleak.Find(current, goleak.IgnoreTopFunction("github.com/suparust/suparust/server/pg.spawnForever")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
