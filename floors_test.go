package suparust

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/suparust/suparust"

// floors give every package its height: it may import what stands lower, and
// of its own height nothing. A package below one that is named here belongs to
// that one: it has its height, and the two may import each other.
var floors = map[string]int{
	"cmd/suparust": 5,
	"cmd":          4,
	"suparusttest": 4,
	"server":       3,

	"server/internal/rest":    2,
	"server/internal/auth":    2,
	"server/internal/storage": 2,
	"server/internal/control": 2,
	"server/internal/pgcron":  2,
	"server/internal/pgnet":   2,

	"server/internal/session": 1,
	"server/internal/project": 1,
	"server/internal/httpx":   1,
	"server/internal/catalog": 0,
	"server/internal/gateway": 0,
	"server/internal/mail":    0,
	"server/internal/wake":    0,
	"server/pg":               0,
	"migrations":              0,
	"fixtures":                0,
	"internal/leaktest":       0,
	"internal/proctest":       0,
	"internal/pgtest":         1,
}

// raised are packages below a named one that stand on a floor of their own.
var raised = map[string]int{
	"server/internal/rest/plan":      1,
	"server/internal/rest/request":   0,
	"server/internal/rest/sqlast":    0,
	"server/internal/storage/blob":   0,
	"server/internal/storage/render": 0,
	"server/internal/storage/sigv4":  0,
}

// sideways lists the imports that the floors alone would not allow.
var sideways = map[[2]string]string{
	{"server/internal/rest/sqlast", "server/internal/catalog"}:      "the renderer takes the snapshot's types; the snapshot knows nothing of it",
	{"server/internal/rest/sqlast", "server/internal/rest/request"}: "the renderer takes the parsed request's types; the parser knows nothing of it",
}

type goPackage struct {
	ImportPath  string
	Dir         string
	Name        string
	Standard    bool
	Imports     []string
	Deps        []string
	GoFiles     []string
	CgoFiles    []string
	IgnoredGo   []string `json:"IgnoredGoFiles"`
	TestGoFiles []string
	Module      *struct{ Path string }
}

// list reads `go list`, which knows the build as it is.
func list(t *testing.T, args ...string) map[string]*goPackage {
	t.Helper()
	var errOut bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json"}, args...)...)
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, errOut.Bytes())
	}
	packages := map[string]*goPackage{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := &goPackage{}
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
}

func local(path string) (string, bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// place is the named package that pkg belongs to, and its floor.
func place(pkg string) (owner string, floor int, ok bool) {
	if f, ok := raised[pkg]; ok {
		return pkg, f, true
	}
	for p := pkg; p != "."; p = filepath.ToSlash(filepath.Dir(p)) {
		if f, ok := floors[p]; ok {
			return p, f, true
		}
	}
	return "", 0, false
}

// TestImportsPointDown keeps the order of the packages.
func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	seen := 0
	used := map[[2]string]bool{}
	for path, p := range list(t, "./...") {
		from, ok := local(path)
		if !ok || len(p.GoFiles) == 0 { // a package of tests alone is on top of everything
			continue
		}
		owner, floor, ok := place(from)
		if !ok {
			t.Errorf("%s has no floor: name it in this test and in the design", from)
			continue
		}
		seen++
		for _, imported := range p.Imports {
			to, ok := local(imported)
			if !ok {
				continue
			}
			other, below, ok := place(to)
			pair := [2]string{owner, other}
			_, allowed := sideways[pair]
			used[pair] = true
			switch {
			case !ok:
				t.Errorf("%s imports %s, which has no floor", from, to)
			case owner == other || allowed:
			case below >= floor:
				t.Errorf("%s (floor %d) imports %s (floor %d): imports point down only", from, floor, to, below)
			}
		}
	}
	if seen < len(floors) {
		t.Errorf("%d packages were looked at, fewer than have a floor", seen)
	}
	for pair, why := range sideways {
		if !used[pair] {
			t.Errorf("nothing uses the exception %v any more (%s): remove it", pair, why)
		}
	}
}

// importsTesting lists who may import the testing packages.
var importsTesting = map[string]string{
	module + "/suparusttest":                     "it is for tests",
	module + "/internal/pgtest":                  "it is for tests, and no program imports it",
	module + "/internal/proctest":                "it is for tests about processes, and no program imports it",
	"github.com/fergusstrange/embedded-postgres": "one of its tests stands in a file that is not named as a test",
}

// TestReach keeps what programs of users must not carry out of them.
func TestReach(t *testing.T) {
	t.Parallel()
	all := list(t, "-deps", "./...")
	for path, p := range all {
		for _, test := range []string{"testing", "testing/fstest", "net/http/httptest"} {
			if !p.Standard && slices.Contains(p.Imports, test) && importsTesting[path] == "" {
				t.Errorf("%s imports %s: programs would carry it", path, test)
			}
		}
		from, ok := local(path)
		if !ok {
			if strings.Contains(path, "testcontainers") || strings.HasPrefix(path, "github.com/docker/") || strings.HasPrefix(path, "github.com/moby/") {
				t.Errorf("a container client is reachable: %s", path)
			}
			continue
		}
		for _, imported := range p.Imports {
			if owner, _, _ := place(from); imported == "github.com/fergusstrange/embedded-postgres" && owner != "server/pg" {
				t.Errorf("%s imports %s, which stays inside server/pg", from, imported)
			}
		}
		for _, bad := range []string{"util", "utils", "common", "helper", "helpers", "manager", "misc"} {
			if p.Name == bad || slices.Contains(strings.Split(from, "/"), bad) {
				t.Errorf("%s: a package is named for what it is, not %q", from, bad)
			}
		}
	}
	if all[module+"/suparusttest"] == nil || !slices.Contains(all[module+"/suparusttest"].Deps, "testing") {
		t.Error("suparusttest does not reach testing: this test looks at the wrong packages")
	}
}

// environmentReaders are the files and packages that may read the environment.
var environmentReaders = map[string]string{
	"cmd":                  "the command line",
	"server/env.go":        "the settings",
	"suparusttest":         "where PostgreSQL comes from, for tests",
	"internal/pgtest":      "the same",
	"server/pg/environ.go": "what PostgreSQL's programs are given",
}

// TestEnvironment finds everybody who reads the environment.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	read := []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}
	found := 0
	for path, p := range list(t, "./...") {
		from, ok := local(path)
		if !ok {
			continue
		}
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGo) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok || !slices.Contains(read, sel.Sel.Name) {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); !ok || x.Name != "os" && x.Name != "syscall" {
					return true
				}
				found++
				owner, _, _ := place(from)
				if environmentReaders[from+"/"+name] == "" && environmentReaders[owner] == "" && owner != "cmd/suparust" {
					t.Errorf("%s reads the environment with %s: take it as configuration", from+"/"+name+":"+strconv.Itoa(set.Position(sel.Pos()).Line), sel.Sel.Name)
				}
				return true
			})
		}
	}
	if found == 0 {
		t.Error("nobody reads the environment: this test looks for the wrong thing")
	}
}
