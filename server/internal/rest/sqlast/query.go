package sqlast

import (
	"slices"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
)

// Output is a column of a select list.
type Output struct {
	Expr Expr
	As   string
}

// Order is a sort term.
type Order struct {
	Expr      Expr
	Direction request.Direction
	Nulls     request.Nulls
}

// From is something rows come from.
type From interface{ from(*writer) }

// Table is a relation.
type Table struct {
	Ref Ref
	As  string
}

// FunctionRows are the rows of a function.
type FunctionRows struct {
	Call CallRef
	As   string
}

// Elements are the elements of an array; the column has the alias's name.
type Elements struct {
	Array Expr
	As    string
}

// Sub is a subquery.
type Sub struct {
	Query   Query
	As      string
	Lateral bool
}

// Record turns JSON into typed rows.
type Record struct {
	Fn      RecordFn
	Arg     Expr
	As      string
	Columns []TypedColumn
	Lateral bool
}

// TypedColumn is a column with its declared type.
type TypedColumn struct {
	Name string
	Type catalog.Text
}

// RecordFn is a function that turns JSON into rows.
type RecordFn struct{ name string }

// The functions that turn JSON into rows. The last two take no column list.
var (
	JSONRecord     = RecordFn{"json_to_record"}
	JSONRecordset  = RecordFn{"json_to_recordset"}
	JSONBRecord    = RecordFn{"jsonb_to_record"}
	JSONBRecordset = RecordFn{"jsonb_to_recordset"}
	JSONElements   = RecordFn{"json_array_elements"}
	JSONBElements  = RecordFn{"jsonb_array_elements"}
	JSONEachText   = RecordFn{"json_each_text"}
	JSONKeys       = RecordFn{"json_object_keys"}
)

// OneRow gives one row of no interest.
type OneRow struct{ As string }

// Join is a lateral join.
type Join struct {
	Inner bool
	Query Query
	As    string
	On    Expr // nil is true
}

// With is a common table expression.
type With struct {
	Name         string
	Query        Query
	Materialized bool
}

// Select is a query.
type Select struct {
	With   []With
	Output []Output
	From   []From
	Joins  []Join
	Where  []Expr
	Group  []Expr
	Order  []Order
	Limit  *int64
	Offset int64
	// All are further rows, behind those of the query.
	All *Select
}

// Conflict says what an insert does with a duplicate.
type Conflict struct {
	Columns []string
	// Update sets these columns to the excluded row's; none does nothing.
	Update []string
	// Where limits the update.
	Where Expr
}

// Insert adds the rows of a query.
type Insert struct {
	Into      Ref
	Columns   []string
	Source    Query
	Conflict  *Conflict
	Returning []Expr
}

// Update changes rows.
type Update struct {
	Table     Ref
	Set       []string
	Source    string // alias of the row the values come from
	From      []From
	Where     []Expr
	Returning []Expr
}

// Delete removes rows.
type Delete struct {
	Table     Ref
	Where     []Expr
	Returning []Expr
}

// Explain asks for the plan of a query. Options are names from a fixed set.
type Explain struct {
	Query   Query
	JSON    bool
	Options []string
}

func (t Table) from(w *writer) {
	w.ref(t.Ref)
	if t.As != "" {
		w.raw(" as ")
		w.ident(t.As)
	}
}

func (f FunctionRows) from(w *writer) {
	f.Call.expr(w)
	w.raw(" as ")
	w.ident(f.As)
}

func (e Elements) from(w *writer) {
	w.raw("unnest(")
	e.Array.expr(w)
	w.raw(") as ")
	w.ident(e.As)
}

func (s Sub) from(w *writer) {
	if s.Lateral {
		w.raw("lateral ")
	}
	w.raw("(")
	s.Query.query(w)
	w.raw(") as ")
	w.ident(s.As)
}

func (r Record) from(w *writer) {
	if r.Lateral {
		w.raw("lateral ")
	}
	w.raw(r.Fn.name)
	w.raw("(")
	r.Arg.expr(w)
	w.raw(") as ")
	w.ident(r.As)
	if len(r.Columns) > 0 {
		w.raw("(")
		writeList(w, ", ", r.Columns, func(c TypedColumn) {
			w.ident(c.Name)
			w.raw(" ")
			w.text(c.Type)
		})
		w.raw(")")
	}
}

func (o OneRow) from(w *writer) {
	w.raw("(values (1)) as ")
	w.ident(o.As)
}

func (s *Select) query(w *writer) {
	if len(s.With) > 0 {
		w.raw("with ")
		writeList(w, ", ", s.With, func(c With) {
			w.ident(c.Name)
			w.raw(" as ")
			if c.Materialized {
				w.raw("materialized ")
			}
			w.raw("(")
			c.Query.query(w)
			w.raw(")")
		})
		w.raw(" ")
	}
	w.raw("select ")
	writeList(w, ", ", s.Output, func(o Output) {
		o.Expr.expr(w)
		if o.As != "" {
			w.raw(" as ")
			w.ident(o.As)
		}
	})
	if len(s.From) > 0 {
		w.raw(" from ")
		writeList(w, ", ", s.From, func(f From) { f.from(w) })
	}
	for _, j := range s.Joins {
		if j.Inner {
			w.raw(" inner join lateral (")
		} else {
			w.raw(" left join lateral (")
		}
		j.Query.query(w)
		w.raw(") as ")
		w.ident(j.As)
		w.raw(" on ")
		if j.On == nil {
			w.raw("true")
		} else {
			j.On.expr(w)
		}
	}
	writeWhere(w, s.Where)
	if len(s.Group) > 0 {
		w.raw(" group by ")
		writeList(w, ", ", s.Group, func(e Expr) { e.expr(w) })
	}
	writeOrder(w, s.Order)
	if s.Limit != nil {
		w.raw(" limit ")
		w.int(*s.Limit)
	}
	if s.Offset > 0 {
		w.raw(" offset ")
		w.int(s.Offset)
	}
	if s.All != nil {
		w.raw(" union all ")
		s.All.query(w)
	}
}

func writeWhere(w *writer, where []Expr) {
	if len(where) > 0 {
		w.raw(" where ")
		writeList(w, " and ", where, func(e Expr) { e.expr(w) })
	}
}

func writeOrder(w *writer, order []Order) {
	if len(order) == 0 {
		return
	}
	w.raw(" order by ")
	writeList(w, ", ", order, func(o Order) {
		o.Expr.expr(w)
		switch o.Direction {
		case request.Asc:
			w.raw(" asc")
		case request.Desc:
			w.raw(" desc")
		}
		switch o.Nulls {
		case request.NullsFirst:
			w.raw(" nulls first")
		case request.NullsLast:
			w.raw(" nulls last")
		}
	})
}

func writeReturning(w *writer, exprs []Expr) {
	w.raw(" returning ")
	if len(exprs) == 0 {
		w.raw("1")
		return
	}
	writeList(w, ", ", exprs, func(e Expr) { e.expr(w) })
}

func (i *Insert) query(w *writer) {
	w.raw("insert into ")
	w.ref(i.Into)
	if len(i.Columns) > 0 {
		w.raw("(")
		writeList(w, ", ", i.Columns, w.ident)
		w.raw(")")
	}
	w.raw(" ")
	i.Source.query(w)
	if c := i.Conflict; c != nil {
		w.raw(" on conflict (")
		writeList(w, ", ", c.Columns, w.ident)
		w.raw(") do ")
		if len(c.Update) == 0 {
			w.raw("nothing")
		} else {
			w.raw("update set ")
			writeList(w, ", ", c.Update, func(name string) {
				w.ident(name)
				w.raw(" = excluded.")
				w.ident(name)
			})
			if c.Where != nil {
				w.raw(" where ")
				c.Where.expr(w)
			}
		}
	}
	writeReturning(w, i.Returning)
}

func (u *Update) query(w *writer) {
	w.raw("update ")
	w.ref(u.Table)
	w.raw(" set ")
	writeList(w, ", ", u.Set, func(name string) {
		w.ident(name)
		w.raw(" = ")
		w.ident(u.Source)
		w.raw(".")
		w.ident(name)
	})
	if len(u.From) > 0 {
		w.raw(" from ")
		writeList(w, ", ", u.From, func(f From) { f.from(w) })
	}
	writeWhere(w, u.Where)
	writeReturning(w, u.Returning)
}

func (d *Delete) query(w *writer) {
	w.raw("delete from ")
	w.ref(d.Table)
	writeWhere(w, d.Where)
	writeReturning(w, d.Returning)
}

func (e Explain) query(w *writer) {
	if e.JSON {
		w.raw("explain (format json")
	} else {
		w.raw("explain (format text")
	}
	for _, o := range [...]string{"analyze", "verbose", "settings", "buffers", "wal"} {
		if slices.Contains(e.Options, o) {
			w.raw(", " + o)
		}
	}
	w.raw(") ")
	e.Query.query(w)
}
