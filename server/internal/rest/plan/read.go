package plan

import (
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/rest/sqlast"
)

// output is a column that a level gives: a selected one, one of a spread
// embed, or an embed as JSON. An aggregate of a to-one spread is computed by
// the level above, where there is something to group.
type output struct {
	name string
	expr sqlast.Expr
	// group is what a level with aggregates groups by, nil for expr itself.
	group   sqlast.Expr
	star    bool
	agg     request.Aggregate
	aggCast string
	count   bool // count() without a column
	embed   bool
}

// hoists is true for a level whose aggregates the level above computes.
func (n *ReadPlan) hoists() bool { return n.Spread && n.Rel.ToOne }

// aggregates judges the aggregates of the tree.
func (p *planner) aggregates(root *ReadPlan) *request.Error {
	if !p.opt.Aggregates && root.anyAggregate() {
		return aggregatesDisabled()
	}
	return root.spreadAggregates()
}

func (n *ReadPlan) anyAggregate() bool {
	for _, f := range n.Select {
		if f.Aggregate != request.NoAggregate {
			return true
		}
	}
	for _, c := range n.Embeds {
		if c.anyAggregate() {
			return true
		}
	}
	return false
}

// spreadAggregates refuses aggregates that would end in a to-many spread.
func (n *ReadPlan) spreadAggregates() *request.Error {
	if n.depth > 0 && n.spreadsMany() && n.aggregated() {
		return notImplemented("Aggregates are not implemented for one-to-many or many-to-many spreads.")
	}
	for _, c := range n.Embeds {
		if err := c.spreadAggregates(); err != nil {
			return err
		}
	}
	return nil
}

// aggregated is true when a column of the level, or one hoisted into it, is an aggregate.
func (n *ReadPlan) aggregated() bool {
	for _, f := range n.Select {
		if f.Aggregate != request.NoAggregate {
			return true
		}
	}
	for _, c := range n.Embeds {
		if c.Spread && c.Rel.ToOne && c.aggregated() {
			return true
		}
	}
	return false
}

// outputs lists what the level gives. With expand a star is written out as
// the relation's columns, where they are known.
func (n *ReadPlan) outputs(expand bool) []output {
	var out []output
	for _, f := range n.Select {
		if f.IsStar() {
			if n.Columns != nil && (expand || n.represented()) {
				for _, c := range n.Columns.Columns {
					out = append(out, n.shown(output{name: c.Name}, request.Field{Name: c.Name}, ""))
				}
			} else {
				out = append(out, output{name: "*", star: true, expr: sqlast.Star{Of: n.Scope}})
			}
			continue
		}
		o := output{name: f.OutputName(), agg: f.Aggregate, aggCast: f.AggregateCast}
		switch {
		case f.Star:
			o.count = true
			o.expr = sqlast.Row{Name: n.Scope.Name}
		case o.agg != request.NoAggregate:
			o.expr = castTo(n.field(f.Field), f.Cast)
		default:
			o = n.shown(o, f.Field, f.Cast)
		}
		out = append(out, o)
	}
	for _, c := range n.Embeds {
		switch {
		case c.Spread:
			for _, o := range c.outputs(expand || c.spreadsMany()) {
				lifted := output{name: o.name, star: o.star, agg: o.agg, aggCast: o.aggCast, embed: o.embed}
				if o.star {
					lifted.expr = sqlast.Star{Of: sqlast.Ref{Name: c.Agg}}
				} else {
					lifted.expr = sqlast.Column{Of: sqlast.Ref{Name: c.Agg}, Name: o.name}
				}
				out = append(out, lifted)
			}
		case !c.empty():
			out = append(out, output{name: c.Key(), expr: c.embedJSON(), embed: true})
		}
	}
	return out
}

// castTo casts to a type the client has named; the parser's alphabet for it is
// wider than that of a type, and what is no type's name is cast to a name that
// does not exist, which PostgreSQL reports.
func castTo(e sqlast.Expr, name string) sqlast.Expr {
	if name == "" {
		return e
	}
	if t, ok := sqlast.NewTypeName(name); ok {
		return sqlast.CastTo{Expr: e, Type: t}
	}
	return sqlast.AsRow{Expr: e, Type: sqlast.Ref{Name: name}}
}

// empty is true for an embed that is only joined, for its filter.
func (n *ReadPlan) empty() bool {
	if len(n.Select) > 0 {
		return false
	}
	for _, c := range n.Embeds {
		if !c.empty() {
			return false
		}
	}
	return true
}

func (n *ReadPlan) embedJSON() sqlast.Expr {
	agg := sqlast.Ref{Name: n.Agg}
	if n.Rel.ToOne {
		return n.printed(sqlast.Call{Fn: sqlast.FnRowToJSON, Args: []sqlast.Expr{sqlast.Star{Of: agg}}})
	}
	return n.printed(sqlast.Call{Fn: sqlast.FnCoalesce, Args: []sqlast.Expr{
		sqlast.Column{Of: agg, Name: n.Agg}, sqlast.Literal("[]")}})
}

// printed is JSON in the form in which the body shows it.
func (n *ReadPlan) printed(json sqlast.Expr) sqlast.Expr {
	if n.jsonb {
		return sqlast.AsBuiltin{Expr: json, Type: sqlast.TypeJSONB}
	}
	return json
}

// printFor tells the embeds how the body shows them. Inside of JSON it makes no
// difference but to blanks and the order of members; a body of another form
// shows their text, and that is jsonb's. exact asks for it everywhere.
func (n *ReadPlan) printFor(m Media, exact bool) {
	for _, c := range n.Embeds {
		c.jsonb = exact || m.Kind == CSV || m.Kind == Custom
		c.printFor(m, exact)
	}
}

var aggregateFunctions = map[request.Aggregate]sqlast.Builtin{
	request.Sum: sqlast.FnSum, request.Avg: sqlast.FnAvg, request.Count: sqlast.FnCount,
	request.Max: sqlast.FnMax, request.Min: sqlast.FnMin,
}

// query is the level as a query, its embeds joined to it.
func (n *ReadPlan) query() *sqlast.Select { return n.queryFor(false) }

// queryFor is query; expand is set when the level above needs the columns one by one.
func (n *ReadPlan) queryFor(expand bool) *sqlast.Select {
	grouped := !n.hoists() && n.aggregated()
	s := &sqlast.Select{From: n.From, Where: append(n.Where[:len(n.Where):len(n.Where)], n.Conds...),
		Order: n.Order, Offset: n.Range.Offset}
	if n.Range.HasLimit {
		s.Limit = &n.Range.Limit
	}
	if len(n.Select) == 0 && len(n.Embeds) == 0 {
		s.Output = []sqlast.Output{{Expr: sqlast.Star{Of: n.Scope}}}
	}
	for _, o := range n.outputs(expand || grouped) {
		e := o.expr
		switch {
		case o.agg != request.NoAggregate && !n.hoists():
			if o.count {
				e = sqlast.CountAll{}
			} else {
				e = sqlast.Call{Fn: aggregateFunctions[o.agg], Args: []sqlast.Expr{e}}
			}
			e = castTo(e, o.aggCast)
		case grouped:
			if o.embed {
				e = sqlast.AsBuiltin{Expr: e, Type: sqlast.TypeJSONB} // json cannot be compared
			}
			if o.group != nil {
				s.Group = append(s.Group, o.group)
			} else {
				s.Group = append(s.Group, sqlast.Int(len(s.Output)+1))
			}
		}
		name := o.name
		if o.star {
			name = ""
		}
		s.Output = append(s.Output, sqlast.Output{Expr: e, As: name})
	}
	for _, c := range n.Embeds {
		s.Joins = append(s.Joins, c.join(expand || grouped))
	}
	s.Output = append(s.Output, n.extra...)
	return s
}

// join is the embed as a lateral join of the level above.
func (n *ReadPlan) join(expand bool) sqlast.Join {
	j := sqlast.Join{Inner: n.Join == request.InnerJoin, As: n.Agg}
	expand = n.Spread && (expand || n.spreadsMany())
	q := n.queryFor(expand)
	if n.Rel.ToOne {
		j.Query = q
		return j
	}
	row := sqlast.Ref{Name: n.Agg}
	outer := &sqlast.Select{
		Output: []sqlast.Output{{Expr: sqlast.Call{Fn: sqlast.FnJSONAgg, Args: []sqlast.Expr{sqlast.Star{Of: row}}}, As: n.Agg}},
		From:   []sqlast.From{sqlast.Sub{Query: q, As: n.Agg}},
	}
	if n.Spread {
		for _, o := range n.outputs(true) {
			outer.Output = append(outer.Output, sqlast.Output{As: o.name, Expr: n.printed(sqlast.Call{Fn: sqlast.FnCoalesce, Args: []sqlast.Expr{
				sqlast.Call{Fn: sqlast.FnJSONAgg, Args: []sqlast.Expr{sqlast.Column{Of: row, Name: o.name}}, Order: n.extraOrder},
				sqlast.Literal("[]")}})})
		}
	}
	j.Query = outer
	if j.Inner {
		j.On = sqlast.IsTest{Expr: sqlast.Column{Of: row, Name: n.Agg}, Value: request.IsNotNull}
	}
	return j
}

// countQuery gives one row for every row of the level, whatever its window.
// Embeds that filter it become conditions.
func (n *ReadPlan) countQuery() *sqlast.Select {
	s := &sqlast.Select{Output: []sqlast.Output{{Expr: sqlast.Int(1)}}, From: n.From}
	for _, f := range n.filters {
		s.Where = append(s.Where, n.condition(f, func(c *ReadPlan, present bool) sqlast.Expr {
			return negate(!present, sqlast.Exists{Query: c.countQuery()})
		}))
	}
	s.Where = append(s.Where, n.Conds...)
	for _, c := range n.Embeds {
		if c.Join == request.InnerJoin {
			s.Where = append(s.Where, sqlast.Exists{Query: c.countQuery()})
		}
	}
	return s
}
