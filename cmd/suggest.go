package cmd

import (
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

var (
	unknownWord = regexp.MustCompile(`^unexpected argument ([^\s,]+)`)
	unknownFlag = regexp.MustCompile(`^unknown flag (--?[^\s,=]+)`)
)

// explain is a mistake in what was typed, with what may have been meant.
func explain(parse *kong.ParseError) string {
	text, _, _ := strings.Cut(parse.Error(), ", did you mean")
	var meant string
	if m := unknownFlag.FindStringSubmatch(text); m != nil {
		meant = nearest(m[1], flagsAt(parse.Context))
	} else if m := unknownWord.FindStringSubmatch(text); m != nil {
		node := commandAt(parse.Context)
		if meant = nearest(m[1], childNames(node)); meant == "" {
			meant = deeper(parse.Context.Model.Node, m[1])
		}
	}
	if meant != "" {
		text += `, did you mean "` + meant + `"?`
	}
	return text
}

// commandAt is the command whose subcommand was expected.
func commandAt(ctx *kong.Context) *kong.Node {
	node := ctx.Selected()
	if node == nil {
		return ctx.Model.Node
	}
	for node.Parent != nil && len(node.Children) == 0 {
		node = node.Parent // of one that is meant when none is named, such as keys show
	}
	return node
}

// commandPath is the command whose help helps, with a space before it.
func commandPath(ctx *kong.Context) string {
	node := ctx.Selected()
	if node == nil || node.Type == kong.ApplicationNode {
		return ""
	}
	return " " + node.Path()
}

func childNames(node *kong.Node) []string {
	var names []string
	for _, c := range node.Children {
		if !c.Hidden {
			names = append(append(names, c.Name), c.Aliases...)
		}
	}
	return names
}

// flagsAt are the flags that could stand where one was not known.
func flagsAt(ctx *kong.Context) []string {
	node := ctx.Selected()
	if node == nil {
		node = ctx.Model.Node
	}
	var names []string
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			names = append(names, "--"+f.Name)
		}
	}
	return names
}

// deeper is a command of that name which belongs to another: db reset for reset.
func deeper(node *kong.Node, name string) string {
	for _, leaf := range node.Leaves(true) {
		if leaf.Name == name && leaf.Parent != nil && leaf.Parent.Type != kong.ApplicationNode {
			return leaf.Parent.Name + " " + name
		}
	}
	return ""
}

// nearest is the candidate that is most like what was typed, "" when none is.
func nearest(typed string, candidates []string) string {
	word := strings.TrimLeft(typed, "-")
	best, least := "", min(3, (len(word)+2)/3)+1
	for _, c := range candidates {
		d := distance(word, strings.TrimLeft(c, "-"))
		if d > 0 && len(word) > 1 && strings.HasPrefix(strings.TrimLeft(c, "-"), word) {
			d = 1
		}
		if d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is how many letters have to be put in, taken out, exchanged or swapped with their neighbour.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, row := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		next := make([]int, len(y)+1)
		next[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			next[j+1] = min(row[j+1]+1, next[j]+1, row[j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(y)]
}
