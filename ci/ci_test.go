// Package ci_test checks what no run of the tests can carry out: the GitHub Action, the example workflows and the
// Dockerfile, whose parts must be there and whose commands must be suparust's.
package ci_test

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/suparust/suparust/cmd"
	"github.com/suparust/suparust/server"
)

// action is action.yml.
type action struct {
	Name, Description string
	Inputs            map[string]struct{ Description, Default string }
	Outputs           map[string]struct{ Description, Value string }
	Runs              struct {
		Using string
		Steps []step
	}
}

// step is one of an action's or a job's.
type step struct {
	ID, Name, Uses, Run, Shell, If string
	With, Env                      map[string]string
	Dir                            string `yaml:"working-directory"`
}

// workflow is a file of examples.
type workflow struct {
	Name        string
	On          []string
	Permissions map[string]string
	Jobs        map[string]struct {
		RunsOn  string `yaml:"runs-on"`
		Timeout int    `yaml:"timeout-minutes"`
		Steps   []step
	}
}

// parse reads YAML and refuses what the type does not know.
func parse(t *testing.T, file string, into any) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return string(text)
}

// clientNames are the variables that the following steps get.
func clientNames() []string {
	var names []string
	for _, pair := range server.ClientEnviron("", "", server.Keys{}) {
		name, _, _ := strings.Cut(pair, "=")
		names = append(names, name)
	}
	return names
}

// commandExists asks suparust for the help of a command with these flags.
func commandExists(t *testing.T, where, line string) {
	t.Helper()
	var args []string
	for _, word := range strings.Fields(line) {
		if word == "--" || strings.ContainsAny(word, "|<>;&$`\"'") {
			break
		}
		args = append(args, word)
	}
	var out, errs bytes.Buffer
	if code := cmd.Main(append(args, "--help"), cmd.Stdio{Out: &out, Err: &errs}, nil); code != 0 {
		t.Errorf("%s: suparust %s: %s", where, strings.Join(args, " "), errs.String())
	}
}

// suparustLines are the calls of suparust in a shell script, without its name.
func suparustLines(script string) []string {
	var lines []string
	for _, m := range regexp.MustCompile(`(?m)(?:^|[|;&("]\s*|CMD )\s*suparust ([a-z].*)$`).FindAllStringSubmatch(script, -1) {
		lines = append(lines, m[1])
	}
	return lines
}

func TestAction(t *testing.T) {
	t.Parallel()
	var a action
	text := parse(t, "action.yml", &a)
	if a.Name == "" || a.Description == "" || a.Runs.Using != "composite" {
		t.Errorf("%+v", a)
	}
	ids := map[string]bool{}
	for i, s := range a.Runs.Steps {
		if (s.Uses == "") == (s.Run == "") {
			t.Errorf("step %d both uses and runs, or neither", i)
		}
		if s.Run != "" && s.Shell == "" {
			t.Errorf("step %d has no shell, which composite actions ask for", i)
		}
		for _, m := range regexp.MustCompile(`\$GITHUB_ACTION_PATH/([a-z.]+)`).FindAllStringSubmatch(s.Run, -1) {
			if info, err := os.Stat(m[1]); err != nil || info.Mode()&0o111 == 0 {
				t.Errorf("step %d runs %s, which is not there or cannot be executed", i, m[1])
			}
		}
		if strings.Contains(s.Run, "${{") {
			t.Errorf("step %d puts an expression into a script: pass it as a variable", i)
		}
		for _, m := range regexp.MustCompile(`steps\.([a-z]+)\.`).FindAllStringSubmatch(s.With["path"]+s.With["key"]+s.With["restore-keys"]+s.Env["SUPARUST_ACTION_ID"], -1) {
			if !ids[m[1]] {
				t.Errorf("step %d refers to the step %s, which does not come before it", i, m[1])
			}
		}
		ids[s.ID] = true
	}
	for _, m := range regexp.MustCompile(`inputs\.([a-z-]+)`).FindAllStringSubmatch(text, -1) {
		if _, ok := a.Inputs[m[1]]; !ok {
			t.Errorf("the input %s is not declared", m[1])
		}
	}
	for name, in := range a.Inputs {
		if in.Description == "" || !strings.Contains(text, "inputs."+name) {
			t.Errorf("the input %s is not described or not used", name)
		}
	}
	output := regexp.MustCompile(`^\$\{\{ steps\.([a-z]+)\.outputs\.([A-Z_]+) \}\}$`)
	for name, out := range a.Outputs {
		m := output.FindStringSubmatch(out.Value)
		if m == nil || !ids[m[1]] || !slices.Contains(clientNames(), m[2]) {
			t.Errorf("the output %s is %s, which no step says", name, out.Value)
		}
	}

	page, err := os.ReadFile("../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range a.Inputs {
		row := regexp.MustCompile("(?m)^\\| `" + name + "` \\| (.*?) \\|").FindSubmatch(page)
		if row == nil || strings.Trim(string(row[1]), "` ") != in.Default {
			t.Errorf("docs/ci.md does not tell of the input %s with its default %q", name, in.Default)
		}
	}
	for name := range a.Outputs {
		if !bytes.Contains(page, []byte("`"+name+"`")) {
			t.Errorf("docs/ci.md does not tell of the output %s", name)
		}
	}
}

func TestShellScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.sh")
	if err != nil || len(files) == 0 {
		t.Fatalf("%q, %v", files, err)
	}
	calls := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("\nset -eu\n")) {
			t.Errorf("%s goes on after an error", file)
		}
		for _, line := range suparustLines(string(text)) {
			commandExists(t, file, line)
			calls++
		}
	}
	if calls < 5 {
		t.Errorf("%d calls of suparust were found", calls)
	}
}

func TestExamples(t *testing.T) {
	t.Parallel()
	var a action
	parse(t, "action.yml", &a)
	files, err := filepath.Glob("examples/*.yml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		var w workflow
		text := parse(t, file, &w)
		uses := 0
		for _, job := range w.Jobs {
			if job.RunsOn == "" || job.Timeout == 0 {
				t.Errorf("%s: %+v", file, job)
			}
			for _, s := range job.Steps {
				for _, line := range suparustLines(s.Run) {
					commandExists(t, file, line)
				}
				if !strings.HasPrefix(s.Uses, "suparust/suparust/ci@") {
					continue
				}
				uses++
				for name := range s.With {
					if _, ok := a.Inputs[name]; !ok {
						t.Errorf("%s: the action has no input %s", file, name)
					}
				}
			}
		}
		if uses != 1 {
			t.Errorf("%s uses the action %d times", file, uses)
		}
		for _, name := range regexp.MustCompile(`\b(?:SUPABASE|DATABASE)_[A-Z_]+\b`).FindAllString(text, -1) {
			if !slices.Contains(clientNames(), name) {
				t.Errorf("%s speaks of %s, which nobody sets", file, name)
			}
		}
		if page, err := os.ReadFile("../docs/ci.md"); err != nil || !bytes.Contains(page, []byte("../ci/"+filepath.ToSlash(file))) {
			t.Errorf("docs/ci.md does not lead to %s (%v)", file, err)
		}
	}
}

// instruction is a line of a Dockerfile, its continuations joined.
type instruction struct{ name, rest string }

func dockerfile(t *testing.T) []instruction {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var list []instruction
	joined := strings.ReplaceAll(string(text), "\\\n", "")
	for line := range strings.Lines(joined) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		list = append(list, instruction{name, strings.TrimSpace(rest)})
	}
	return list
}

// TestDockerfile: what it copies is there, its programs are made before they are run, and suparust knows its commands.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	known := []string{"FROM", "RUN", "COPY", "WORKDIR", "USER", "ENV", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
	stages, made := map[string]bool{}, map[string]bool{}
	image := regexp.MustCompile(`^([a-z0-9-]+(?:/[a-z0-9-]+)?):([a-z0-9.-]+)(?: AS ([a-z]+))?$`)
	list := regexp.MustCompile(`"([^"]*)"`)
	words := func(s string) (all []string) {
		for _, m := range list.FindAllStringSubmatch(s, -1) {
			all = append(all, m[1])
		}
		return all
	}
	var last map[string]string
	for _, in := range dockerfile(t) {
		if !slices.Contains(known, in.name) {
			t.Errorf("%s is no instruction that is used here", in.name)
		}
		switch in.name {
		case "FROM":
			m := image.FindStringSubmatch(in.rest)
			if m == nil {
				t.Fatalf("FROM %s is no image with a tag and without a host", in.rest)
			}
			stages[m[3]], last = true, map[string]string{}
		case "RUN":
			for _, m := range regexp.MustCompile(`go build .*-o (\S+) (\./\S+)`).FindAllStringSubmatch(in.rest, -1) {
				made[m[1]] = true
				if _, err := os.Stat(filepath.Join("..", m[2], "main.go")); err != nil {
					t.Errorf("go build %s: %v", m[2], err)
				}
			}
			for _, m := range regexp.MustCompile(`\bsh (/\S+)`).FindAllStringSubmatch(in.rest, -1) {
				if last[m[1]] == "" {
					t.Errorf("RUN sh %s, which was not copied", m[1])
				}
			}
		case "COPY":
			args := strings.Fields(in.rest)
			from, isStage := strings.CutPrefix(args[0], "--from=")
			if isStage {
				args = args[1:]
			}
			sources, target := args[:len(args)-1], args[len(args)-1]
			for _, source := range sources {
				if isStage {
					if !stages[from] || !made[source] {
						t.Errorf("COPY --from=%s %s: the stage is not there, or makes no such file", from, source)
					}
				} else if _, err := os.Stat(filepath.Join("..", source)); err != nil {
					t.Errorf("COPY %s: %v", source, err)
				} else if ignored(t, source) {
					t.Errorf("COPY %s: Dockerfile.dockerignore leaves it out", source)
				}
				last[target] = source
			}
		case "EXPOSE":
			if in.rest != "3000" || server.DefaultConfig().Port != 3000 {
				t.Errorf("EXPOSE %s, and the server is on %d", in.rest, server.DefaultConfig().Port)
			}
		case "HEALTHCHECK":
			for _, line := range suparustLines(in.rest) {
				commandExists(t, "HEALTHCHECK", line)
			}
		case "ENTRYPOINT":
			program := words(in.rest)[0]
			if last[path.Join("/usr/local/bin", program)] == "" {
				t.Errorf("ENTRYPOINT %s is not in the image", program)
			}
		case "CMD":
			commandExists(t, "CMD", strings.Join(words(in.rest), " "))
		}
	}
	if !stages[""] || len(made) == 0 {
		t.Errorf("the stages are %v, what they make is %v", stages, made)
	}
}

// ignored says whether the build does not see a file.
func ignored(t *testing.T, file string) bool {
	t.Helper()
	text, err := os.ReadFile("Dockerfile.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		pattern := strings.TrimSpace(line)
		if ok, err := path.Match(strings.TrimPrefix(pattern, "**/"), file); ok || err != nil {
			return true
		}
	}
	return false
}
