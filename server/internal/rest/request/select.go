package request

import "strings"

// parseSelect parses the select parameter.
func parseSelect(text string) ([]SelectItem, *Error) {
	var items []SelectItem
	err := scan("select parameter", text, text, func(s *scanner) (ok bool) {
		items, ok = s.selectList()
		return ok
	})
	return items, err
}

// selectList reads items up to the end or a closing parenthesis; it may be empty.
func (s *scanner) selectList() ([]SelectItem, bool) {
	s.blanks()
	if s.eof() || s.depth > 0 && s.peek() == ')' {
		return nil, true
	}
	var items []SelectItem
	for {
		item, ok := s.selectItem()
		if !ok {
			return nil, false
		}
		items = append(items, item)
		if s.items++; s.items > MaxSelectItems {
			return nil, s.exceeded("items in the select list", MaxSelectItems)
		}
		s.blanks()
		if s.peek() != ',' || s.eof() {
			return items, true
		}
		s.pos++
		s.blanks()
	}
}

func (s *scanner) selectItem() (SelectItem, bool) {
	s.blanks()
	var rel *SelectRelation
	if s.attempt(func() bool { return s.relation(&rel) }) {
		if !s.children(rel) {
			return nil, false
		}
		return rel, true
	}
	if s.limit != nil {
		return nil, false
	}
	var field *SelectField
	if !s.committed(func() bool { return s.selectField(&field) }) {
		return nil, false
	}
	return field, true
}

// relation reads the head of an embed up to, not including, its parenthesis.
func (s *scanner) relation(out **SelectRelation) bool {
	rel := &SelectRelation{}
	if s.at("...") {
		s.pos += 3
		rel.Spread = true
	} else {
		s.missHere(`"..."`)
		rel.Alias = s.alias()
	}
	var ok bool
	if rel.Name, ok = s.name(); !ok {
		return false
	}
	if rel.Name == "count" && !rel.Spread {
		return false
	}
	for range 2 {
		if s.peek() != '!' || s.eof() {
			s.missHere(`"!"`)
			break
		}
		s.pos++
		switch {
		case s.joinWord("left"):
			rel.Join = LeftJoin
		case s.joinWord("inner"):
			rel.Join = InnerJoin
		default:
			hint, ok := s.name()
			if !ok {
				return false
			}
			if rel.Hint == "" {
				rel.Hint = hint
			}
		}
	}
	if s.peek() != '(' || s.eof() {
		s.missHere(`"("`)
		return false
	}
	*out = rel
	return true
}

// joinWord reads a join type; a longer name that begins with it is a hint.
func (s *scanner) joinWord(word string) bool {
	rest, ok := strings.CutPrefix(s.src[s.pos:], word)
	if !ok || rest != "" && rest[0] != '(' && rest[0] != '!' {
		return false
	}
	s.pos += len(word)
	return true
}

func (s *scanner) children(rel *SelectRelation) bool {
	if s.embeds++; s.embeds > MaxEmbeds {
		return s.exceeded("embedded resources", MaxEmbeds)
	}
	if s.depth++; s.depth > MaxEmbedDepth {
		return s.exceeded("levels of embedded resources", MaxEmbedDepth)
	}
	s.pos++ // the parenthesis
	var ok bool
	if rel.Items, ok = s.selectList(); !ok {
		return false
	}
	s.depth--
	return s.lit(")")
}

// alias reads "name:" when the colon is not the first of a cast.
func (s *scanner) alias() string {
	var name string
	far := s.far
	ok := s.attempt(func() (ok bool) {
		if name, ok = s.name(); !ok {
			return false
		}
		if s.peek() != ':' || s.eof() || s.at("::") {
			return false
		}
		s.pos++
		return true
	})
	if !ok {
		s.far = far // what follows reads the same text as a name
		return ""
	}
	return name
}

func (s *scanner) selectField(out **SelectField) bool {
	f := &SelectField{}
	if s.peek() == '*' && !s.eof() {
		s.pos++
		f.Star = true
		if !s.itemEnd() {
			return false
		}
		*out = f
		return true
	}
	f.Alias = s.alias()
	if s.at("count()") {
		s.pos += len("count()")
		f.Star, f.Aggregate = true, Count
		if !s.cast(&f.AggregateCast) || !s.itemEnd() {
			return false
		}
		*out = f
		return true
	}
	var ok bool
	if f.Field, ok = s.field(); !ok {
		return false
	}
	if !s.cast(&f.Cast) {
		return false
	}
	if s.peek() == '.' && !s.eof() {
		s.attempt(func() bool { return s.aggregate(&f.Aggregate) })
	} else {
		s.missHere(`"."`)
	}
	if f.Aggregate != NoAggregate && !s.cast(&f.AggregateCast) {
		return false
	}
	if !s.itemEnd() {
		return false
	}
	*out = f
	return true
}

func (s *scanner) aggregate(out *Aggregate) bool {
	s.pos++ // the dot
	for _, a := range [...]Aggregate{Sum, Avg, Count, Max, Min} {
		if !s.at(a.String()) {
			s.miss(s.pos, s.tokenAt(s.pos), `"`+a.String()+`"`)
			continue
		}
		s.pos += len(a.String())
		if !s.lit("()") {
			return false
		}
		*out = a
		return true
	}
	return false
}

// cast reads an optional "::type". The alphabet of a type is that of an identifier.
func (s *scanner) cast(out *string) bool {
	if !s.at("::") {
		s.missHere(`"::"`)
		return true
	}
	s.pos += 2
	var ok bool
	*out, ok = s.ident()
	return ok
}

// itemEnd checks that nothing but the end of an item follows.
func (s *scanner) itemEnd() bool {
	start := s.pos
	s.blanks()
	if s.eof() || s.peek() == ',' || s.peek() == ')' {
		return true
	}
	s.pos = start
	s.missEnd(`")"`, `","`, "end of input")
	return false
}
