package plan

import (
	"slices"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/rest/sqlast"
)

// insertedSetting counts inserted rows of an upsert: one up for every row that
// is tried, one down for every one that updates.
const insertedSetting = "pgrst.inserted"

func (p *planner) insert(pl *Plan, tree *ReadPlan) (sqlast.Query, *request.Error) {
	cols, err := p.payloadColumns()
	if err != nil {
		return nil, err
	}
	source := p.payloadSelect(cols)
	stmt := &sqlast.Insert{Into: sqlast.RefOf(p.rel.Name), Columns: p.req.Payload.Keys, Source: source, Returning: p.returning(tree)}
	target := p.rel.PrimaryKey
	if p.req.Query.HasOnConflict {
		target = p.req.Query.OnConflict
	}
	if p.req.Prefs.Resolution == 0 || len(target) == 0 {
		return stmt, nil
	}
	pl.Resolution = p.req.Prefs.Resolution
	stmt.Conflict = &sqlast.Conflict{Columns: target}
	if pl.Resolution == request.MergeDuplicates {
		source.Where = append(source.Where, countInserted(1))
		stmt.Conflict.Update = p.req.Payload.Keys
		stmt.Conflict.Where = countInserted(-1)
	}
	return stmt, nil
}

// insertedSoFar is the number counted, null when nothing was.
func insertedSoFar() sqlast.Expr {
	return sqlast.AsBuiltin{Expr: sqlast.Call{Fn: sqlast.FnNullIf, Args: []sqlast.Expr{setting(insertedSetting), sqlast.Literal("")}}, Type: sqlast.TypeInt}
}

// countInserted is a condition that is always true and counts as it is judged.
func countInserted(step int64) sqlast.Expr {
	current := sqlast.Call{Fn: sqlast.FnCoalesce, Args: []sqlast.Expr{insertedSoFar(), sqlast.Int(0)}}
	op, never := sqlast.Plus, sqlast.Literal("0")
	if step < 0 {
		op, never = sqlast.Minus, "-1"
	}
	next := sqlast.AsBuiltin{Expr: sqlast.Paren{Expr: sqlast.Binary{Op: op, Left: current, Right: sqlast.Int(1)}}, Type: sqlast.TypeText}
	return sqlast.Binary{Op: sqlast.Ne, Right: never, Left: sqlast.Call{Fn: sqlast.FnSetConfig, Args: []sqlast.Expr{
		sqlast.Literal(insertedSetting), next, sqlast.Text(catalog.Trusted("true"))}}}
}

// upsert is PUT: one row whose key is in the URL and in the body alike.
func (p *planner) upsert(tree *ReadPlan) (sqlast.Query, *request.Error) {
	cols, err := p.payloadColumns()
	if err != nil {
		return nil, err
	}
	if !p.keyFilters() {
		return nil, keyFilters()
	}
	source := p.payloadSelect(cols)
	source.Where = append(source.Where, countInserted(1))
	body := &ReadPlan{Relation: p.rel.Name, Columns: p.rel, Scope: sqlast.Ref{Name: bodyName}}
	for _, f := range p.req.Query.Filters {
		if len(f.Path) == 0 {
			source.Where = append(source.Where, body.condition(f.Item, nil))
		}
	}
	return &sqlast.Insert{Into: sqlast.RefOf(p.rel.Name), Columns: p.req.Payload.Keys, Source: source,
		Conflict:  &sqlast.Conflict{Columns: p.rel.PrimaryKey, Update: p.req.Payload.Keys, Where: countInserted(-1)},
		Returning: p.returning(tree)}, nil
}

// keyFilters is true when the root's filters are the primary key, each by eq.
func (p *planner) keyFilters() bool {
	var names []string
	for _, f := range p.req.Query.Filters {
		if len(f.Path) > 0 {
			continue
		}
		e := f.Item.Expr
		if e.Op != request.OpEq || e.Not || e.Quant != request.NoQuantifier || len(f.Item.Field.Path) > 0 {
			return false
		}
		names = append(names, f.Item.Field.Name)
	}
	for _, l := range p.req.Query.Logic {
		if len(l.Path) == 0 {
			return false
		}
	}
	key := slices.Clone(p.rel.PrimaryKey)
	slices.Sort(names)
	slices.Sort(key)
	return len(key) > 0 && slices.Equal(names, key)
}

// payloadSelect selects the payload's columns, typed as the relation's.
func (p *planner) payloadSelect(cols []*catalog.Column) *sqlast.Select {
	s := &sqlast.Select{From: p.payloadRows(cols)}
	for _, c := range cols {
		s.Output = append(s.Output, sqlast.Output{Expr: sqlast.Column{Of: sqlast.Ref{Name: bodyName}, Name: c.Name}})
	}
	return s
}

// payloadRows are the rows of the body under the name of bodyName.
func (p *planner) payloadRows(cols []*catalog.Column) []sqlast.From {
	if slices.ContainsFunc(cols, reads) {
		return p.readRows(cols)
	}
	body, array := p.req.Payload.JSON, p.req.Payload.Array
	typed := make([]sqlast.TypedColumn, len(cols))
	var defaults []sqlast.Expr
	for i, c := range cols {
		typed[i] = sqlast.TypedColumn{Name: c.Name, Type: c.Type}
		if !c.Default.IsZero() {
			defaults = append(defaults, sqlast.Literal(c.Name), sqlast.Text(c.Default))
		}
	}
	switch {
	case len(cols) == 0 && !array:
		return []sqlast.From{sqlast.OneRow{As: bodyName}}
	case len(cols) == 0:
		return []sqlast.From{sqlast.Record{Fn: sqlast.JSONElements, Arg: typedBody(body, sqlast.TypeJSON), As: bodyName}}
	case p.req.Prefs.Missing == request.MissingDefault && len(defaults) > 0:
		return defaultedRows(body, array, typed, defaults)
	case array:
		return []sqlast.From{sqlast.Record{Fn: sqlast.JSONRecordset, Arg: typedBody(body, sqlast.TypeJSON), As: bodyName, Columns: typed}}
	default:
		return []sqlast.From{sqlast.Record{Fn: sqlast.JSONRecord, Arg: typedBody(body, sqlast.TypeJSON), As: bodyName, Columns: typed}}
	}
}

func typedBody(body []byte, t sqlast.Type) sqlast.Expr {
	return sqlast.AsBuiltin{Expr: sqlast.Bytes(body), Type: t}
}

// maxObjectPairs is how many defaults one call can hold: a function takes at
// most 100 arguments.
const maxObjectPairs = 50

// defaultsObject is an object of the defaults, given as pairs of name and value.
func defaultsObject(defaults []sqlast.Expr) sqlast.Expr {
	var object sqlast.Expr
	for chunk := range slices.Chunk(defaults, 2*maxObjectPairs) {
		part := sqlast.Expr(sqlast.Call{Fn: sqlast.FnBuildObjectB, Args: chunk})
		if object == nil {
			object = part
		} else {
			object = sqlast.Binary{Op: sqlast.Concat, Left: object, Right: part}
		}
	}
	return object
}

// defaultedRows lays every element over an object of the defaults.
func defaultedRows(body []byte, array bool, typed []sqlast.TypedColumn, defaults []sqlast.Expr) []sqlast.From {
	object := defaultsObject(defaults)
	doc := typedBody(body, sqlast.TypeJSONB)
	if !array {
		return []sqlast.From{sqlast.Record{Fn: sqlast.JSONBRecord, As: bodyName, Columns: typed,
			Arg: sqlast.Binary{Op: sqlast.Concat, Left: object, Right: doc}}}
	}
	return []sqlast.From{
		sqlast.Record{Fn: sqlast.JSONBElements, Arg: doc, As: docName},
		sqlast.Record{Fn: sqlast.JSONBRecord, As: bodyName, Columns: typed, Lateral: true,
			Arg: sqlast.Binary{Op: sqlast.Concat, Left: object, Right: sqlast.Column{Of: sqlast.Ref{Name: docName}, Name: "value"}}},
	}
}
