package control

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDescribed: the description names just the operations that there are.
func TestDescribed(t *testing.T) {
	t.Parallel()
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	var described, served []string
	for path, operations := range doc.Paths {
		for method := range operations {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	h := New(Config{})
	for _, r := range h.routes() {
		served = append(served, r.method+" "+strings.TrimSuffix(r.path, "{$}"))
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described: %q\nserved: %q", described, served)
	}
}

// TestDocumented: docs/control.md names every operation.
func TestDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/control.md")
	if err != nil {
		t.Fatal(err)
	}
	parameter := regexp.MustCompile(`\\\{\w+\\\}`)
	for _, r := range New(Config{}).routes() {
		path := parameter.ReplaceAllString(regexp.QuoteMeta(strings.TrimSuffix(r.path, "{$}")), `[^/ ]+`)
		if !regexp.MustCompile("`" + r.method + " (/_suparust/v1)?" + path + "[`? ]").Match(page) {
			t.Errorf("docs/control.md has no %s %s", r.method, r.path)
		}
	}
}
