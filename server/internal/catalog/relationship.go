package catalog

import (
	"slices"
	"strings"
)

// Cardinality of a relationship, seen from its origin.
type Cardinality uint8

// The cardinalities.
const (
	ManyToOne Cardinality = iota
	OneToOne
	OneToMany
	ManyToMany
	Computed
)

// String names the cardinality as error details do.
func (c Cardinality) String() string {
	return [...]string{"many-to-one", "one-to-one", "one-to-many", "many-to-many", "computed"}[c]
}

// ColumnPair joins a column of the origin with one of the other side.
type ColumnPair struct{ Column, Foreign string }

// Junction is the relation between both ends of a many-to-many relationship.
type Junction struct {
	Table                    Name
	Constraint1, Constraint2 string
	// Origin pairs columns of the origin with the junction's, Foreign those of
	// the other end with the junction's.
	Origin, Foreign []ColumnPair
}

// Relationship leads from the rows of Table to those of Foreign.
type Relationship struct {
	Table, Foreign Name
	Cardinality    Cardinality
	Constraint     string
	Columns        []ColumnPair
	Junction       *Junction
	Self           bool
	// TableIsView and ForeignIsView tell what the ends are.
	TableIsView, ForeignIsView bool
	// Function computes the related rows, for Computed.
	Function Name
	// Referenced is true when the foreign key is not the origin's.
	Referenced bool
	// ToOne is true when at most one row is related.
	ToOne bool
}

type foreignKey struct {
	name       string
	table      uint32
	columns    []int16
	foreign    uint32
	references []int16
	unique     bool // the columns are a key of table
}

// Relationships lists the relationships that start at r. They are found once
// per relation, when they are first asked for.
func (s *Snapshot) Relationships(r *Relation) []*Relationship {
	s.relMu.Lock()
	defer s.relMu.Unlock()
	if rels, ok := s.rels[r.OID]; ok {
		return rels
	}
	rels := s.derive(r)
	s.rels[r.OID] = rels
	return rels
}

// derive finds all relationships of r in a fixed order: by foreign keys, then
// many-to-many, then computed ones, which replace what has their name.
func (s *Snapshot) derive(r *Relation) []*Relationship {
	direct := s.directRelationships(r)
	all := append(direct, s.manyToMany(r, direct)...)
	if computed := s.computed[r.OID]; len(computed) > 0 {
		all = slices.DeleteFunc(all, func(d *Relationship) bool {
			return slices.ContainsFunc(computed, func(c *Relationship) bool { return c.Function.Name == d.Foreign.Name })
		})
		all = append(all, computed...)
	}
	return all
}

func (s *Snapshot) directRelationships(r *Relation) []*Relationship {
	var out []*Relationship
	for _, fk := range s.foreignKeys {
		for _, local := range s.namesOf(r, fk.table, fk.columns) {
			for _, other := range s.relationsOver(fk.foreign) {
				for _, remote := range s.namesOf(other, fk.foreign, fk.references) {
					card := ManyToOne
					if fk.unique {
						card = OneToOne
					}
					out = append(out, newRelationship(r, other, fk.name, card, local, remote))
				}
			}
		}
		for _, local := range s.namesOf(r, fk.foreign, fk.references) {
			for _, other := range s.relationsOver(fk.table) {
				for _, remote := range s.namesOf(other, fk.table, fk.columns) {
					card := OneToMany
					if fk.unique {
						card = OneToOne
					}
					back := newRelationship(r, other, fk.name, card, local, remote)
					back.Referenced = true
					out = append(out, back)
				}
			}
		}
	}
	return out
}

func newRelationship(r, other *Relation, constraint string, card Cardinality, local, remote []string) *Relationship {
	pairs := make([]ColumnPair, len(local))
	for i := range local {
		pairs[i] = ColumnPair{local[i], remote[i]}
	}
	return &Relationship{
		Table: r.Name, Foreign: other.Name, Cardinality: card, Constraint: constraint, Columns: pairs,
		Self: r.OID == other.OID, TableIsView: r.IsView(), ForeignIsView: other.IsView(),
		ToOne: card != OneToMany,
	}
}

// manyToMany goes from r over every junction that points at it to what the
// junction points at besides. A junction's two foreign keys are within its
// primary key.
func (s *Snapshot) manyToMany(r *Relation, direct []*Relationship) []*Relationship {
	var out []*Relationship
	for _, in := range direct {
		if in.Cardinality != OneToMany {
			continue
		}
		junction := s.Relations[in.Foreign]
		for _, onward := range s.directRelationships(junction) {
			if onward.Cardinality != ManyToOne || onward.Constraint == in.Constraint ||
				!withinKey(junction.PrimaryKey, in, onward) {
				continue
			}
			j := &Junction{Table: junction.Name, Constraint1: in.Constraint, Constraint2: onward.Constraint, Origin: in.Columns}
			for _, p := range onward.Columns {
				j.Foreign = append(j.Foreign, ColumnPair{p.Foreign, p.Column})
			}
			out = append(out, &Relationship{
				Table: r.Name, Foreign: onward.Foreign, Cardinality: ManyToMany, Junction: j,
				Self: r.Name == onward.Foreign, TableIsView: r.IsView(), ForeignIsView: onward.ForeignIsView,
			})
		}
	}
	return out
}

func withinKey(key []string, in, onward *Relationship) bool {
	for _, p := range in.Columns {
		if !slices.Contains(key, p.Foreign) {
			return false
		}
	}
	for _, p := range onward.Columns {
		if !slices.Contains(key, p.Column) {
			return false
		}
	}
	return true
}

// relationsOver lists the exposed relations that show columns of a base
// table: the table itself and views of it, by name.
func (s *Snapshot) relationsOver(table uint32) []*Relation {
	var out []*Relation
	if r := s.byOID[table]; r != nil && !r.IsView() {
		out = append(out, r)
	}
	for oid, columns := range s.lineage {
		r := s.byOID[oid]
		if r == nil {
			continue
		}
		for c := range columns {
			if c.table == table {
				out = append(out, r)
				break
			}
		}
	}
	slices.SortFunc(out, func(a, b *Relation) int {
		if a.IsView() != b.IsView() {
			if a.IsView() {
				return 1
			}
			return -1
		}
		return strings.Compare(a.Name.String(), b.Name.String())
	})
	return out
}

// namesOf lists how r shows the base columns: once for a table, once for
// every combination of its columns for a view, never when one is missing.
func (s *Snapshot) namesOf(r *Relation, table uint32, numbers []int16) [][]string {
	if !r.IsView() {
		if r.OID != table {
			return nil
		}
		names := make([]string, len(numbers))
		for i, n := range numbers {
			c := slices.IndexFunc(r.Columns, func(c *Column) bool { return c.Number == n })
			if c < 0 {
				return nil
			}
			names[i] = r.Columns[c].Name
		}
		return [][]string{names}
	}
	combos := [][]string{nil}
	for _, n := range numbers {
		shown := s.lineage[r.OID][column{table, n}]
		var next [][]string
		for _, c := range combos {
			for _, name := range shown {
				if next = append(next, append(slices.Clone(c), name)); len(next) > maxCombinations {
					return nil
				}
			}
		}
		combos = next
	}
	return combos
}

// maxCombinations bounds the relationships made from a view that shows the
// columns of a key many times.
const maxCombinations = 64
