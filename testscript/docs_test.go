package testscript

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/rogpeppe/go-internal/testscript"
	"go.yaml.in/yaml/v3"

	"github.com/suparust/suparust/cmd"
)

// notRun are the snippets of the pages that no script runs, each with its reason.
var notRun = map[string]string{
	"observability.md journald": "needs systemd and a unit that is installed",
	"ci.md image":               "needs Docker; ci/ci_test.go reads the Dockerfile",
}

// block is a fenced block of a page: its language, its name, its text.
type block struct{ language, name, text string }

var fence = regexp.MustCompile("(?ms)^```([a-z]+)(?: ([a-z-]+))?\n(.*?)^```$")

// docsDir is the folder of the pages.
func docsDir() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..", "docs")
}

// blocks are the fenced blocks of a page.
func blocks(page string) ([]block, error) {
	text, err := os.ReadFile(filepath.Join(docsDir(), page))
	if err != nil {
		return nil, err
	}
	var list []block
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		list = append(list, block{m[1], m[2], m[3]})
	}
	return list, nil
}

// snippet PAGE NAME runs a shell snippet of a page, as it stands there.
func snippet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: snippet PAGE NAME")
	}
	list, err := blocks(args[0])
	ts.Check(err)
	i := slices.IndexFunc(list, func(b block) bool { return b.language == "sh" && b.name == args[1] })
	if i < 0 {
		ts.Fatalf("%s has no shell snippet %s", args[0], args[1])
	}
	ts.Check(ts.Exec("sh", "-e", "-c", list[i].text))
}

// TestSnippetsAreRun: each shell snippet of the pages has a name, and a script that runs it.
func TestSnippetsAreRun(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	run := map[string]bool{}
	command := regexp.MustCompile(`(?m)^(?:\[.*?\] )*snippet (\S+ \S+)$`)
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range command.FindAllStringSubmatch(string(text), -1) {
			run[m[1]] = true
		}
	}
	for _, page := range []string{"migrating-from-supabase.md", "observability.md", "ci.md"} {
		list, err := blocks(page)
		if err != nil {
			t.Fatal(err)
		}
		shell := 0
		for _, b := range list {
			if b.language != "sh" {
				continue
			}
			shell++
			if key := page + " " + b.name; !run[key] && notRun[key] == "" {
				t.Errorf("no script runs the snippet %q of %s:\n%s", b.name, page, b.text)
			}
		}
		if shell == 0 {
			t.Errorf("%s has no shell snippet: are its fences still found?", page)
		}
	}
}

// logfields PAGE LOG checks that the configurations on a page can be parsed and name fields that the records of a log have.
func logFields(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: logfields PAGE LOG")
	}
	known := map[string]bool{}
	lines := bufio.NewScanner(strings.NewReader(ts.ReadFile(args[1])))
	for lines.Scan() {
		var record map[string]any
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			ts.Fatalf("%s is no JSON: %v", lines.Text(), err)
		}
		for name := range record {
			known[name] = true
		}
	}
	list, err := blocks(args[0])
	ts.Check(err)
	seen := map[string]int{}
	for _, b := range list {
		read, ok := readers[b.language]
		if !ok {
			continue
		}
		fields, err := read(b.text)
		if err != nil {
			ts.Fatalf("the %s snippet of %s: %v\n%s", b.language, args[0], err, b.text)
		}
		for _, f := range fields {
			if seen[b.language]++; !known[f] {
				ts.Fatalf("the %s snippet of %s reads the field %s, and no record has it", b.language, args[0], f)
			}
		}
	}
	for language := range readers {
		if seen[language] == 0 {
			ts.Fatalf("no field was found in the %s snippets of %s", language, args[0])
		}
	}
	// and the table of fields names no other, but for the cause of a failure
	page, err := os.ReadFile(filepath.Join(docsDir(), args[0]))
	ts.Check(err)
	table := regexp.MustCompile("(?m)^\\| (`[a-z_]+`(?:, `[a-z_]+`)*) \\|").FindAllStringSubmatch(string(page), -1)
	if len(table) < 8 {
		ts.Fatalf("the table of fields in %s has %d rows", args[0], len(table))
	}
	for _, row := range table {
		for _, f := range regexp.MustCompile("[a-z_]+").FindAllString(row[1], -1) {
			if !known[f] && f != "error" {
				ts.Fatalf("the table of fields in %s has %s, and no record does", args[0], f)
			}
		}
	}
}

// readers parse the configurations of log collectors and return the fields of records that they read.
var readers = map[string]func(text string) ([]string, error){
	"toml":  vectorFields,
	"alloy": alloyFields,
	"sh":    jqFields,
}

// vectorFields are the fields that a configuration of Vector reads: in its programs, conditions, metrics and templates.
func vectorFields(text string) ([]string, error) {
	var config struct {
		Sources    map[string]map[string]any
		Transforms map[string]struct {
			Type, Source, Condition string
			Inputs                  []string
			Metrics                 []struct{ Field string }
		}
		Sinks map[string]struct{ Inputs []string }
	}
	if _, err := toml.Decode(text, &config); err != nil {
		return nil, err
	}
	var fields, made []string
	for name, transform := range config.Transforms {
		for _, input := range transform.Inputs {
			if _, ok := config.Transforms[input]; !ok && config.Sources[input] == nil {
				return nil, fmt.Errorf("the transform %s has the input %s, which is not there", name, input)
			}
		}
		for _, m := range regexp.MustCompile(`(?m)^\s*\.([a-z_]+) = `).FindAllStringSubmatch(transform.Source, -1) {
			made = append(made, m[1])
		}
		for _, m := range regexp.MustCompile(`[( ]\.([a-z_]+)`).FindAllStringSubmatch(transform.Source+transform.Condition, -1) {
			fields = append(fields, m[1])
		}
		for _, m := range transform.Metrics {
			fields = append(fields, m.Field)
		}
	}
	for name, sink := range config.Sinks {
		for _, input := range sink.Inputs {
			if _, ok := config.Transforms[input]; !ok {
				return nil, fmt.Errorf("the sink %s has the input %s, which is not there", name, input)
			}
		}
	}
	for _, m := range regexp.MustCompile(`\{\{ ([a-z_]+) \}\}`).FindAllStringSubmatch(text, -1) {
		fields = append(fields, m[1])
	}
	return slices.DeleteFunc(fields, func(f string) bool { return f == "service" && slices.Contains(made, f) }), nil
}

// alloyFields are the fields that a configuration of Grafana Alloy takes out of JSON.
func alloyFields(text string) ([]string, error) {
	if strings.Count(text, "{") != strings.Count(text, "}") || strings.Count(text, "[") != strings.Count(text, "]") {
		return nil, fmt.Errorf("its brackets do not match")
	}
	expressions := regexp.MustCompile(`expressions = \{ (.*) \}`).FindStringSubmatch(text)
	if expressions == nil {
		return nil, fmt.Errorf("it takes nothing out of JSON")
	}
	var fields, names []string
	for _, m := range regexp.MustCompile(`(\w+) = "(\w+)"`).FindAllStringSubmatch(expressions[1], -1) {
		names, fields = append(names, m[1]), append(fields, m[2])
	}
	for _, m := range regexp.MustCompile(`(?:source = |values = \{.*?)"(\w+)"`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(names, m[1]) {
			return nil, fmt.Errorf("%s was not taken out of the record before", m[1])
		}
	}
	return fields, nil
}

// jqFields are the fields that shell snippets ask jq for.
func jqFields(text string) ([]string, error) {
	var fields []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "jq ") {
			continue
		}
		for _, m := range regexp.MustCompile(`[( ]\.([a-z_]+)`).FindAllStringSubmatch(line, -1) {
			fields = append(fields, m[1])
		}
		if made := regexp.MustCompile(`\{([a-z_, ]+)\}`).FindStringSubmatch(line); made != nil {
			fields = append(fields, strings.Split(made[1], ", ")...)
		}
	}
	return fields, nil
}

// TestUnitSnippet: the systemd unit runs a command that there is, and stays beyond the time that the server takes to stop.
func TestUnitSnippet(t *testing.T) {
	t.Parallel()
	unit := textOf(t, "observability.md", "ini")
	values := map[string]string{}
	section := ""
	for line := range strings.Lines(unit) {
		line = strings.TrimSpace(line)
		name, value, ok := strings.Cut(line, "=")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = line
		case !ok || section == "":
			t.Errorf("%q stands in no section, or is no setting", line)
		default:
			values[name] = value
		}
	}
	args := strings.Fields(values["ExecStart"])
	if len(args) < 2 || filepath.Base(args[0]) != "suparust" {
		t.Fatalf("ExecStart=%s", values["ExecStart"])
	}
	var out, errs bytes.Buffer
	if code := cmd.Main(append(args[1:], "--help"), cmd.Stdio{Out: &out, Err: &errs}, nil); code != 0 {
		t.Errorf("ExecStart=%s: %s", values["ExecStart"], errs.String())
	}
	if values["WorkingDirectory"] == "" || values["User"] == "" || !strings.Contains(values["ExecReload"], "-USR2") {
		t.Errorf("%v", values)
	}
}

// textOf is the one block of a language on a page.
func textOf(t *testing.T, page, language string) string {
	t.Helper()
	list, err := blocks(page)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(b block) bool { return b.language == language })
	if i < 0 {
		t.Fatalf("%s has no block of %s", page, language)
	}
	return list[i].text
}

// TestWorkflowSnippet: the workflow on the page of CI is YAML and uses the action as the examples do.
func TestWorkflowSnippet(t *testing.T) {
	t.Parallel()
	var workflow struct {
		Jobs map[string]struct {
			RunsOn string `yaml:"runs-on"`
			Steps  []struct{ Uses, Run string }
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(textOf(t, "ci.md", "yaml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&workflow); err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(filepath.Join(docsDir(), "..", "ci", "examples", "npm.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range workflow.Jobs["test"].Steps {
		if step.Uses != "" && !strings.Contains(string(example), "uses: "+step.Uses+"\n") {
			t.Errorf("the page uses %s, and the example does not", step.Uses)
		}
	}
	if len(workflow.Jobs["test"].Steps) == 0 {
		t.Error("the job has no steps")
	}
}

// TestDatadogSnippet: the agent's file is YAML, names the log and metrics that there are.
func TestDatadogSnippet(t *testing.T) {
	t.Parallel()
	var config struct {
		Logs []struct {
			Type, Path, Service, Source string
		}
		Instances []struct {
			URL       string `yaml:"prometheus_url"`
			Namespace string
			Metrics   []string
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(textOf(t, "observability.md", "yaml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&config); err != nil {
		t.Fatal(err)
	}
	if len(config.Logs) != 1 || filepath.Base(config.Logs[0].Path) != "app.log" || len(config.Instances) != 1 || !strings.HasSuffix(config.Instances[0].URL, "/metrics") {
		t.Errorf("%+v", config)
	}
	served, err := os.ReadFile("../server/admin.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, metric := range config.Instances[0].Metrics {
		if !strings.Contains(string(served), `"`+metric) {
			t.Errorf("/metrics has no %s", metric)
		}
	}
}

// setenv NAME FILE puts the text of a file into the script's environment.
func setEnv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: setenv NAME FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// ci SCRIPT runs a script of the folder ci.
func ciScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ci SCRIPT")
	}
	ts.Check(ts.Exec(filepath.Join(docsDir(), "..", "ci", args[0])))
}
