package request

// parseOrder parses "[path.]order=…".
func parseOrder(key, value string) (at At[[]OrderTerm], err *Error) {
	path, _, err := parseTreePath(key)
	if err != nil {
		return at, err
	}
	at.Path = path
	err = scan("order", value, value, func(s *scanner) (ok bool) {
		at.Item, ok = s.orderTerms()
		return ok
	})
	return at, err
}

func (s *scanner) orderTerms() ([]OrderTerm, bool) {
	var terms []OrderTerm
	for {
		s.blanks()
		var t OrderTerm
		if !s.attempt(func() bool { return s.relatedTerm(&t) }) {
			t = OrderTerm{}
			ok := s.committed(func() bool {
				var ok bool
				t.Field, ok = s.field()
				return ok && s.orderModifiers(&t)
			})
			if !ok {
				return nil, false
			}
		}
		if terms = append(terms, t); len(terms) > MaxSelectItems {
			return nil, s.exceeded("order terms", MaxSelectItems)
		}
		if s.eof() {
			return terms, true
		}
		s.pos++ // the comma
	}
}

// relatedTerm reads "relation(field)".
func (s *scanner) relatedTerm(t *OrderTerm) bool {
	var ok bool
	if t.Relation, ok = s.name(); !ok {
		return false
	}
	if !s.lit("(") {
		return false
	}
	if t.Field, ok = s.field(); !ok {
		return false
	}
	return s.lit(")") && s.orderModifiers(t)
}

func (s *scanner) orderModifiers(t *OrderTerm) bool {
	s.attempt(func() bool {
		if !s.delimiter() {
			return false
		}
		switch {
		case s.lit("asc"):
			t.Direction = Asc
		case s.lit("desc"):
			t.Direction = Desc
		default:
			return false
		}
		return true
	})
	s.attempt(func() bool {
		if !s.delimiter() {
			return false
		}
		switch {
		case s.lit("nullsfirst"):
			t.Nulls = NullsFirst
		case s.lit("nullslast"):
			t.Nulls = NullsLast
		default:
			return false
		}
		return true
	})
	start := s.pos
	s.blanks()
	if s.eof() || s.peek() == ',' {
		return true
	}
	s.pos = start
	s.missEnd(`","`, "end of input")
	return false
}
