package plan

import (
	"net/http"
	"slices"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/rest/sqlast"
)

// write plans an insert, an update, a delete or the upsert of a single row.
func (p *planner) write() (*Plan, *request.Error) {
	if err := p.find(); err != nil {
		return nil, err
	}
	tree, err := p.readTree(rootSource, p.rel.Name)
	if err != nil {
		return nil, err
	}
	pl := &Plan{Relation: p.rel, Body: p.req.Prefs.Return == request.ReturnRepresentation}
	var statement sqlast.Query
	switch p.req.Method {
	case http.MethodPost:
		pl.Kind = Create
		statement, err = p.insert(pl, tree)
	case http.MethodPatch:
		pl.Kind = Update
		statement, err = p.update(tree)
	case http.MethodPut:
		pl.Kind = Upsert
		statement, err = p.upsert(tree)
	default:
		pl.Kind = Delete
		statement, err = p.remove(tree)
	}
	if err != nil {
		return nil, err
	}
	if err := p.strict(); err != nil {
		return nil, err
	}
	if pl.Media, err = p.media(tree, nil); err != nil {
		return nil, err
	}
	pl.render(p.frame(pl, tree, statement))
	return pl, nil
}

// frame puts the writing statement into the one that makes the answer.
func (p *planner) frame(pl *Plan, tree *ReadPlan, statement sqlast.Query) *sqlast.Select {
	frame := &sqlast.Select{With: []sqlast.With{{Name: sourceName, Query: statement}}}
	rows, body := sourceName, sqlast.Expr(sqlast.Literal(""))
	if pl.Body {
		rows = rowsName
		frame.With = append(frame.With, sqlast.With{Name: rowsName, Query: tree.query()})
		body = pl.Media.body(rowsName, nil)
	}
	var location, inserted sqlast.Expr
	if p.headersOnly() && len(p.rel.PrimaryKey) > 0 {
		location = p.location()
	}
	if pl.Kind == Upsert || pl.Resolution == request.MergeDuplicates {
		inserted = insertedSoFar()
	}
	frame.Output = result(nil, p.page(pl), location, body, inserted)
	if pl.Media.Explain != nil { // nobody reads the row, and a write's plan shows the location before the body
		frame.Output[ResultBody], frame.Output[ResultLocation] = frame.Output[ResultLocation], frame.Output[ResultBody]
	}
	frame.From = []sqlast.From{rowsOf(rows, "")}
	return frame
}

func (p *planner) headersOnly() bool {
	return p.req.Method == http.MethodPost && p.req.Prefs.Return == request.ReturnHeaders
}

// page counts the rows; where the answer demands a number of them the count
// is checked inside the statement, so that a wrong one undoes the write.
func (p *planner) page(pl *Plan) sqlast.Expr {
	switch {
	case pl.Kind == Upsert, pl.Media.Kind == Object:
		return p.expect(pl, 1, 1)
	case p.req.Prefs.HasMaxAffected && p.req.Prefs.Handling == request.Strict && pl.Kind != Create:
		pl.LimitsRows = true
		return p.expect(pl, 0, p.req.Prefs.MaxAffected)
	}
	return sqlast.CountAll{}
}

// expect counts rows of which there must be low to high.
func (p *planner) expect(pl *Plan, low, high int64) sqlast.Expr {
	pl.Rows = &RowRange{Low: low, High: high}
	if p.opt.Plain {
		return sqlast.CountAll{}
	}
	return sqlast.Call{Fn: sqlast.FnExpectRows, Args: []sqlast.Expr{sqlast.CountAll{}, sqlast.Int(low), sqlast.Int(high)}}
}

// location lists the key of the only row as pairs of name and value.
func (p *planner) location() sqlast.Expr {
	names := make([]sqlast.Expr, len(p.rel.PrimaryKey))
	for i, k := range p.rel.PrimaryKey {
		names[i] = sqlast.Binary{Op: sqlast.Eq, Left: sqlast.Column{Of: sqlast.Ref{Name: "k"}, Name: "key"}, Right: sqlast.Literal(k)}
	}
	pair := sqlast.Call{Fn: sqlast.FnBuildArray, Args: []sqlast.Expr{
		sqlast.Column{Of: sqlast.Ref{Name: "k"}, Name: "key"}, sqlast.Column{Of: sqlast.Ref{Name: "k"}, Name: "value"}}}
	pairs := sqlast.Scalar{Query: &sqlast.Select{
		Output: []sqlast.Output{{Expr: sqlast.Call{Fn: sqlast.FnJSONAgg, Args: []sqlast.Expr{pair}}}},
		From: []sqlast.From{sqlast.Table{Ref: sqlast.Ref{Name: sourceName}, As: "r"},
			sqlast.Record{Fn: sqlast.JSONEachText, As: "k", Lateral: true,
				Arg: sqlast.Call{Fn: sqlast.FnRowToJSON, Args: []sqlast.Expr{sqlast.Row{Name: "r"}}}}},
		Where: []sqlast.Expr{sqlast.Group{Or: true, Items: names}},
	}}
	return sqlast.Case{When: sqlast.Binary{Op: sqlast.Eq, Left: sqlast.CountAll{}, Right: sqlast.Int(1)}, Then: pairs, Else: sqlast.Null{}}
}

// returning lists the columns of the written rows that the answer needs: the
// selected ones, those that embeds are joined by, those that sort it.
func (p *planner) returning(tree *ReadPlan) []sqlast.Expr {
	table := sqlast.RefOf(p.rel.Name)
	if p.headersOnly() {
		keys := slices.Clone(p.rel.PrimaryKey)
		slices.Sort(keys)
		return columns(table, keys)
	}
	if p.req.Prefs.Return != request.ReturnRepresentation {
		return nil
	}
	names, all := tree.needs()
	if all {
		return []sqlast.Expr{sqlast.Star{Of: table}}
	}
	return columns(table, names)
}

// needs lists the columns of the rows below a root that its select list, its
// embeds and its order use; all is true when every column is.
func (n *ReadPlan) needs() (names []string, all bool) {
	for _, f := range n.Select {
		if f.Star {
			return nil, true
		}
		names = append(names, f.Field.Name)
	}
	for _, c := range n.Embeds {
		switch {
		case c.Rel.Cardinality == catalog.Computed:
			return nil, true
		case c.Rel.Junction != nil:
			for _, pair := range c.Rel.Junction.Origin {
				names = append(names, pair.Column)
			}
		default:
			for _, pair := range c.Rel.Columns {
				names = append(names, pair.Column)
			}
		}
	}
	for _, t := range n.terms {
		if t.Relation == "" {
			names = append(names, t.Field.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), false
}

func columns(of sqlast.Ref, names []string) []sqlast.Expr {
	out := make([]sqlast.Expr, len(names))
	for i, n := range names {
		out[i] = sqlast.Column{Of: of, Name: n}
	}
	return out
}

// payloadColumns finds the payload's columns in the relation.
func (p *planner) payloadColumns() ([]*catalog.Column, *request.Error) {
	out := make([]*catalog.Column, len(p.req.Payload.Keys))
	for i, key := range p.req.Payload.Keys {
		if out[i] = p.rel.Column(key); out[i] == nil {
			return nil, columnNotFound(key, p.rel.Name.Name)
		}
	}
	return out, nil
}

// conditions are the root's filters of an update or delete, over the relation itself.
func (p *planner) conditions() []sqlast.Expr {
	target := &ReadPlan{Relation: p.rel.Name, Columns: p.rel, Scope: sqlast.RefOf(p.rel.Name)}
	var where []sqlast.Expr
	for _, f := range p.req.Query.Filters {
		if len(f.Path) == 0 {
			where = append(where, target.condition(f.Item, nil))
		}
	}
	for _, l := range p.req.Query.Logic {
		if len(l.Path) == 0 {
			where = append(where, target.condition(l.Item, nil))
		}
	}
	return where
}

func (p *planner) update(tree *ReadPlan) (sqlast.Query, *request.Error) {
	cols, err := p.payloadColumns()
	if err != nil {
		return nil, err
	}
	returning := p.returning(tree)
	if len(cols) == 0 {
		return p.nothing(returning), nil
	}
	where := p.conditions()
	if len(where) == 0 && p.opt.SafeUpdate {
		return nil, requiresWhere("UPDATE")
	}
	return &sqlast.Update{Table: sqlast.RefOf(p.rel.Name), Set: p.req.Payload.Keys, Source: bodyName,
		From: p.payloadRows(cols), Where: where, Returning: returning}, nil
}

// nothing gives no rows with the columns that are asked for: an update that
// sets nothing changes nothing.
func (p *planner) nothing(returning []sqlast.Expr) sqlast.Query {
	s := &sqlast.Select{From: []sqlast.From{sqlast.Table{Ref: sqlast.RefOf(p.rel.Name)}},
		Where: []sqlast.Expr{sqlast.Text(catalog.Trusted("false"))}}
	for _, e := range returning {
		s.Output = append(s.Output, sqlast.Output{Expr: e})
	}
	if len(returning) == 0 {
		s.Output = []sqlast.Output{{Expr: sqlast.Null{}}}
	}
	return s
}

func (p *planner) remove(tree *ReadPlan) (sqlast.Query, *request.Error) {
	where := p.conditions()
	if len(where) == 0 && p.opt.SafeUpdate {
		return nil, requiresWhere("DELETE")
	}
	return &sqlast.Delete{Table: sqlast.RefOf(p.rel.Name), Where: where, Returning: p.returning(tree)}, nil
}
