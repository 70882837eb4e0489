package cmd

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// naiveTail is the last n lines of what stands behind from.
func naiveTail(text string, from int64, n int) string {
	lines := strings.SplitAfter(text[min(int(from), len(text)):], "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

func checkTail(t *testing.T, path, text string, from int64, n int) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	begin, end, err := lastLines(f, from, n)
	if err != nil || end != int64(len(text)) {
		t.Fatalf("%d bytes, the last %d lines behind %d: %d to %d, %v", len(text), n, from, begin, end, err)
	}
	if want := naiveTail(text, from, n); text[min(begin, end):end] != want {
		t.Errorf("%d bytes, the last %d lines behind %d: %d bytes from %d, want %d", len(text), n, from, end-begin, begin, len(want))
	}
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	for _, text := range []string{"", "\n", "a", "a\n", "a\nb", "a\nb\n", "\n\n\n", "a\n\nb\n"} {
		for n := range 4 {
			for from := range int64(len(text) + 1) {
				checkTail(t, path, text, from, n)
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 { // lines that lie across the blocks that are read at once
		var b strings.Builder
		for b.Len() < 3*tailBlock {
			b.WriteString(strings.Repeat("x", random.IntN(tailBlock/3)) + "\n")
		}
		text := b.String()[:b.Len()-random.IntN(2)]
		checkTail(t, path, text, int64(random.IntN(len(text))), random.IntN(40))
		checkTail(t, path, text, 0, 1+random.IntN(10))
	}
}
