package catalog

// Representation is how the values of a domain are shown and read by clients:
// the functions of its implicit casts. A nil one is absent.
type Representation struct {
	// ToJSON shows a value.
	ToJSON *Name
	// FromText reads the operand of a filter.
	FromText *Name
	// FromJSON reads a member of a body.
	FromJSON *Name
}

func (l *loader) readCasts() {
	l.shown = map[uint32]*Representation{}
	for _, r := range l.raw[castsSQL] {
		id := oid(r[0])
		rep := l.shown[id]
		if rep == nil {
			rep = &Representation{}
			l.shown[id] = rep
		}
		fn := &Name{string(r[3]), string(r[4])}
		switch from, json := string(r[1]) == "t", string(r[2]) == "t"; {
		case from:
			rep.ToJSON = fn
		case json:
			rep.FromJSON = fn
		default:
			rep.FromText = fn
		}
	}
}
