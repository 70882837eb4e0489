package plan

import (
	"slices"
	"strconv"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/rest/sqlast"
)

// rootKind says what the root of a tree reads from.
type rootKind uint8

const (
	rootTable  rootKind = iota // the relation itself
	rootSource                 // the rows of a write or a call, under the relation's name
)

// ReadPlan is one level of a read: the root or an embedded resource.
type ReadPlan struct {
	// Relation is what is read; its name is known even where the snapshot has
	// no such relation, for the rows of a function.
	Relation catalog.Name
	Columns  *catalog.Relation // nil when unknown
	// Scope is how the level's columns are qualified.
	Scope  sqlast.Ref
	From   []sqlast.From
	Select []*request.SelectField
	Where  []sqlast.Expr
	Order  []sqlast.Order
	Range  request.Range

	// of an embed
	Rel     *catalog.Relationship
	Join    request.JoinType
	Spread  bool
	Name    string // relation, column or constraint, as the client named it
	Alias   string
	Agg     string // alias of the lateral subquery
	jsonb   bool   // the embed is shown as jsonb prints it
	Conds   []sqlast.Expr
	Embeds  []*ReadPlan
	depth   int
	filters []request.Logic
	terms   []request.OrderTerm
	// toMany spreads: the inner columns to sort by
	extra      []sqlast.Output
	extraOrder []sqlast.Order
}

// Key is the name under which an embed is shown and addressed.
func (n *ReadPlan) Key() string {
	if n.Alias != "" {
		return n.Alias
	}
	return n.Name
}

// readTree builds the tree of a read over a relation or the rows of a write or call.
func (p *planner) readTree(kind rootKind, name catalog.Name) (*ReadPlan, *request.Error) {
	root := &ReadPlan{Relation: name, Columns: p.snap.Relation(name), Name: name.Name}
	if kind == rootTable {
		root.Scope = sqlast.RefOf(name)
		root.From = []sqlast.From{sqlast.Table{Ref: root.Scope}}
	} else {
		root.Scope = sqlast.Ref{Name: name.Name}
		root.From = []sqlast.From{sqlast.Table{Ref: sqlast.Ref{Name: sourceName}, As: name.Name}}
	}
	root.addItems(p.req.Query.Select)
	writes := p.req.Writes()
	steps := []func(*ReadPlan) *request.Error{
		func(n *ReadPlan) *request.Error { return p.attachFilters(n, writes) },
		p.attachOrders,
		func(n *ReadPlan) *request.Error {
			if writes {
				return nil
			}
			return p.attachRanges(n)
		},
		func(n *ReadPlan) *request.Error { return p.attachLogic(n, writes) },
		func(n *ReadPlan) *request.Error { return p.relate(n) },
		p.resolveOrders,
		func(n *ReadPlan) *request.Error { return p.aggregates(n) },
		func(n *ReadPlan) *request.Error { return p.resolveFilters(n) },
	}
	for _, step := range steps {
		if err := step(root); err != nil {
			return nil, err
		}
	}
	if !writes {
		root.cap(p.opt.MaxRows)
	}
	return root, nil
}

// addItems sorts a select list into columns and embeds.
func (n *ReadPlan) addItems(items []request.SelectItem) {
	for _, item := range items {
		switch item := item.(type) {
		case *request.SelectField:
			n.Select = append(n.Select, item)
		case *request.SelectRelation:
			child := &ReadPlan{Name: item.Name, Alias: item.Alias, Join: item.Join, Spread: item.Spread, depth: n.depth + 1}
			child.Rel = &catalog.Relationship{Constraint: item.Hint} // the hint, until the relationship is found
			child.addItems(item.Items)
			n.Embeds = append(n.Embeds, child)
		}
	}
}

// at finds the level a path leads to; a step is an alias or a name.
func (n *ReadPlan) at(path []string) (*ReadPlan, *request.Error) {
	for _, step := range path {
		i := slices.IndexFunc(n.Embeds, func(c *ReadPlan) bool { return c.Alias == step || c.Name == step })
		if i < 0 {
			return nil, notEmbedded(step)
		}
		n = n.Embeds[i]
	}
	return n, nil
}

func (p *planner) attachFilters(root *ReadPlan, writes bool) *request.Error {
	for _, f := range p.req.Query.Filters {
		if writes && len(f.Path) == 0 {
			continue
		}
		n, err := root.at(f.Path)
		if err != nil {
			return err
		}
		n.filters = append(n.filters, f.Item)
	}
	return nil
}

func (p *planner) attachLogic(root *ReadPlan, writes bool) *request.Error {
	for _, l := range p.req.Query.Logic {
		if writes && len(l.Path) == 0 {
			continue
		}
		n, err := root.at(l.Path)
		if err != nil {
			return err
		}
		n.filters = append(n.filters, l.Item)
	}
	return nil
}

func (p *planner) attachOrders(root *ReadPlan) *request.Error {
	for _, o := range p.req.Query.Order {
		n, err := root.at(o.Path)
		if err != nil {
			return err
		}
		n.terms = o.Item
	}
	return nil
}

func (p *planner) attachRanges(root *ReadPlan) *request.Error {
	for _, r := range p.req.Query.Ranges {
		n, err := root.at(r.Path)
		if err != nil {
			return err
		}
		n.Range = r.Item
	}
	root.Range = p.req.Range
	return nil
}

// cap applies the limit on rows to every level but those of at most one row.
func (n *ReadPlan) cap(rows int) {
	if n.depth == 0 || !n.Rel.ToOne {
		n.Range = n.Range.Cap(rows)
	}
	for _, c := range n.Embeds {
		c.cap(rows)
	}
}

// relate finds the relationship of every embed and how it is joined.
func (p *planner) relate(n *ReadPlan) *request.Error {
	for _, c := range n.Embeds {
		rel, err := p.relationship(n, c.Name, c.Rel.Constraint)
		if err != nil {
			return err
		}
		c.Rel, c.Relation, c.Columns = rel, rel.Foreign, p.snap.Relation(rel.Foreign)
		suffix := "_" + strconv.Itoa(c.depth)
		c.Agg = n.Relation.Name + "_" + c.Key() + suffix
		c.Scope = sqlast.Ref{Name: rel.Foreign.Name + suffix}
		table := sqlast.Table{Ref: sqlast.RefOf(rel.Foreign), As: c.Scope.Name}
		join := func(a, b sqlast.Ref, pairs []catalog.ColumnPair) {
			for _, pair := range pairs {
				c.Conds = append(c.Conds, sqlast.Binary{Op: sqlast.Eq,
					Left: sqlast.Column{Of: b, Name: pair.Foreign}, Right: sqlast.Column{Of: a, Name: pair.Column}})
			}
		}
		switch rel.Cardinality {
		case catalog.Computed:
			arg := sqlast.AsRow{Expr: sqlast.Row{Name: n.Scope.Name}, Type: sqlast.RefOf(rel.Table)}
			c.From = []sqlast.From{sqlast.FunctionRows{As: c.Scope.Name,
				Call: sqlast.CallRef{Fn: sqlast.RefOf(rel.Function), Args: []sqlast.NamedArg{{Value: arg}}}}}
		case catalog.ManyToMany:
			junction := sqlast.Ref{Name: rel.Junction.Table.Name + suffix + "_via"}
			c.From = []sqlast.From{table, sqlast.Table{Ref: sqlast.RefOf(rel.Junction.Table), As: junction.Name}}
			join(c.Scope, junction, rel.Junction.Foreign)
			join(n.Scope, junction, rel.Junction.Origin)
		default:
			c.From = []sqlast.From{table}
			join(n.Scope, c.Scope, rel.Columns)
		}
		if err := p.relate(c); err != nil {
			return err
		}
	}
	return nil
}

// resolveOrders turns order terms into expressions. One that names an embed
// sorts by a column of its row.
func (p *planner) resolveOrders(n *ReadPlan) *request.Error {
	for i, t := range n.terms {
		o := sqlast.Order{Direction: t.Direction, Nulls: t.Nulls}
		if t.Relation == "" {
			o.Expr = n.field(t.Field)
		} else {
			k := slices.IndexFunc(n.Embeds, func(c *ReadPlan) bool { return c.Key() == t.Relation })
			if k < 0 {
				return notEmbedded(t.Relation)
			}
			c := n.Embeds[k]
			if !c.Rel.ToOne {
				return relatedOrder(n.Relation.Name, c.Key())
			}
			o.Expr = path(sqlast.Column{Of: sqlast.Ref{Name: c.Agg}, Name: t.Field.Name}, t.Field.Path, false)
		}
		if n.spreadsMany() {
			// the rows are put together by column, so each column is sorted as it is
			name := n.Agg + "_order_" + strconv.Itoa(i+1)
			n.extra = append(n.extra, sqlast.Output{Expr: o.Expr, As: name})
			o.Expr = sqlast.Column{Of: sqlast.Ref{Name: n.Agg}, Name: name}
			n.extraOrder = append(n.extraOrder, o)
			continue
		}
		n.Order = append(n.Order, o)
	}
	for _, c := range n.Embeds {
		if err := p.resolveOrders(c); err != nil {
			return err
		}
	}
	return nil
}

func (n *ReadPlan) spreadsMany() bool { return n.Spread && !n.Rel.ToOne }

// resolveFilters turns filters into conditions. One that compares an embed
// with null asks whether there is a related row.
func (p *planner) resolveFilters(n *ReadPlan) *request.Error {
	for _, f := range n.filters {
		n.Where = append(n.Where, n.condition(f, n.presence))
	}
	for _, c := range n.Embeds {
		if err := p.resolveFilters(c); err != nil {
			return err
		}
	}
	return nil
}

// nullEmbed finds the embed that a null filter is about.
func (n *ReadPlan) nullEmbed(f *request.Filter) *ReadPlan {
	if f.Expr.Op != request.OpIs || f.Expr.Is != request.IsNull || len(f.Field.Path) > 0 {
		return nil
	}
	for _, c := range n.Embeds {
		if c.Key() == f.Field.Name {
			return c
		}
	}
	return nil
}

// presence is the condition of a null filter in the read itself.
func (n *ReadPlan) presence(c *ReadPlan, present bool) sqlast.Expr {
	op := sqlast.NotDistinct
	if present {
		op = sqlast.DistinctFrom
	}
	return sqlast.Binary{Op: op, Left: c.embedValue(), Right: sqlast.Null{}}
}

// embedValue is null when no row is related.
func (n *ReadPlan) embedValue() sqlast.Expr {
	if n.Rel.ToOne {
		return sqlast.Row{Name: n.Agg}
	}
	return sqlast.Column{Of: sqlast.Ref{Name: n.Agg}, Name: n.Agg}
}
