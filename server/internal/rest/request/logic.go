package request

import "strings"

// parseLogic parses "[path.][not.]and=(…)".
func parseLogic(key, value string) (at At[*LogicGroup], err *Error) {
	var names []string
	err = scan("logic path", key, key, func(s *scanner) (ok bool) {
		names, ok = s.dotted()
		return ok
	})
	if err != nil {
		return at, err
	}
	op := names[len(names)-1]
	for _, n := range names[:len(names)-1] {
		if n == "not" {
			op = "not." + names[len(names)-1]
			continue
		}
		at.Path = append(at.Path, n)
	}
	var tree Logic
	err = scan("logic tree", value, op+value, func(s *scanner) (ok bool) {
		tree, ok = s.logicTree(1)
		return ok
	})
	if err != nil {
		return at, err
	}
	group, isGroup := tree.(*LogicGroup)
	if !isGroup {
		// "and=.eq.1" reads as a condition on a column called "and"
		group = &LogicGroup{Items: []Logic{tree}}
	}
	at.Item = group
	return at, nil
}

func (s *scanner) logicTree(depth int) (Logic, bool) {
	if depth > MaxLogicDepth {
		return nil, s.exceeded("levels of and/or", MaxLogicDepth)
	}
	f := &Filter{}
	if s.attempt(func() bool { return s.logicFilter(f) }) {
		if s.leaves++; s.leaves > MaxLogicLeaves {
			return nil, s.exceeded("conditions in a logic tree", MaxLogicLeaves)
		}
		return f, true
	}
	if s.limit != nil {
		return nil, false
	}
	g := &LogicGroup{}
	if !s.committed(func() bool { return s.logicGroup(g, depth) }) {
		return nil, false
	}
	return g, true
}

func (s *scanner) logicFilter(f *Filter) bool {
	var ok bool
	if f.Field, ok = s.field(); !ok {
		return false
	}
	return s.delimiter() && s.opExpr(&f.Expr, s.logicValue)
}

func (s *scanner) logicGroup(g *LogicGroup, depth int) bool {
	s.relabel("negation operator (not)", func() bool {
		g.Not = s.attempt(func() bool { return s.lit("not") && s.delimiter() })
		return true
	})
	switch {
	case s.at("and"):
		s.pos += len("and")
	case s.at("or"):
		s.pos += len("or")
		g.Or = true
	default:
		s.missHere("logic operator (and, or)")
		return false
	}
	s.blanks()
	if !s.lit("(") {
		return false
	}
	for {
		s.blanks()
		item, ok := s.logicTree(depth + 1)
		if !ok {
			return false
		}
		g.Items = append(g.Items, item)
		s.blanks()
		switch {
		case !s.eof() && s.peek() == ',':
			s.pos++
		case !s.eof() && s.peek() == ')':
			s.pos++
			s.blanks()
			return true
		default:
			s.missHere(`","`)
			s.missHere(`")"`)
			return false
		}
	}
}

// logicValue reads the operand of a condition inside a logic tree.
func (s *scanner) logicValue(out *string) bool {
	switch {
	case s.eof():
		*out = ""
		return true
	case s.peek() == '"':
		*out, _ = s.element()
		return true
	case s.peek() == '{':
		if end := strings.IndexAny(s.src[s.pos+1:], "{}"); end >= 0 && s.src[s.pos+1+end] == '}' {
			*out = s.src[s.pos : s.pos+end+2]
			s.pos += end + 2
			return true
		}
	}
	*out = s.until(",)")
	return true
}
