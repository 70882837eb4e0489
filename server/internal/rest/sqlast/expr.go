package sqlast

import (
	"strings"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
)

// Expr is an expression.
type Expr interface{ expr(*writer) }

// Column is a column of a relation in scope.
type Column struct {
	Of   Ref
	Name string
}

// Star is all columns of a relation in scope, of all when Of is empty.
type Star struct{ Of Ref }

// Row is a whole row of the relation with that name in scope.
type Row struct{ Name string }

// Name is an identifier alone: an output column where one may be named.
type Name string

// Param is a parameter whose type PostgreSQL infers.
type Param string

// Bytes is a parameter like Param that is already a byte slice.
type Bytes []byte

// Int is an integer constant made by the server.
type Int int64

// Literal is a string constant made by the server or the catalog.
type Literal string

// Null is the null constant.
type Null struct{}

// Text is an expression from the catalog.
type Text catalog.Text

// As is a cast to a type from the catalog.
type As struct {
	Expr Expr
	Type catalog.Text
}

// AsBuiltin is a cast to one of the types the engine itself names.
type AsBuiltin struct {
	Expr Expr
	Type Type
}

// AsRow is a cast to the row type of a relation.
type AsRow struct {
	Expr Expr
	Type Ref
}

// Type is a type the engine names.
type Type struct{ name string }

// The types the engine names.
var (
	TypeInt       = Type{"int"}
	TypeBigint    = Type{"bigint"}
	TypeText      = Type{"text"}
	TypeTextArray = Type{"text[]"}
	TypeJSON      = Type{"json"}
	TypeJSONB     = Type{"jsonb"}
)

// CastTo is a cast to a type that the client has named.
type CastTo struct {
	Expr Expr
	Type TypeName
}

// TypeName is the checked name of a type: plain words.
type TypeName struct{ name string }

// NewTypeName checks a type's name. Words begin with a letter or an underscore
// and hold letters, digits, underscores and dollar signs.
func NewTypeName(name string) (TypeName, bool) {
	words := strings.Fields(name)
	if len(words) == 0 {
		return TypeName{}, false
	}
	for _, word := range words {
		for i, r := range word {
			letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r >= 0x80
			if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '$')) {
				return TypeName{}, false
			}
		}
	}
	return TypeName{strings.Join(words, " ")}, true
}

// Builtin is a function of PostgreSQL, or of the server's own schema, that the engine calls.
type Builtin struct{ name string }

// The functions the engine calls.
var (
	FnCount          = Builtin{"count"}
	FnCoalesce       = Builtin{"coalesce"}
	FnNullIf         = Builtin{"nullif"}
	FnCurrentSetting = Builtin{"current_setting"}
	FnSetConfig      = Builtin{"set_config"}
	FnJSONAgg        = Builtin{"json_agg"}
	FnRowToJSON      = Builtin{"row_to_json"}
	FnToJSONB        = Builtin{"to_jsonb"}
	FnStripNulls     = Builtin{"json_strip_nulls"}
	FnBuildArray     = Builtin{"json_build_array"}
	FnBuildObjectB   = Builtin{"jsonb_build_object"}
	FnBuildObject    = Builtin{"json_build_object"}
	FnToTSVector     = Builtin{"to_tsvector"}
	FnToTSQuery      = Builtin{"to_tsquery"}
	FnPlainQuery     = Builtin{"plainto_tsquery"}
	FnPhraseQuery    = Builtin{"phraseto_tsquery"}
	FnWebQuery       = Builtin{"websearch_to_tsquery"}
	FnExpectRows     = Builtin{"suparust.expect_rows"}
	FnStringAgg      = Builtin{"string_agg"}
	FnSubstring      = Builtin{"substring"}
	FnLength         = Builtin{"length"}
	FnSum            = Builtin{"sum"}
	FnAvg            = Builtin{"avg"}
	FnMax            = Builtin{"max"}
	FnMin            = Builtin{"min"}
	FnGeoJSON        = Builtin{"st_asgeojson"}
)

// Call is a call of a built-in function.
type Call struct {
	Fn   Builtin
	Args []Expr
	// Order sorts the input of an aggregate.
	Order []Order
}

// CountAll is count(*).
type CountAll struct{}

// NamedArg is an argument in named notation; an empty name is positional.
type NamedArg struct {
	Name     string
	Value    Expr
	Variadic bool
}

// CallRef is a call of a function of the database.
type CallRef struct {
	Fn   Ref
	Args []NamedArg
}

// BinaryOp is an operator between two expressions.
type BinaryOp struct{ sql string }

// The binary operators.
var (
	Eq             = BinaryOp{"="}
	Ne             = BinaryOp{"<>"}
	Gt             = BinaryOp{">"}
	Ge             = BinaryOp{">="}
	Lt             = BinaryOp{"<"}
	Le             = BinaryOp{"<="}
	Like           = BinaryOp{"like"}
	ILike          = BinaryOp{"ilike"}
	Match          = BinaryOp{"~"}
	IMatch         = BinaryOp{"~*"}
	Contains       = BinaryOp{"@>"}
	ContainedBy    = BinaryOp{"<@"}
	Overlaps       = BinaryOp{"&&"}
	StrictlyLeft   = BinaryOp{"<<"}
	StrictlyRight  = BinaryOp{">>"}
	NotExtendRight = BinaryOp{"&<"}
	NotExtendLeft  = BinaryOp{"&>"}
	Adjacent       = BinaryOp{"-|-"}
	DistinctFrom   = BinaryOp{"is distinct from"}
	NotDistinct    = BinaryOp{"is not distinct from"}
	TSMatch        = BinaryOp{"@@"}
	Concat         = BinaryOp{"||"}
	Minus          = BinaryOp{"-"}
	Plus           = BinaryOp{"+"}
	Arrow          = BinaryOp{"->"}
)

// Binary joins two expressions; with a quantifier the right one is an array.
type Binary struct {
	Op          BinaryOp
	Left, Right Expr
	Quant       request.Quantifier
}

// IsTest is "expr IS value".
type IsTest struct {
	Expr  Expr
	Value request.IsValue
}

// Not negates.
type Not struct{ Expr Expr }

// Group joins conditions with AND, or OR.
type Group struct {
	Or    bool
	Items []Expr
}

// Paren puts parentheses around an expression.
type Paren struct{ Expr Expr }

// Path follows a JSON path.
type Path struct {
	Base  Expr
	Steps []request.JSONStep
}

// Exists is true when the query gives a row.
type Exists struct{ Query Query }

// Scalar is a query that gives one value.
type Scalar struct{ Query Query }

// Case is "case when cond then expr else other end".
type Case struct{ When, Then, Else Expr }

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

func (c Case) expr(w *writer) {
	w.raw("case when ")
	c.When.expr(w)
	w.raw(" then ")
	c.Then.expr(w)
	w.raw(" else ")
	c.Else.expr(w)
	w.raw(" end")
}
