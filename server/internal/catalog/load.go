package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Options say what Load reads.
type Options struct {
	// Schemas are the exposed ones.
	Schemas []string
	// NoSettings leaves the pgrst.* settings of the login role unread.
	NoSettings bool
	// Unlogged says that the database keeps no log of schema changes.
	Unlogged bool
	// PreConfig is a function, schema.name, that is called first; of the
	// settings named Settings, without pgrst., those it makes are read where the
	// login role has none.
	PreConfig string
	Settings  []string
	// Prepare keeps the queries prepared on the connection for the next time.
	Prepare bool
}

// Load reads the schema in one round trip and one consistent view of the
// catalog. The connection must be between transactions and is so afterwards.
func Load(ctx context.Context, conn *pgx.Conn, o Options) (*Snapshot, error) {
	l := loader{raw: map[string][][][]byte{}, options: o}
	if err := l.fetch(ctx, conn.PgConn()); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	s, err := l.build(o.Schemas)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	return s, nil
}

// FoldLog makes one row of a log of changes that has become long: every request
// reads it. No snapshot becomes stale by that.
func FoldLog(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, foldSQL); err != nil {
		return fmt.Errorf("shorten the log of the schema's changes: %w", err)
	}
	return nil
}

type loader struct {
	raw     map[string][][][]byte
	options Options
	domains map[uint32]domain
	shown   map[uint32]*Representation // by domain
	types   map[uint32]typeInfo
	byType  map[uint32]*Relation // relations by the type of their rows
	primary map[uint32][]int16   // columns of primary keys by table
}

type domain struct {
	name     string
	base     uint32
	baseName string
	deflt    string
	hasText  bool
}

type typeInfo struct {
	name     string
	kind     byte
	relation uint32
	element  uint32
}

func (l *loader) build(schemas []string) (*Snapshot, error) {
	s := NewSnapshot(nil, nil, nil)
	s.byOID = map[uint32]*Relation{}
	s.computed = map[uint32][]*Relationship{}
	s.logged = !l.options.Unlogged
	version := l.raw[versionSQL]
	if len(version) != 1 {
		return nil, errors.New("the database gave no version")
	}
	var err error
	if s.ServerVersion, err = strconv.Atoi(string(version[0][0])); err != nil {
		return nil, err
	}
	if !l.options.Unlogged {
		if s.Version, err = strconv.ParseInt(string(l.raw[changesSQL][0][0]), 10, 64); err != nil {
			return nil, err
		}
		rows, _ := strconv.Atoi(string(l.raw[changesSQL][0][1]))
		s.LongLog = rows > maxLog
	}
	if f := l.raw[s.FingerprintSQL()]; len(f) == 1 {
		s.fingerprint = string(f[0][0])
	}
	if schema := version[0][1]; schema != nil {
		s.GeoJSON = &Name{string(schema), "st_asgeojson"}
	}
	for _, r := range l.raw[relationsSQL] {
		events, _ := strconv.Atoi(string(r[4]))
		rel := &Relation{OID: oid(r[0]), Name: Name{string(r[1]), string(r[2])}, Kind: r[3][0],
			Updatable: events&4 != 0, Insertable: events&8 != 0, Deletable: events&16 != 0}
		s.Relations[rel.Name], s.byOID[rel.OID] = rel, rel
	}
	l.readDomains()
	l.readCasts()
	l.readColumns(s)
	s.lineage = l.readViews(s)
	if err := l.readConstraints(s); err != nil {
		return nil, err
	}
	l.viewKeys(s)
	l.readTypes(s)
	l.readFunctions(s, schemas)
	l.readHandlers(s, schemas)
	l.readRoles(s)
	l.readConfig(s)
	l.readComments(s)
	return s, nil
}

func (l *loader) readDomains() {
	l.domains = map[uint32]domain{}
	for _, r := range l.raw[domainsSQL] {
		l.domains[oid(r[0])] = domain{base: oid(r[1]), deflt: string(r[2]), hasText: r[2] != nil, baseName: string(r[4]), name: string(r[3])}
	}
}

// Object ids of the built-in types that are treated apart.
const (
	oidJSON     = 114
	oidJSONB    = 3802
	oidTSVector = 3614
	oidVoid     = 2278
	oidRecord   = 2249
)

func (l *loader) baseType(t uint32) uint32 {
	for range 32 {
		d, ok := l.domains[t]
		if !ok {
			break
		}
		t = d.base
	}
	return t
}

// baseName is the name of what a domain is over.
func (l *loader) baseName(t uint32) string {
	name := ""
	for range 32 {
		d, ok := l.domains[t]
		if !ok {
			break
		}
		t, name = d.base, d.baseName
	}
	return name
}

func (l *loader) readColumns(s *Snapshot) {
	enums := map[uint32][]string{}
	for _, r := range l.raw[enumsSQL] {
		enums[oid(r[0])] = textArray(r[1])
	}
	for _, r := range l.raw[columnsSQL] {
		rel := s.byOID[oid(r[0])]
		if rel == nil {
			continue
		}
		number, _ := strconv.ParseInt(string(r[1]), 10, 16)
		typ := oid(r[3])
		c := &Column{Name: string(r[2]), Number: int16(number), Type: Text{string(r[4])}, NotNull: string(r[5]) == "t"}
		base := l.baseType(typ)
		c.Base = c.Type
		if base != typ {
			c.Base = Text{l.baseName(typ)}
		}
		c.JSON, c.TSVector = base == oidJSON || base == oidJSONB, base == oidTSVector
		c.Enum, c.Representation = enums[base], l.shown[typ]
		c.MaxLength, _ = strconv.Atoi(string(r[7]))
		switch {
		case r[6] != nil:
			c.Default = Text{string(r[6])}
		case l.domains[typ].hasText:
			c.Default = Text{l.domains[typ].deflt}
		}
		rel.Columns = append(rel.Columns, c)
	}
	for _, rel := range s.byOID {
		rel.index()
	}
}

func (l *loader) readViews(s *Snapshot) map[uint32]map[column][]string {
	targets := map[uint32][]targetColumn{}
	for _, r := range l.raw[viewsSQL] {
		targets[oid(r[0])] = parseTargetList(string(r[1]))
	}
	names := map[column]string{}
	for view := range targets {
		if rel := s.byOID[view]; rel != nil {
			for _, c := range rel.Columns {
				names[column{view, c.Number}] = c.Name
			}
		}
	}
	return resolveLineage(targets, names)
}

func (l *loader) readConstraints(s *Snapshot) error {
	keys := map[uint32][][]int16{}
	primary := map[uint32][]int16{}
	for _, r := range l.raw[constraintsSQL] {
		table := oid(r[2])
		columns, err := int16Array(r[4])
		if err != nil {
			return err
		}
		switch r[0][0] {
		case 'f':
			references, err := int16Array(r[5])
			if err != nil {
				return err
			}
			s.foreignKeys = append(s.foreignKeys, &foreignKey{name: string(r[1]), table: table, columns: columns,
				foreign: oid(r[3]), references: references})
		default:
			keys[table] = append(keys[table], sorted(columns))
			if r[0][0] == 'p' {
				primary[table] = columns
			}
		}
	}
	for _, fk := range s.foreignKeys {
		want := sorted(fk.columns)
		fk.unique = slices.ContainsFunc(keys[fk.table], func(k []int16) bool { return slices.Equal(k, want) })
	}
	for _, r := range s.byOID {
		if names := s.namesOf(r, r.OID, primary[r.OID]); len(primary[r.OID]) > 0 && len(names) > 0 {
			r.PrimaryKey = names[0]
		}
	}
	l.primary = primary
	return nil
}

// viewKeys gives views the primary keys of the tables they show whole.
func (l *loader) viewKeys(s *Snapshot) {
	for view, columns := range s.lineage {
		r := s.byOID[view]
		if r == nil {
			continue
		}
		var tables []uint32
		for c := range columns {
			if !slices.Contains(tables, c.table) && len(l.primary[c.table]) > 0 {
				tables = append(tables, c.table)
			}
		}
		slices.Sort(tables)
		for _, t := range tables {
			if names := s.namesOf(r, t, l.primary[t]); len(names) > 0 {
				r.PrimaryKey = append(r.PrimaryKey, names[0]...)
			}
		}
	}
}

func (l *loader) readRoles(s *Snapshot) {
	settable := map[string]bool{}
	for _, r := range l.raw[settableSQL] {
		settable[string(r[0])] = true
	}
	for _, r := range l.raw[rolesSQL] {
		role := &Role{}
		for _, entry := range textArray(r[1]) {
			name, value, _ := strings.Cut(entry, "=")
			switch {
			case name == "default_transaction_isolation":
				role.Isolation = value
			case settable[name] || strings.Contains(name, "."):
				role.Settings = append(role.Settings, Setting{name, value})
			}
		}
		s.Roles[string(r[0])] = role
	}
}

func (l *loader) readConfig(s *Snapshot) {
	if l.options.NoSettings {
		return
	}
	for _, r := range l.raw[preConfigSQL(l.options.PreConfig)] {
		s.Settings[string(r[0])] = string(r[1])
	}
	for _, r := range l.raw[configSQL] { // those of the database come last and win
		for _, entry := range textArray(r[1]) {
			name, value, _ := strings.Cut(entry, "=")
			if key, ok := strings.CutPrefix(name, "pgrst."); ok {
				s.Settings[key] = value
			}
		}
	}
}

func (l *loader) readComments(s *Snapshot) {
	functions := map[uint32]*Function{}
	for _, list := range s.Functions {
		for _, f := range list {
			functions[f.OID] = f
		}
	}
	for _, r := range l.raw[commentsSQL] {
		id, text := oid(r[1]), string(r[3])
		number, _ := strconv.ParseInt(string(r[2]), 10, 16)
		switch rel, f := s.byOID[id], functions[id]; {
		case r[4] != nil:
			s.SchemaComments[string(r[4])] = text
		case string(r[0]) != "t":
			if f != nil {
				f.Comment = text
			}
		case rel != nil && number == 0:
			rel.Comment = text
		case rel != nil:
			for _, c := range rel.Columns {
				if c.Number == int16(number) {
					c.Comment = text
				}
			}
		}
	}
}
