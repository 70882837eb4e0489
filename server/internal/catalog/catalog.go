// Package catalog is what the engine knows of the database's schema: an
// immutable snapshot of relations, columns, keys, relationships and functions
// with the number of the schema version it was read at, the loader that reads
// it in one round trip, and the cache that holds the current one.
package catalog

import (
	"slices"
	"sync"
)

// Name is a schema-qualified name.
type Name struct{ Schema, Name string }

// String is "schema.name", for messages only.
func (n Name) String() string { return n.Schema + "." + n.Name }

// Text is SQL text that came from the database's own catalog: a type name, a
// default expression. It is the only raw text a statement may hold, and no
// other package makes one from a request.
type Text struct{ sql string }

// Trusted marks text that does not come from a request as SQL. It is for the
// loader and for tests that build a snapshot by hand.
func Trusted(sql string) Text { return Text{sql} }

// SQL is the text.
func (t Text) SQL() string { return t.sql }

// IsZero is true for no text.
func (t Text) IsZero() bool { return t.sql == "" }

// Snapshot is one state of the schema. It does not change once it was made.
type Snapshot struct {
	// Version is the number of schema changes that had happened, 0 where no
	// log is kept of them.
	Version int64
	// LongLog tells that FoldLog is worth its cost.
	LongLog bool
	// Relations are the tables and views of the exposed schemas.
	Relations map[Name]*Relation
	// Functions are those of the exposed schemas, overloads by fewest parameters.
	Functions map[Name][]*Function
	// Roles holds the settings of the roles the login role may become.
	Roles map[string]*Role
	// SchemaComments are the comments of the exposed schemas.
	SchemaComments map[string]string
	// Settings are the pgrst.* settings of the login role, without the prefix.
	Settings map[string]string
	// ServerVersion is PostgreSQL's version number, 170004 for 17.4.
	ServerVersion int
	// GeoJSON is the function of PostGIS that turns a row into GeoJSON, nil
	// without PostGIS.
	GeoJSON *Name
	// Handlers are the aggregates that turn rows into a media type.
	Handlers map[HandlerKey][]*Handler

	logged      bool // changes of the schema are logged
	fingerprint string
	foreignKeys []*foreignKey
	lineage     map[uint32]map[column][]string // relation → base column → its names in the relation
	byOID       map[uint32]*Relation
	computed    map[uint32][]*Relationship // by origin relation

	relMu sync.Mutex
	rels  map[uint32][]*Relationship
}

// column is a base column.
type column struct {
	table  uint32
	number int16
}

// Relation is a table, view or anything else that is selected from.
type Relation struct {
	OID  uint32
	Name Name
	// Kind is pg_class.relkind.
	Kind                             byte
	Insertable, Updatable, Deletable bool
	// PrimaryKey lists the primary key's columns in their order; for a view
	// those of the base table, when all of them are there.
	PrimaryKey []string
	Columns    []*Column
	Comment    string

	byName map[string]*Column
}

// IsView is true for views and materialized views.
func (r *Relation) IsView() bool { return r.Kind == 'v' || r.Kind == 'm' }

// Column finds a column by name, nil when there is none.
func (r *Relation) Column(name string) *Column { return r.byName[name] }

// Column of a relation.
type Column struct {
	Name   string
	Number int16
	// Type is the column's declared type.
	Type Text
	// Base is Type, of a domain what it is over.
	Base Text
	// JSON is true for json and jsonb, TSVector for tsvector, also under domains.
	JSON, TSVector bool
	NotNull        bool
	// Representation is how values are shown and read, nil when as they are.
	Representation *Representation
	// Default is the expression used for an absent value, empty when there is none.
	Default Text
	Comment string
	// Enum lists the labels when the type is an enumeration.
	Enum []string
	// MaxLength is the declared length of a text type, 0 when it has none.
	MaxLength int
}

// Volatility is pg_proc.provolatile.
type Volatility byte

// The volatilities.
const (
	Immutable Volatility = 'i'
	Stable    Volatility = 's'
	Volatile  Volatility = 'v'
)

// Parameter of a function.
type Parameter struct {
	Name string
	// Type is the type an argument is cast to, without a length limit.
	Type     Text
	TypeName string
	Required bool
	Variadic bool
}

// ReturnKind is the form of a function's result.
type ReturnKind uint8

// The forms of a result.
const (
	ReturnsScalar ReturnKind = iota
	ReturnsVoid
	ReturnsComposite
	ReturnsSetOfScalar
	ReturnsSetOfComposite
)

// Function that can be called.
type Function struct {
	OID        uint32
	Name       Name
	Parameters []Parameter
	Returns    ReturnKind
	// Relation is the relation whose row type is returned, if one is.
	Relation   *Name
	Volatility Volatility
	// Isolation is default_transaction_isolation of the function, "" when not set.
	Isolation string
	// Settings are the other settings of the function.
	Settings []Setting
	Comment  string
	// MediaType is the name of the domain that is returned, where that is a
	// media type: the value is a whole body.
	MediaType string
}

// ReturnsSingle is true when one value or row is returned.
func (f *Function) ReturnsSingle() bool {
	return f.Returns != ReturnsSetOfScalar && f.Returns != ReturnsSetOfComposite
}

// ReturnsValue is true when the result is no row.
func (f *Function) ReturnsValue() bool {
	return f.Returns == ReturnsScalar || f.Returns == ReturnsVoid || f.Returns == ReturnsSetOfScalar
}

// Setting is a configuration parameter with its value.
type Setting struct{ Name, Value string }

// Role is what requests of a role run with.
type Role struct {
	Settings []Setting
	// Isolation is default_transaction_isolation of the role, "" when not set.
	Isolation string
}

// FingerprintSQL asks for one text that tells states of the schema, and of the
// settings beside it, apart.
func (s *Snapshot) FingerprintSQL() string {
	if s.logged {
		return fingerprintSQL
	}
	return unloggedSQL
}

// Is is true when the answer to FingerprintSQL is the snapshot's.
func (s *Snapshot) Is(fingerprint []byte) bool { return string(fingerprint) == s.fingerprint }

// Relation finds a relation by name, nil when there is none.
func (s *Snapshot) Relation(n Name) *Relation { return s.Relations[n] }

// RelationNames lists the names of the relations of a schema, sorted.
func (s *Snapshot) RelationNames(schema string) []string {
	var names []string
	for n := range s.Relations {
		if n.Schema == schema {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

// FunctionNames lists the names of the functions of a schema, sorted.
func (s *Snapshot) FunctionNames(schema string) []string {
	var names []string
	for n := range s.Functions {
		if n.Schema == schema {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

// NewSnapshot makes a snapshot from relations and functions alone, without a
// database. Relationships are given as they are.
func NewSnapshot(relations []*Relation, functions []*Function, relationships []*Relationship) *Snapshot {
	s := &Snapshot{
		Relations: map[Name]*Relation{}, Functions: map[Name][]*Function{},
		Roles: map[string]*Role{}, Settings: map[string]string{}, SchemaComments: map[string]string{}, rels: map[uint32][]*Relationship{},
		Handlers: map[HandlerKey][]*Handler{},
	}
	for i, r := range relations {
		if r.OID == 0 {
			r.OID = uint32(i + 1)
		}
		r.index()
		s.Relations[r.Name] = r
		s.rels[r.OID] = nil
	}
	for _, f := range functions {
		s.Functions[f.Name] = append(s.Functions[f.Name], f)
	}
	for _, r := range relationships {
		if origin := s.Relations[r.Table]; origin != nil {
			s.rels[origin.OID] = append(s.rels[origin.OID], r)
		}
	}
	return s
}

func (r *Relation) index() {
	r.byName = make(map[string]*Column, len(r.Columns))
	for _, c := range r.Columns {
		r.byName[c.Name] = c
	}
}
