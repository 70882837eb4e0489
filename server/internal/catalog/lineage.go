package catalog

import (
	"strconv"
	"strings"
)

// targetColumn is one output column of a view and the column it is a plain
// reference to.
type targetColumn struct {
	number int16  // of the view
	origin column // table 0 when it is an expression
}

// parseTargetList reads the output columns of a view from its rewrite rule,
// PostgreSQL's own node tree in text form. Only the target list of the
// outermost query counts; those of subqueries are skipped by their depth.
func parseTargetList(tree string) []targetColumn {
	list, ok := topLevelField(tree, ":targetList ")
	if !ok {
		return nil
	}
	var out []targetColumn
	for _, entry := range topLevelNodes(list) {
		number := intField(entry, ":resno ")
		if boolField(entry, ":resjunk ") {
			continue
		}
		out = append(out, targetColumn{
			number: int16(number),
			origin: column{table: uint32(intField(entry, ":resorigtbl ")), number: int16(intField(entry, ":resorigcol "))},
		})
	}
	return out
}

// topLevelField returns what follows a field's name in the outermost node.
// Blanks, parentheses and braces inside texts are written with a backslash
// before them, so that nothing but the structure is found.
func topLevelField(tree, name string) (string, bool) {
	depth := 0
	for i := 0; i < len(tree); i++ {
		switch tree[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			depth--
		case ':':
			if depth != 1 {
				continue
			}
			if strings.HasPrefix(tree[i:], name) {
				return tree[i+len(name):], true
			}
			if strings.HasPrefix(tree[i:], resname) {
				i = skipToken(tree, i+len(resname))
			}
		}
	}
	return "", false
}

// resname is the field that holds a column's name, which may look like a field.
const resname = ":resname "

func skipToken(tree string, i int) int {
	for ; i < len(tree) && tree[i] != ' ' && tree[i] != '}'; i++ {
		if tree[i] == '\\' {
			i++
		}
	}
	return i - 1
}

// topLevelNodes splits a list "({…} {…})" into its nodes.
func topLevelNodes(list string) []string {
	if !strings.HasPrefix(list, "(") {
		return nil
	}
	var nodes []string
	depth, start := 0, 0
	for i := 1; i < len(list); i++ {
		switch list[i] {
		case '\\':
			i++
		case '{':
			if depth == 0 {
				start = i
			}
			depth++
		case '}':
			depth--
			if depth == 0 {
				nodes = append(nodes, list[start:i+1])
			}
		case ')':
			if depth == 0 {
				return nodes
			}
		}
	}
	return nodes
}

func intField(node, name string) int64 {
	v, ok := topLevelField(node, name)
	if !ok {
		return 0
	}
	end := strings.IndexAny(v, " })")
	if end < 0 {
		end = len(v)
	}
	n, err := strconv.ParseInt(v[:end], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func boolField(node, name string) bool {
	v, ok := topLevelField(node, name)
	return ok && strings.HasPrefix(v, "true")
}

// resolveLineage follows views over views down to the tables. The result maps
// a view to its base columns and, for each, the names the view gives it.
func resolveLineage(targets map[uint32][]targetColumn, names map[column]string) map[uint32]map[column][]string {
	resolved := map[column]column{}
	var follow func(c column, depth int) column
	follow = func(c column, depth int) column {
		if r, ok := resolved[c]; ok {
			return r
		}
		base := c
		if list, isView := targets[c.table]; isView {
			base = column{}
			for _, t := range list {
				if t.number == c.number && t.origin.table != 0 && depth < maxViewDepth {
					base = follow(t.origin, depth+1)
				}
			}
		}
		resolved[c] = base
		return base
	}
	out := map[uint32]map[column][]string{}
	for view, list := range targets {
		columns := map[column][]string{}
		for _, t := range list {
			name, known := names[column{view, t.number}]
			if !known || t.origin.table == 0 {
				continue
			}
			if base := follow(t.origin, 0); base.table != 0 {
				columns[base] = append(columns[base], name)
			}
		}
		if len(columns) > 0 {
			out[view] = columns
		}
	}
	return out
}

// maxViewDepth bounds views over views; PostgreSQL allows no cycle.
const maxViewDepth = 128
