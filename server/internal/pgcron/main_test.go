package pgcron_test

import (
	"os"
	"testing"

	"github.com/suparust/suparust/internal/leaktest"
	"github.com/suparust/suparust/suparusttest"
)

// TestMain finds goroutines that a scheduler has left behind.
func TestMain(m *testing.M) {
	os.Exit(leaktest.Main(func() int { return suparusttest.Main(m) }))
}
