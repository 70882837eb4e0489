package cmd

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

// model is the command line as --help shows it.
func model(t *testing.T) *kong.Node {
	t.Helper()
	parser, err := newParser(&commandLine{}, Stdio{Out: io.Discard, Err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model.Node
}

// shown are the commands of a node that help lists, with those below them.
func shown(node *kong.Node) []*kong.Node {
	var list []*kong.Node
	for _, c := range node.Children {
		if !c.Hidden {
			list = append(append(list, c), shown(c)...)
		}
	}
	return list
}

// TestCLIPage keeps docs/cli.md equal to the commands and their flags.
func TestCLIPage(t *testing.T) {
	const page = "../docs/cli.md"
	want := cliPage(model(t))
	if *update {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the commands say: run go test ./cmd -run TestCLIPage -update", page)
	}
}

func cliPage(root *kong.Node) []byte {
	var b bytes.Buffer
	b.WriteString(`# The command line

What ` + "`suparust --help` and `suparust COMMAND --help`" + ` say. ` + "`--profile` and `--env-file`" + ` stand before or after the command.

| command | what it does |
| --- | --- |
`)
	for _, c := range shown(root) {
		fmt.Fprintf(&b, "| [`suparust %s`](#%s) | %s |\n", c.Path(), anchor(c), cell(c.Help))
	}
	b.WriteString("\nFlags of every command:\n\n")
	flagTable(&b, root)
	b.WriteString(`
Exit codes: 0 when it is done, 1 when it has failed, 2 when what was typed or set is wrong, 3 from ` + "`status`" + ` when the server does
not run. ` + "`exec`" + ` ends with the code of its command, and has 125 to 127 for itself.
`)
	for _, c := range shown(root) {
		fmt.Fprintf(&b, "\n## suparust %s\n\n%s\n", c.Path(), c.Help)
		if len(c.Children) == 0 {
			fmt.Fprintf(&b, "\n    suparust %s\n", usage(c))
		}
		if c.Detail != "" {
			fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(c.Detail))
		}
		if len(c.Flags) > 0 {
			b.WriteString("\n")
			flagTable(&b, c)
		}
	}
	return b.Bytes()
}

func usage(c *kong.Node) string {
	text := c.Path()
	if len(c.Flags) > 0 {
		text += " [flags]"
	}
	for _, p := range c.Positional {
		text += " " + p.Summary()
	}
	return text
}

func flagTable(b *bytes.Buffer, node *kong.Node) {
	b.WriteString("| flag | what it does |\n| --- | --- |\n")
	for _, f := range node.Flags {
		if f.Hidden {
			continue
		}
		help := f.Help
		if f.HasDefault && f.Default != "" && !f.IsBool() {
			help += fmt.Sprintf(" Default: %s.", f.Default)
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", f.String(), cell(help))
	}
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func anchor(c *kong.Node) string { return "suparust-" + strings.ReplaceAll(c.Path(), " ", "-") }

// TestCommandsHaveExamples: the help of every command shows at least one, and every line of them is a command line that is
// understood.
func TestCommandsHaveExamples(t *testing.T) {
	root := model(t)
	for _, c := range append(shown(root), root) {
		_, examples, ok := strings.Cut(c.Detail, "Examples:\n")
		if c == root {
			_, examples, ok = strings.Cut(rootHelp, "Examples:\n")
		}
		if !ok {
			t.Errorf("suparust %s has no examples", c.Path())
			continue
		}
		for line := range strings.Lines(examples) {
			if m := exampleLine.FindStringSubmatch(line); m != nil {
				understood(t, m[1])
			}
		}
	}
}

var (
	exampleLine = regexp.MustCompile(`^ {4}suparust (.*?)(?:  +\S.*| > .*| \|.*| &&.*)?$`)
	quoted      = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)
)

func understood(t *testing.T, line string) {
	t.Helper()
	words := quoted.FindAllString(strings.TrimSpace(line), -1)
	for i, w := range words {
		words[i] = strings.Trim(w, `'"`)
	}
	parser, err := newParser(&commandLine{}, Stdio{Out: io.Discard, Err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(words); err != nil {
		t.Errorf("the example `suparust %s` is not understood: %v", line, err)
	}
}

// TestReadmeCommands: the table of the README has every command and no other.
func TestReadmeCommands(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(readme), "| command | what it does |\n| --- | --- |\n")
	if !ok {
		t.Fatal("the README has no table of commands")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `suparust ([a-z]+)").FindAllStringSubmatch(table, -1) {
		listed[m[1]] = true
	}
	for _, m := range regexp.MustCompile("`suparust ([a-z]+)[^`]*`").FindAllStringSubmatch(table, -1) {
		listed[m[1]] = true
	}
	for _, c := range model(t).Children {
		if !c.Hidden && !listed[c.Name] {
			t.Errorf("the README's table lacks `suparust %s`: %s", c.Name, c.Help)
		}
		delete(listed, c.Name)
	}
	for name := range listed {
		t.Errorf("the README lists `suparust %s`, which is no command", name)
	}
}
