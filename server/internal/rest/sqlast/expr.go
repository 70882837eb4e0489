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
	FnLeft           = Builtin{"left"}
	FnRight          = Builtin{"right"}
	FnSum            = Builtin{"sum"}
	FnAvg            = Builtin{"avg"}
	FnMax            = Builtin{"max"}
	FnMin            = Builtin{"min"}
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
	HasKey         = BinaryOp{"?"}
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

// ArrayOf is the array of the values that a query gives.
type ArrayOf struct{ Query Query }

// Case is "case when cond then expr else other end".
type Case struct{ When, Then, Else Expr }
