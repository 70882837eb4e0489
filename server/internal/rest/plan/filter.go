package plan

import (
	"strings"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/rest/sqlast"
)

// field is the expression of a column with its JSON path. Only json and jsonb
// are followed as they are, which lets indexes on the expression work; any
// other type is turned into jsonb first.
func (n *ReadPlan) field(f request.Field) sqlast.Expr {
	var base sqlast.Expr = sqlast.Column{Of: n.Scope, Name: f.Name}
	json := false
	if n.Columns != nil {
		if c := n.Columns.Column(f.Name); c != nil {
			json = c.JSON
		}
	}
	return path(base, f.Path, json)
}

func path(base sqlast.Expr, steps []request.JSONStep, json bool) sqlast.Expr {
	if len(steps) == 0 {
		return base
	}
	if !json {
		base = sqlast.Call{Fn: sqlast.FnToJSONB, Args: []sqlast.Expr{base}}
	}
	return sqlast.Path{Base: base, Steps: steps}
}

// condition turns a filter or a tree of filters into an expression. presence
// answers null filters on embeds.
func (n *ReadPlan) condition(l request.Logic, presence func(c *ReadPlan, present bool) sqlast.Expr) sqlast.Expr {
	switch l := l.(type) {
	case *request.LogicGroup:
		items := make([]sqlast.Expr, len(l.Items))
		for i, item := range l.Items {
			items[i] = n.condition(item, presence)
		}
		return negate(l.Not, sqlast.Group{Or: l.Or, Items: items})
	case *request.Filter:
		if c := n.nullEmbed(l); c != nil {
			return presence(c, l.Expr.Not)
		}
		return n.compare(l)
	}
	return nil
}

func negate(not bool, e sqlast.Expr) sqlast.Expr {
	if not {
		return sqlast.Not{Expr: e}
	}
	return e
}

var operators = map[request.Operator]sqlast.BinaryOp{
	request.OpEq: sqlast.Eq, request.OpNeq: sqlast.Ne, request.OpGt: sqlast.Gt, request.OpGte: sqlast.Ge,
	request.OpLt: sqlast.Lt, request.OpLte: sqlast.Le, request.OpLike: sqlast.Like, request.OpILike: sqlast.ILike,
	request.OpMatch: sqlast.Match, request.OpIMatch: sqlast.IMatch, request.OpContains: sqlast.Contains,
	request.OpContained: sqlast.ContainedBy, request.OpOverlaps: sqlast.Overlaps,
	request.OpStrictlyLeft: sqlast.StrictlyLeft, request.OpStrictlyRight: sqlast.StrictlyRight,
	request.OpNotExtendsRight: sqlast.NotExtendRight, request.OpNotExtendsLeft: sqlast.NotExtendLeft,
	request.OpAdjacent: sqlast.Adjacent,
}

var ftsFunctions = map[request.Operator]sqlast.Builtin{
	request.OpFts: sqlast.FnToTSQuery, request.OpFtsPlain: sqlast.FnPlainQuery,
	request.OpFtsPhrase: sqlast.FnPhraseQuery, request.OpFtsWeb: sqlast.FnWebQuery,
}

// compare turns one filter into an expression. The value is a parameter whose
// type PostgreSQL takes from the other side.
func (n *ReadPlan) compare(f *request.Filter) sqlast.Expr {
	field := n.field(f.Field)
	e := f.Expr
	reader := n.reader(f.Field)
	var out sqlast.Expr
	switch e.Op {
	case request.OpIs:
		out = sqlast.IsTest{Expr: field, Value: e.Is}
	case request.OpIn:
		out = sqlast.Binary{Op: sqlast.Eq, Left: field, Right: readAll(reader, catalog.ArrayLiteral(e.List)), Quant: request.Any}
	case request.OpFts, request.OpFtsPlain, request.OpFtsPhrase, request.OpFtsWeb:
		var config []sqlast.Expr
		if e.HasConfig {
			config = []sqlast.Expr{sqlast.Param(e.Config)}
		}
		if n.needsTSVector(f.Field) {
			field = sqlast.Call{Fn: sqlast.FnToTSVector, Args: append(config[:len(config):len(config)], field)}
		}
		query := sqlast.Call{Fn: ftsFunctions[e.Op], Args: append(config[:len(config):len(config)], sqlast.Param(e.Value))}
		out = sqlast.Binary{Op: sqlast.TSMatch, Left: field, Right: query}
	case request.OpLike, request.OpILike:
		out = sqlast.Binary{Op: operators[e.Op], Left: field, Quant: e.Quant,
			Right: sqlast.Param(strings.ReplaceAll(e.Value, "*", "%"))}
	case request.OpIsDistinct:
		out = sqlast.Binary{Op: sqlast.DistinctFrom, Left: field, Right: sqlast.Param(e.Value)}
	default:
		out = sqlast.Binary{Op: operators[e.Op], Left: field, Right: readOperand(reader, e), Quant: e.Quant}
	}
	return negate(e.Not, out)
}

// needsTSVector is true for the columns that have to be made text search vectors
// first. The type of a computed column is not known: it is searched as it is.
func (n *ReadPlan) needsTSVector(f request.Field) bool {
	if n.Columns == nil {
		return false
	}
	c := n.Columns.Column(f.Name)
	return c != nil && !c.TSVector
}
