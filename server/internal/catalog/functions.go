package catalog

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func (l *loader) readTypes(s *Snapshot) {
	l.types = map[uint32]typeInfo{}
	l.byType = map[uint32]*Relation{}
	for _, r := range l.raw[typesSQL] {
		t := typeInfo{name: string(r[1]), kind: r[2][0], relation: oid(r[3]), element: oid(r[4])}
		l.types[oid(r[0])] = t
		if rel := s.byOID[t.relation]; rel != nil {
			l.byType[oid(r[0])] = rel
		}
	}
}

func (l *loader) readFunctions(s *Snapshot, schemas []string) {
	for _, r := range l.raw[functionsSQL] {
		name := Name{string(r[1]), string(r[2])}
		returned := oid(r[5])
		set := string(r[3]) == "t"
		inputs := oidVector(r[9])
		if len(inputs) == 1 {
			l.addComputed(s, name, inputs[0], returned, set, string(r[4]), schemas)
		}
		if string(r[14]) != "t" {
			continue
		}
		f := &Function{OID: oid(r[0]), Name: name, Volatility: Volatility(r[6][0])}
		var ok bool
		if f.Parameters, ok = l.parameters(inputs, r); !ok {
			continue
		}
		f.Returns, f.Relation = l.returns(returned, set, r[11])
		if name := l.domains[returned].name; !set && IsMediaType(name) {
			f.MediaType = name
		}
		for _, entry := range textArray(r[13]) {
			key, value, _ := strings.Cut(entry, "=")
			if key == "default_transaction_isolation" {
				f.Isolation = value
				continue
			}
			f.Settings = append(f.Settings, Setting{key, value})
		}
		s.Functions[name] = append(s.Functions[name], f)
	}
	for _, list := range s.Functions {
		slices.SortStableFunc(list, compareOverloads)
	}
}

// compareOverloads puts the function with fewer parameters first, then goes by
// the names and types: candidates are told in this order.
func compareOverloads(a, b *Function) int {
	if c := cmp.Compare(len(a.Parameters), len(b.Parameters)); c != 0 {
		return c
	}
	return slices.CompareFunc(a.Parameters, b.Parameters, func(p, q Parameter) int {
		return cmp.Or(strings.Compare(p.Name, q.Name), strings.Compare(p.TypeName, q.TypeName))
	})
}

// parameters reads the input parameters. A function with unnamed parameters
// can be called only when it has just one, and that takes a whole body.
func (l *loader) parameters(inputs []uint32, r [][]byte) ([]Parameter, bool) {
	names := textArray(r[12])
	modes := textArray(r[11])
	defaults, _ := strconv.Atoi(string(r[8]))
	variadic := oid(r[7]) != 0
	var named []string
	if len(modes) == 0 {
		named = names
	} else {
		for i, m := range modes {
			if m == "i" || m == "b" || m == "v" {
				n := ""
				if i < len(names) {
					n = names[i]
				}
				named = append(named, n)
			}
		}
	}
	out := make([]Parameter, len(inputs))
	for i, t := range inputs {
		p := Parameter{TypeName: l.types[t].name, Type: Text{unbounded(l.types[t].name)}, Required: i < len(inputs)-defaults,
			Variadic: variadic && i == len(inputs)-1}
		if i < len(named) {
			p.Name = named[i]
		}
		if p.Name == "" && (len(inputs) > 1 || !takesBody(p.TypeName)) {
			return nil, false
		}
		out[i] = p
	}
	return out, true
}

// takesBody is true for the types of a single unnamed parameter that is given
// the whole body of a request.
func takesBody(typ string) bool {
	switch typ {
	case "bytea", "json", "jsonb", "text", "xml":
		return true
	}
	return false
}

var boundedTypes = regexp.MustCompile(`^(bit|character)(\[\])*$`)

// unbounded names a type that takes values of any length: bit and character
// alone mean one digit and one letter.
func unbounded(name string) string {
	if boundedTypes.MatchString(name) {
		base, brackets, _ := strings.Cut(name, "[")
		if brackets != "" {
			brackets = "[" + brackets
		}
		return base + " varying" + brackets
	}
	return name
}

func (l *loader) returns(returned uint32, set bool, modes []byte) (ReturnKind, *Name) {
	// a record whose columns nothing declares is a value
	composite := false
	var relation *Name
	if base := l.baseType(returned); l.types[base].kind == 'c' {
		composite = true
		if rel := l.byType[base]; rel != nil {
			relation = &rel.Name
		}
	}
	for _, m := range textArray(modes) {
		if m == "o" || m == "b" || m == "t" {
			composite = true
		}
	}
	switch {
	case set && composite:
		return ReturnsSetOfComposite, relation
	case set:
		return ReturnsSetOfScalar, nil
	case composite:
		return ReturnsComposite, relation
	case returned == oidVoid:
		return ReturnsVoid, nil
	default:
		return ReturnsScalar, nil
	}
}

// addComputed keeps a function from one relation's rows to another's as a
// relationship.
func (l *loader) addComputed(s *Snapshot, name Name, from, to uint32, set bool, rows string, schemas []string) {
	origin, target := l.byType[from], l.byType[to]
	if origin == nil || target == nil || !slices.Contains(schemas, origin.Name.Schema) {
		return
	}
	n, _ := strconv.ParseFloat(rows, 64)
	s.computed[origin.OID] = append(s.computed[origin.OID], &Relationship{
		Table: origin.Name, Foreign: target.Name, Cardinality: Computed, Function: name,
		Self: origin == target, TableIsView: origin.IsView(), ForeignIsView: target.IsView(), ToOne: !set || n == 1,
	})
}
