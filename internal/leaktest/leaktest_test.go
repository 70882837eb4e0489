package leaktest_test

import (
	"testing"

	"github.com/suparust/suparust/internal/leaktest"
)

// A goroutine that outlives the tests fails them; what failed stays so.
func TestMainFinds(t *testing.T) {
	if code := leaktest.Main(func() int { return 0 }); code != 0 {
		t.Errorf("nothing was left, and the code is %d", code)
	}
	if code := leaktest.Main(func() int { return 2 }); code != 2 {
		t.Errorf("the tests ended with 2, and the code is %d", code)
	}
	end := make(chan struct{})
	defer close(end)
	if code := leaktest.Main(func() int { go func() { <-end }(); return 0 }); code != 1 {
		t.Errorf("a goroutine was left, and the code is %d", code)
	}
}
