package suparust

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the compatibility pages anew")

// checklist is a file of docs/checklists and the page that is made of it.
type checklist struct {
	name, title, intro string
	// enforced: every item that is not for later has a test.
	enforced bool
	items    []*item
}

// item is one numbered line of a checklist, and the tests that show it.
type item struct {
	number                int
	section               string
	priority, fact, place string
	shown                 []string
}

var checklists = []*checklist{{
	name:     "rest",
	title:    "REST: what is compatible",
	intro:    "What an app can see of PostgREST 14 as Supabase runs it, and the tests that show it here.",
	enforced: true,
}, {
	name:     "auth",
	title:    "Auth: what is compatible",
	intro:    "What an app can see of Supabase Auth, and the tests that show it here.",
	enforced: true,
}, {
	name:  "storage",
	title: "Storage: what is compatible",
	intro: "What an app can see of Supabase Storage, and the tests that show it here.",
}}

// open are the items of a checklist that no test shows yet: the list shrinks only.
var open = map[string][]int{}

var checklistLine = regexp.MustCompile(`^([0-9]+) (must|should|later) (.+)$`)

// read takes the items from the list's file.
func (c *checklist) read(t *testing.T) {
	t.Helper()
	path := "docs/checklists/" + c.name + ".txt"
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	section := ""
	for i, line := range strings.Split(string(raw), "\n") {
		place := fmt.Sprintf("%s:%d", path, i+1)
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = title
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := checklistLine.FindStringSubmatch(line)
		if m == nil || section == "" {
			t.Fatalf("%s: %q is no item: number, must, should or later, fact, below a ## section", place, line)
		}
		n, err := strconv.Atoi(m[1])
		if err != nil || n != len(c.items)+1 {
			t.Fatalf("%s: item %s stands where %d belongs", place, m[1], len(c.items)+1)
		}
		c.items = append(c.items, &item{number: n, section: section, priority: m[2], fact: m[3], place: place})
	}
}

// mark notes that a test shows what a directive such as "covers:rest 64 65" names.
func mark(directive, place, link string) error {
	words := strings.Fields(strings.TrimPrefix(directive, "covers:"))
	if len(words) < 2 {
		return fmt.Errorf("%s: %s names no item", place, directive)
	}
	i := slices.IndexFunc(checklists, func(c *checklist) bool { return c.name == words[0] })
	if i < 0 {
		return fmt.Errorf("%s: there is no checklist %q", place, words[0])
	}
	for _, w := range words[1:] {
		n, err := strconv.Atoi(w)
		if err != nil || n < 1 || n > len(checklists[i].items) {
			return fmt.Errorf("%s: the checklist %s has no item %q", place, words[0], w)
		}
		it := checklists[i].items[n-1]
		if slices.Contains(it.shown, link) {
			return fmt.Errorf("%s: the test is marked with %s %d twice", place, words[0], n)
		}
		it.shown = append(it.shown, link)
	}
	return nil
}

// goCovers is the directive as gofmt leaves it alone; a blank behind the slashes
// would make it a sentence.
var (
	goCovers = regexp.MustCompile(`^//\s*covers:`)
	goTest   = regexp.MustCompile(`^(Test|Fuzz|Benchmark|Example)`)
)

// markGo reads the directives of a file of Go tests.
func markGo(path string) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	var problems []error
	read := map[*ast.Comment]bool{}
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Doc == nil || fn.Recv != nil || !goTest.MatchString(fn.Name.Name) {
			continue
		}
		for _, c := range fn.Doc.List {
			if strings.HasPrefix(c.Text, "//covers:") {
				read[c] = true
				problems = append(problems, mark(c.Text[2:], set.Position(c.Pos()).String(), link(fn.Name.Name, path)))
			}
		}
	}
	for _, group := range file.Comments {
		for _, c := range group.List {
			if goCovers.MatchString(c.Text) && !read[c] {
				problems = append(problems, fmt.Errorf("%s: %s stands above no test, or has a blank behind the slashes", set.Position(c.Pos()), c.Text))
			}
		}
	}
	return errors.Join(problems...)
}

var scriptTest = regexp.MustCompile("^\\s*(?:test|it)(?:\\.\\w+)*(?:\\(\\w+\\))?\\(\\s*(?:'([^']+)'|\"([^\"]+)\"|`([^`]+)`)")

// markScript reads the directives of a file of JavaScript tests: comment lines
// right above a test.
func markScript(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var problems []error
	var waiting []string
	for i, line := range strings.Split(string(raw), "\n") {
		place := fmt.Sprintf("%s:%d", path, i+1)
		text := strings.TrimSpace(line)
		if d, ok := strings.CutPrefix(text, "// covers:"); ok {
			waiting = append(waiting, "covers:"+d)
			continue
		}
		if len(waiting) == 0 || strings.HasPrefix(text, "//") {
			continue
		}
		m := scriptTest.FindStringSubmatch(line)
		if m == nil {
			problems = append(problems, fmt.Errorf("%s: a directive stands above no test", place))
		} else {
			for _, d := range waiting {
				problems = append(problems, mark(d, place, link(m[1]+m[2]+m[3], path)))
			}
		}
		waiting = nil
	}
	return errors.Join(problems...)
}

// link shows a test and leads to its file.
func link(name, path string) string {
	return fmt.Sprintf("[%s](../%s)", cell(name), filepath.ToSlash(path))
}

var cellEscape = strings.NewReplacer("|", `\|`, "*", `\*`, "<", `\<`, "[", `\[`, "]", `\]`)

func cell(s string) string { return cellEscape.Replace(s) }

// page is the list as a document.
func (c *checklist) page() []byte {
	var b bytes.Buffer
	shown := 0
	for _, it := range c.items {
		if len(it.shown) > 0 {
			shown++
		}
	}
	fmt.Fprintf(&b, "# %s\n\n%s %d of %d items have a test.\n\n", c.title, c.intro, shown, len(c.items))
	fmt.Fprintf(&b, "*must*: apps do it every day, or it is security; *should*: test suites and other programs see it; *later*: rare.\n\n")
	fmt.Fprintf(&b, "Made of [the list](checklists/%s.txt) and of the directives above the tests by `go test . -run TestCompatibilityPages -update`.\n", c.name)
	section := ""
	for _, it := range c.items {
		if it.section != section {
			section = it.section
			fmt.Fprintf(&b, "\n## %s\n\n| | item | priority | shown by |\n| --- | --- | --- | --- |\n", section)
		}
		tests := "not yet"
		if len(it.shown) > 0 {
			slices.Sort(it.shown)
			tests = strings.Join(it.shown, ", ")
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", it.number, cell(it.fact), it.priority, tests)
	}
	return b.Bytes()
}

// missing are the items that the list demands a test for and that have none.
func (c *checklist) missing() []int {
	var list []int
	for _, it := range c.items {
		if len(it.shown) == 0 && it.priority != "later" {
			list = append(list, it.number)
		}
	}
	return list
}

// TestCompatibilityPages keeps docs/*-compatibility.md equal to the checklists
// and to what the tests say they show.
func TestCompatibilityPages(t *testing.T) {
	for _, c := range checklists {
		c.read(t)
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || d.Name() == ".git"):
			return filepath.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			err = markGo(path)
		case strings.HasSuffix(path, ".test.mjs"):
			err = markScript(path)
		}
		if err != nil {
			t.Error(err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checklists {
		missing := c.missing()
		for _, n := range missing {
			if it := c.items[n-1]; c.enforced && !slices.Contains(open[c.name], n) {
				t.Errorf("%s: no test shows item %d: %s", it.place, n, it.fact)
			}
		}
		for _, n := range open[c.name] {
			if !slices.Contains(missing, n) {
				t.Errorf("%s %d has its test: take it from the list of open items", c.name, n)
			}
		}
		path := "docs/" + c.name + "-compatibility.md"
		want := c.page()
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the checklist and the tests say: run go test . -run TestCompatibilityPages -update", path)
		}
	}
}
