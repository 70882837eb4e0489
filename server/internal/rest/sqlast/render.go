package sqlast

import (
	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
)

func (c Column) expr(w *writer) {
	if c.Of.Name != "" {
		w.ref(c.Of)
		w.raw(".")
	}
	w.ident(c.Name)
}

func (s Star) expr(w *writer) {
	if s.Of.Name != "" {
		w.ref(s.Of)
		w.raw(".")
	}
	w.raw("*")
}

func (r Row) expr(w *writer)     { w.ident(r.Name) }
func (n Name) expr(w *writer)    { w.ident(string(n)) }
func (p Param) expr(w *writer)   { w.param([]byte(p)) }
func (b Bytes) expr(w *writer)   { w.param(b) }
func (n Int) expr(w *writer)     { w.int(int64(n)) }
func (l Literal) expr(w *writer) { w.literal(string(l)) }
func (Null) expr(w *writer)      { w.raw("null") }
func (t Text) expr(w *writer)    { w.text(catalog.Text(t)) }

func (a As) expr(w *writer) {
	a.Expr.expr(w)
	w.raw("::")
	w.text(a.Type)
}

func (a AsBuiltin) expr(w *writer) {
	a.Expr.expr(w)
	w.raw("::")
	w.raw(a.Type.name)
}

func (a AsRow) expr(w *writer) {
	a.Expr.expr(w)
	w.raw("::")
	w.ref(a.Type)
}

func (c CastTo) expr(w *writer) {
	w.raw("cast(")
	c.Expr.expr(w)
	w.raw(" as ")
	w.raw(c.Type.name)
	w.raw(")")
}

func (c Call) expr(w *writer) {
	w.raw(c.Fn.name)
	w.raw("(")
	writeList(w, ", ", c.Args, func(e Expr) { e.expr(w) })
	writeOrder(w, c.Order)
	w.raw(")")
}

func (CountAll) expr(w *writer) { w.raw("count(*)") }

func (c CallRef) expr(w *writer) {
	w.ref(c.Fn)
	w.raw("(")
	writeList(w, ", ", c.Args, func(a NamedArg) {
		if a.Variadic {
			w.raw("variadic ")
		}
		if a.Name != "" {
			w.ident(a.Name)
			w.raw(" := ")
		}
		a.Value.expr(w)
	})
	w.raw(")")
}

func (b Binary) expr(w *writer) {
	b.Left.expr(w)
	w.raw(" ")
	w.raw(b.Op.sql)
	w.raw(" ")
	switch b.Quant {
	case request.Any:
		w.raw("any(")
		b.Right.expr(w)
		w.raw(")")
	case request.All:
		w.raw("all(")
		b.Right.expr(w)
		w.raw(")")
	default:
		b.Right.expr(w)
	}
}

func (t IsTest) expr(w *writer) {
	t.Expr.expr(w)
	switch t.Value {
	case request.IsNull:
		w.raw(" is null")
	case request.IsNotNull:
		w.raw(" is not null")
	case request.IsTrue:
		w.raw(" is true")
	case request.IsFalse:
		w.raw(" is false")
	case request.IsUnknown:
		w.raw(" is unknown")
	}
}

func (n Not) expr(w *writer) {
	w.raw("not ")
	n.Expr.expr(w)
}

func (g Group) expr(w *writer) {
	w.raw("(")
	sep := " and "
	if g.Or {
		sep = " or "
	}
	writeList(w, sep, g.Items, func(e Expr) { e.expr(w) })
	w.raw(")")
}

func (p Paren) expr(w *writer) {
	w.raw("(")
	p.Expr.expr(w)
	w.raw(")")
}

func (p Path) expr(w *writer) {
	p.Base.expr(w)
	for _, s := range p.Steps {
		if s.Text {
			w.raw("->>")
		} else {
			w.raw("->")
		}
		w.param([]byte(s.Key))
		if s.Index {
			w.raw("::int")
		}
	}
}

func (e Exists) expr(w *writer) {
	w.raw("exists (")
	e.Query.query(w)
	w.raw(")")
}

func (s Scalar) expr(w *writer) {
	w.raw("(")
	s.Query.query(w)
	w.raw(")")
}

func (a ArrayOf) expr(w *writer) {
	w.raw("array(")
	a.Query.query(w)
	w.raw(")")
}

func (c Case) expr(w *writer) {
	w.raw("case when ")
	c.When.expr(w)
	w.raw(" then ")
	c.Then.expr(w)
	w.raw(" else ")
	c.Else.expr(w)
	w.raw(" end")
}
