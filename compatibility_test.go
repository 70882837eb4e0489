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
}}

// open are the items of a checklist that no test shows yet: the list shrinks only.
var open = map[string][]int{
	"rest": {
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21,
		22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41,
		42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61,
		63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83,
		84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103,
		104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123,
		124, 125, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143,
		144, 145, 146, 147, 148, 149, 150, 151, 152, 153, 154, 155, 156, 157, 158, 159, 160, 161, 162, 163,
		164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 174, 175, 176, 177, 178, 179, 180, 181, 182, 183,
		184, 185, 186, 187, 188, 189, 191, 192, 193, 194, 195, 196, 197, 198, 199, 200, 201, 202, 203, 204,
		205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215, 216, 217, 218, 219, 220, 221, 222, 223, 224,
		225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 235, 236, 237, 238, 239, 240, 241, 242, 243, 244,
		245, 246, 247, 250, 252, 253, 254, 255, 256, 257, 258, 259, 260,
	},
}

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
				t.Logf("%s %d has its test: take it from the list of open items", c.name, n)
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
