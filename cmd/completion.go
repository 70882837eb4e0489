package cmd

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish,powershell" help:"bash, zsh, fish or powershell."`
}

// Help is shown by `suparust completion --help`.
func (completionCommand) Help() string {
	return `Examples:

    source <(suparust completion bash)                                          in ~/.bashrc
    source <(suparust completion zsh)                                           in ~/.zshrc, below compinit
    suparust completion fish > ~/.config/fish/completions/suparust.fish
    suparust completion powershell | Out-String | Invoke-Expression             in $PROFILE
`
}

//go:embed completion/bash.sh
var bashCompletion string

//go:embed completion/zsh.zsh
var zshCompletion string

//go:embed completion/fish.fish
var fishCompletion string

//go:embed completion/powershell.ps1
var powershellCompletion string

// Run prints the script.
func (c completionCommand) Run(a *app) error {
	script := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion, "powershell": powershellCompletion}[c.Shell]
	_, err := io.WriteString(a.Out, script)
	return err
}

type completeCommand struct {
	Words []string `arg:"" optional:""`
}

// emptyWord stands for the empty word where a shell cannot pass one on.
const emptyWord = ":new"

// Run prints what could stand in the place of the last word: a line for each, with a tab and a description, and a line that
// tells the shell what else: :files, :dirs or :commands.
func (c completeCommand) Run(a *app) error {
	var line commandLine
	parser, err := newParser(&line, a.Stdio)
	if err != nil {
		return err
	}
	words := c.Words
	if len(words) == 0 || words[len(words)-1] == emptyWord {
		words = append(words[:max(0, len(words)-1):max(0, len(words)-1)], "")
	}
	found := complete(parser.Model.Node, words)
	for _, c := range found.candidates {
		text := c.text
		if c.help != "" {
			text += "\t" + c.help
		}
		fmt.Fprintln(a.Out, text)
	}
	if found.also != "" {
		fmt.Fprintln(a.Out, ":"+found.also)
	}
	return nil
}

type candidate struct{ text, help string }

// completion is what could stand at the end of a line.
type completion struct {
	candidates []candidate
	also       string // files, dirs or commands
}

// complete walks the words of a line through the commands, and finds what the last one could become.
func complete(root *kong.Node, words []string) completion {
	node, last := root, words[len(words)-1]
	positionals := 0
	var value *kong.Flag // whose value comes next
	for _, word := range words[:len(words)-1] {
		switch {
		case value != nil:
			if word != "=" { // bash makes a word of it
				value = nil
			}
		case word == "--" && node.Name == "exec" && positionals == 0:
			if words[len(words)-2] == "--" {
				return completion{also: "commands"}
			}
			return completion{also: "files"}
		case word == "--" || len(node.Positional) > 0 && node.Positional[0].Passthrough && positionals > 0:
			return completion{also: "files"}
		case strings.HasPrefix(word, "-"):
			if f := flagNamed(node, word); f != nil && takesValue(f) && !strings.Contains(word, "=") {
				value = f
			}
		default:
			if next := childNamed(node, word); next != nil {
				node = next
			} else {
				positionals++
			}
		}
	}
	if name, part, ok := strings.Cut(last, "="); ok && value == nil && strings.HasPrefix(last, "--") {
		if f := flagNamed(node, name); f != nil && takesValue(f) {
			return valuesOf(f).only(part).prefixed(name + "=")
		}
		return completion{}
	}
	if value != nil {
		return valuesOf(value).only(strings.TrimPrefix(last, "="))
	}
	if strings.HasPrefix(last, "-") {
		return flags(node).only(last)
	}
	return arguments(node, positionals).only(last)
}

// arguments are the subcommands of a node and what its arguments may be.
func arguments(node *kong.Node, given int) completion {
	var c completion
	for _, child := range node.Children {
		if !child.Hidden {
			c.candidates = append(c.candidates, candidate{child.Name, summary(child.Help)})
		}
	}
	if n := len(node.Positional); n > 0 && (given < n || node.Positional[n-1].IsCumulative()) {
		p := node.Positional[min(given, n-1)]
		switch {
		case p.Enum != "":
			for _, v := range p.EnumSlice() {
				c.candidates = append(c.candidates, candidate{v, ""})
			}
		case node.Name == "exec" && given == 0:
			c.also = "commands"
		default:
			c.also = "files"
		}
	}
	return c
}

// flags are those that may stand behind a command.
func flags(node *kong.Node) completion {
	var c completion
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			c.candidates = append(c.candidates, candidate{"--" + f.Name, summary(f.Help)})
		}
	}
	return c
}

// valuesOf are those that a flag may have.
func valuesOf(f *kong.Flag) completion {
	switch {
	case f.Enum != "":
		var c completion
		for _, v := range f.EnumSlice() {
			c.candidates = append(c.candidates, candidate{v, ""})
		}
		return c
	case f.Name == "profile":
		return completion{candidates: profiles()}
	case f.PlaceHolder == "DIR":
		return completion{also: "dirs"}
	case f.PlaceHolder == "FILE":
		return completion{also: "files"}
	}
	return completion{}
}

// profiles are those whose environment file is in the working directory or at the project's.
func profiles() []candidate {
	root, err := projectRoot("")
	if err != nil {
		return nil
	}
	seen := map[string]bool{}
	var list []candidate
	for _, dir := range []string{".", orDot(root)} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			name, ok := strings.CutPrefix(filepath.Base(e.Name()), ".env.")
			if !ok || e.IsDir() || seen[name] || !profileName.MatchString(name) || strings.HasSuffix(name, ".client") || strings.HasSuffix(name, ".example") {
				continue
			}
			seen[name] = true
			list = append(list, candidate{name, e.Name()})
		}
	}
	return list
}

// only keeps what begins as was typed.
func (c completion) only(typed string) completion {
	c.candidates = slices.DeleteFunc(c.candidates, func(x candidate) bool { return !strings.HasPrefix(x.text, typed) })
	return c
}

func (c completion) prefixed(with string) completion {
	for i := range c.candidates {
		c.candidates[i].text = with + c.candidates[i].text
	}
	return c
}

// summary is the first sentence of a help text.
func summary(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(strings.ReplaceAll(first, "\t", " "), ".")
}

func takesValue(f *kong.Flag) bool { return !f.IsBool() && !f.IsCounter() }

func flagNamed(node *kong.Node, word string) *kong.Flag {
	name, _, _ := strings.Cut(word, "=")
	for _, group := range node.AllFlags(false) {
		for _, f := range group {
			if name == "--"+f.Name || f.Short != 0 && name == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}

func childNamed(node *kong.Node, word string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == word || slices.Contains(child.Aliases, word) {
			return child
		}
	}
	return nil
}
