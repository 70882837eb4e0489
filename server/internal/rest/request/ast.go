package request

// Field is a column with an optional path into its JSON value.
type Field struct {
	Name string
	Path []JSONStep
}

// JSONStep is one arrow of a JSON path.
type JSONStep struct {
	// Text is true for ->>, false for ->.
	Text bool
	// Key is the member name, or the digits of an index.
	Key string
	// Index is true when Key is an array index.
	Index bool
}

// OutputName is the key under which an unaliased field is shown: the last
// member name of its path, or the name of the column.
func (f Field) OutputName() string {
	for i := len(f.Path) - 1; i >= 0; i-- {
		if !f.Path[i].Index {
			return f.Path[i].Key
		}
	}
	return f.Name
}

// Aggregate is an aggregate function of the select list.
type Aggregate uint8

// The aggregate functions.
const (
	NoAggregate Aggregate = iota
	Sum
	Avg
	Count
	Max
	Min
)

// String is the function's name.
func (a Aggregate) String() string {
	return [...]string{"", "sum", "avg", "count", "max", "min"}[a]
}

// JoinType says whether an embedded resource filters its parent.
type JoinType uint8

// The join types of an embed.
const (
	LeftJoin JoinType = iota
	InnerJoin
)

// SelectItem is an item of the select list: *SelectField or *SelectRelation.
type SelectItem interface{ selectItem() }

// SelectField is a column, a JSON path into one, an aggregate, or all columns.
type SelectField struct {
	// Star is set for all columns and for count(); Field is empty then.
	Star          bool
	Field         Field
	Alias         string
	Cast          string
	Aggregate     Aggregate
	AggregateCast string
}

// SelectRelation is an embedded resource with its own select list.
type SelectRelation struct {
	Name   string
	Alias  string
	Hint   string
	Join   JoinType
	Spread bool
	Items  []SelectItem
}

func (*SelectField) selectItem()    {}
func (*SelectRelation) selectItem() {}

// IsStar is true for the item that stands for all columns.
func (f *SelectField) IsStar() bool {
	return f.Star && f.Aggregate == NoAggregate
}

// OutputName is the key under which the item is shown.
func (f *SelectField) OutputName() string {
	switch {
	case f.Alias != "":
		return f.Alias
	case f.Aggregate != NoAggregate:
		return f.Aggregate.String()
	default:
		return f.Field.OutputName()
	}
}

// Operator is a filter operator.
type Operator uint8

// The filter operators.
const (
	OpEq Operator = iota + 1
	OpNeq
	OpGt
	OpGte
	OpLt
	OpLte
	OpLike
	OpILike
	OpMatch
	OpIMatch
	OpContains
	OpContained
	OpOverlaps
	OpStrictlyLeft
	OpStrictlyRight
	OpNotExtendsRight
	OpNotExtendsLeft
	OpAdjacent
	OpIn
	OpIs
	OpIsDistinct
	OpFts
	OpFtsPlain
	OpFtsPhrase
	OpFtsWeb
)

// Quantifier modifies an operator to compare with any or all elements of an array.
type Quantifier uint8

// The quantifiers.
const (
	NoQuantifier Quantifier = iota
	Any
	All
)

// IsValue is the operand of the is operator.
type IsValue uint8

// The operands of is.
const (
	IsNull IsValue = iota + 1
	IsNotNull
	IsTrue
	IsFalse
	IsUnknown
)

// OpExpr is an operator with its operand.
type OpExpr struct {
	Not   bool
	Op    Operator
	Quant Quantifier
	Is    IsValue
	// Value is the operand of every operator but in and is.
	Value string
	// List holds the elements of in; an empty list matches nothing.
	List []string
	// Config is the text search configuration of the fts operators, if HasConfig.
	Config    string
	HasConfig bool
}

// Logic is a condition: *Filter or *LogicGroup.
type Logic interface{ logic() }

// Filter compares a field.
type Filter struct {
	Field Field
	Expr  OpExpr
}

// LogicGroup joins conditions with and/or.
type LogicGroup struct {
	Not   bool
	Or    bool
	Items []Logic
}

func (*Filter) logic()     {}
func (*LogicGroup) logic() {}

// Direction of an order term.
type Direction uint8

// The directions.
const (
	DefaultDirection Direction = iota
	Asc
	Desc
)

// Nulls is the place of null values in an order.
type Nulls uint8

// The places of nulls.
const (
	DefaultNulls Nulls = iota
	NullsFirst
	NullsLast
)

// OrderTerm is one term of an order list.
type OrderTerm struct {
	// Relation names an embedded to-one resource whose field orders the parent; usually empty.
	Relation  string
	Field     Field
	Direction Direction
	Nulls     Nulls
}

// Range is a window over rows.
type Range struct {
	Offset   int64
	Limit    int64
	HasLimit bool
}

// IsAll is true when the range restricts nothing.
func (r Range) IsAll() bool { return !r.HasLimit && r.Offset == 0 }

// Cap returns the range with at most n rows; n <= 0 means no cap.
func (r Range) Cap(n int) Range {
	if n > 0 && (!r.HasLimit || r.Limit > int64(n)) {
		r.Limit, r.HasLimit = int64(n), true
	}
	return r
}

// At attaches something to an embed path; an empty path is the root.
type At[T any] struct {
	Path []string
	Item T
}

// Argument is a function argument of the query string.
type Argument struct{ Name, Value string }

// Query is a parsed query string.
type Query struct {
	// HasSelect is false when no select parameter was given; Select is then all columns.
	HasSelect bool
	Select    []SelectItem
	Filters   []At[*Filter]
	Logic     []At[*LogicGroup]
	Order     []At[[]OrderTerm]
	Ranges    []At[Range]
	// Columns is the columns parameter, when HasColumns.
	Columns    []string
	HasColumns bool
	// OnConflict is the on_conflict parameter, when HasOnConflict.
	OnConflict    []string
	HasOnConflict bool
	// Arguments are the parameters of a function read that are no filters.
	Arguments []Argument
	// Canonical is the query string sorted by key and encoded again.
	Canonical string
}
