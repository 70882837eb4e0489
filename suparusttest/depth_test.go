package suparusttest

import "testing"

// TestDepth has the number of databases that are kept ready follow the Starts.
func TestDepth(t *testing.T) {
	t.Parallel()
	var d depth
	step := func(what string, hit bool, left, waiting, want int) {
		t.Helper()
		if d.found(hit, left, waiting); d.n != want {
			t.Fatalf("%s: %d are kept ready, want %d", what, d.n, want)
		}
	}
	step("the first test", false, 0, 0, 1)
	for range 10 {
		step("tests that follow each other", true, 0, 0, 1)
	}
	step("a second test at once", false, 0, 0, 2)
	step("two at once, the first", true, 1, 0, 2)
	step("two at once, the second", true, 0, 0, 2)
	for range 2 * spareStarts { // two at once are no more than it takes
		step("two at once, the first", true, 1, 0, 2)
		step("two at once, the second", true, 0, 0, 2)
	}
	step("a crowd", false, 0, 100, deepest())
	step("a crowd", false, 0, 200, deepest())
	for n := deepest(); n > 1; n-- {
		for range spareStarts - 1 {
			step("less than a crowd", true, 1, 0, n)
		}
		step("less than a crowd", true, 1, 0, n-1)
	}
	for range 10 {
		step("one is always kept", true, 1, 0, 1)
	}
}
