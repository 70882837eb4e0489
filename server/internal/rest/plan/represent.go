package plan

import (
	"slices"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/rest/sqlast"
)

// representation is how the values of a column are shown and read, nil when as
// they are. What a JSON path leads to is no value of the column.
func (n *ReadPlan) representation(f request.Field) *catalog.Representation {
	if n.Columns == nil || len(f.Path) > 0 {
		return nil
	}
	if c := n.Columns.Column(f.Name); c != nil {
		return c.Representation
	}
	return nil
}

// represented is true when a column is shown otherwise than it is.
func (n *ReadPlan) represented() bool {
	return n.Columns != nil && slices.ContainsFunc(n.Columns.Columns, func(c *catalog.Column) bool {
		return c.Representation != nil && c.Representation.ToJSON != nil
	})
}

// shown completes the output of a field. A value that a function shows is JSON,
// which cannot be compared: it is grouped by as it is stored.
func (n *ReadPlan) shown(o output, f request.Field, cast string) output {
	o.expr = n.field(f)
	if r := n.representation(f); r != nil && r.ToJSON != nil {
		o.group = o.expr
		o.expr = convert(*r.ToJSON, o.expr)
	}
	o.expr = castTo(o.expr, cast)
	return o
}

// convert calls the function of a cast.
func convert(fn catalog.Name, value sqlast.Expr) sqlast.Expr {
	return sqlast.CallRef{Fn: sqlast.RefOf(fn), Args: []sqlast.NamedArg{{Value: value}}}
}

// reader is the function that reads the operand of a filter, nil when
// PostgreSQL does.
func (n *ReadPlan) reader(f request.Field) *catalog.Name {
	if r := n.representation(f); r != nil {
		return r.FromText
	}
	return nil
}

func readOperand(reader *catalog.Name, e request.OpExpr) sqlast.Expr {
	switch {
	case reader == nil:
		return sqlast.Param(e.Value)
	case e.Quant != request.NoQuantifier:
		return readAll(reader, e.Value)
	default:
		return convert(*reader, sqlast.AsBuiltin{Expr: sqlast.Param(e.Value), Type: sqlast.TypeText})
	}
}

// readAll reads every element of an array literal.
func readAll(reader *catalog.Name, literal string) sqlast.Expr {
	if reader == nil {
		return sqlast.Param(literal)
	}
	const element = "pgrst_element"
	return sqlast.ArrayOf{Query: &sqlast.Select{
		Output: []sqlast.Output{{Expr: convert(*reader, sqlast.Name(element))}},
		From:   []sqlast.From{sqlast.Elements{Array: sqlast.AsBuiltin{Expr: sqlast.Param(literal), Type: sqlast.TypeTextArray}, As: element}},
	}}
}

// reads is true for a column whose members of a body are read by a function.
func reads(c *catalog.Column) bool {
	return c.Representation != nil && c.Representation.FromJSON != nil
}

// readRows are payloadRows where functions read some of the columns. Those are
// taken out of the body as JSON. A default is a stored value and not read: the
// column gets it where the element has no such member.
func (p *planner) readRows(cols []*catalog.Column) []sqlast.From {
	const raw, value = "_", "value"
	pay := p.req.Payload
	doc := sqlast.Column{Of: sqlast.Ref{Name: docName}, Name: value}
	withDefaults := p.req.Prefs.Missing == request.MissingDefault
	out := &sqlast.Select{}
	rec := sqlast.Record{Fn: sqlast.JSONRecord, As: raw}
	var defaults []sqlast.Expr
	for _, c := range cols {
		typed := sqlast.TypedColumn{Name: c.Name, Type: c.Type}
		var e sqlast.Expr = sqlast.Column{Of: sqlast.Ref{Name: raw}, Name: c.Name}
		defaulted := withDefaults && !c.Default.IsZero()
		switch {
		case reads(c):
			typed.Type = catalog.Trusted("json")
			e = convert(*c.Representation.FromJSON, e)
			if defaulted {
				e = sqlast.Case{When: sqlast.Binary{Op: sqlast.HasKey, Left: doc, Right: sqlast.Literal(c.Name)}, Then: e,
					Else: sqlast.As{Expr: sqlast.Paren{Expr: sqlast.Text(c.Default)}, Type: c.Type}}
			}
		case defaulted:
			defaults = append(defaults, sqlast.Literal(c.Name), sqlast.Text(c.Default))
		}
		rec.Columns = append(rec.Columns, typed)
		out.Output = append(out.Output, sqlast.Output{Expr: e, As: c.Name})
	}
	switch {
	case withDefaults:
		body := typedBody(pay.JSON, sqlast.TypeJSONB)
		if pay.Array {
			out.From = append(out.From, sqlast.Record{Fn: sqlast.JSONBElements, Arg: body, As: docName})
		} else {
			out.From = append(out.From, sqlast.Sub{As: docName, Query: &sqlast.Select{Output: []sqlast.Output{{Expr: body, As: value}}}})
		}
		rec.Fn, rec.Arg, rec.Lateral = sqlast.JSONBRecord, doc, true
		if len(defaults) > 0 {
			rec.Arg = sqlast.Binary{Op: sqlast.Concat, Left: defaultsObject(defaults), Right: doc}
		}
	case pay.Array:
		rec.Fn, rec.Arg = sqlast.JSONRecordset, typedBody(pay.JSON, sqlast.TypeJSON)
	default:
		rec.Arg = typedBody(pay.JSON, sqlast.TypeJSON)
	}
	out.From = append(out.From, rec)
	return []sqlast.From{sqlast.Sub{As: bodyName, Query: out}}
}
