package plan

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
)

// relationship finds the one that leads from the level to what the client has named.
func (p *planner) relationship(n *ReadPlan, target, hint string) (*catalog.Relationship, *request.Error) {
	origin := p.snap.Relation(n.Relation)
	var all []*catalog.Relationship
	if origin != nil {
		for _, r := range p.snap.Relationships(origin) {
			if slices.Contains(p.opt.Schemas, r.Foreign.Schema) && (r.Junction == nil || slices.Contains(p.opt.Schemas, r.Junction.Table.Schema)) {
				all = append(all, r)
			}
		}
	}
	var found []*catalog.Relationship
	for _, r := range all {
		if matches(r, target, hint) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return nil, p.noRelationship(n.Relation.Name, target, hint, origin, all)
	case 1:
		return found[0], nil
	default:
		return nil, ambiguousRelationship(n.Relation.Name, target, found)
	}
}

// matches tells whether the client's words mean this relationship.
func matches(r *catalog.Relationship, target, hint string) bool {
	foreign := r.Foreign.Name
	switch {
	case r.Cardinality == catalog.Computed:
		return target == r.Function.Name
	case r.Self && hint == "":
		// one foreign key leads both ways: the relation's name means the many,
		// the column's name the one
		return target == foreign && r.Cardinality == catalog.OneToMany || r.Cardinality == catalog.ManyToOne && singleColumn(r) == target
	case r.Self:
		return target == foreign && r.Cardinality == catalog.OneToMany && singleForeign(r) == hint
	case hint == "":
		return target == foreign ||
			!r.ForeignIsView && (r.Junction == nil && r.Constraint == target || singleColumn(r) == target)
	default:
		return target == foreign && (r.Junction == nil && r.Constraint == hint || singleColumn(r) == hint || singleForeign(r) == hint ||
			r.Junction != nil && r.Junction.Table.Name == hint)
	}
}

func singleColumn(r *catalog.Relationship) string {
	if len(r.Columns) == 1 {
		return r.Columns[0].Column
	}
	return ""
}

func singleForeign(r *catalog.Relationship) string {
	if len(r.Columns) == 1 {
		return r.Columns[0].Foreign
	}
	return ""
}

func (p *planner) noRelationship(origin, target, hint string, rel *catalog.Relation, all []*catalog.Relationship) *request.Error {
	with := ""
	if hint != "" {
		with = fmt.Sprintf(" using the hint '%s'", hint)
	}
	e := &request.Error{Code: "PGRST200", Status: http.StatusBadRequest,
		Message: fmt.Sprintf("Could not find a relationship between '%s' and '%s' in the schema cache", origin, target),
		Details: fmt.Sprintf("Searched for a foreign key relationship between '%s' and '%s'%s in the schema '%s', but no matches were found.",
			origin, target, with, p.req.Schema)}
	suggest := func(given string, names []string) {
		if best, score := closest(given, names, 0.33); best != "" && score < 1 {
			e.Hint = fmt.Sprintf("Perhaps you meant '%s' instead of '%s'.", best, given)
		}
	}
	if rel == nil {
		if names := p.snap.RelationNames(p.req.Schema); len(names) < maxHintNames {
			suggest(origin, names)
		}
		return e
	}
	var names []string
	for _, r := range all {
		names = append(names, r.Foreign.Name)
	}
	slices.Sort(names)
	suggest(target, slices.Compact(names))
	return e
}

type candidate struct {
	Cardinality  string `json:"cardinality"`
	Embedding    string `json:"embedding"`
	Relationship string `json:"relationship"`
}

func ambiguousRelationship(origin, target string, found []*catalog.Relationship) *request.Error {
	var details []candidate
	var hints []string
	// the relationships to many rows are told first, those over a junction last
	rank := func(r *catalog.Relationship) int {
		return slices.Index([]catalog.Cardinality{catalog.OneToMany, catalog.ManyToOne, catalog.OneToOne, catalog.ManyToMany}, r.Cardinality)
	}
	slices.SortStableFunc(found, func(a, b *catalog.Relationship) int { return cmp.Compare(rank(a), rank(b)) })
	for _, r := range found {
		c := candidate{Cardinality: r.Cardinality.String(), Embedding: r.Table.Name + " with " + r.Foreign.Name}
		hint := r.Constraint
		if j := r.Junction; j != nil {
			hint = j.Table.Name
			c.Relationship = fmt.Sprintf("%s using %s(%s) and %s(%s)", j.Table.Name,
				j.Constraint1, columnList(j.Origin, true), j.Constraint2, columnList(j.Foreign, true))
		} else {
			c.Relationship = fmt.Sprintf("%s using %s(%s) and %s(%s)", r.Constraint,
				r.Table.Name, columnList(r.Columns, false), r.Foreign.Name, columnList(r.Columns, true))
		}
		details = append(details, c)
		hints = append(hints, fmt.Sprintf("'%s!%s'", r.Foreign.Name, hint))
	}
	return &request.Error{Code: "PGRST201", Status: http.StatusMultipleChoices,
		Message: fmt.Sprintf("Could not embed because more than one relationship was found for '%s' and '%s'", origin, target),
		Details: details,
		Hint: fmt.Sprintf("Try changing '%s' to one of the following: %s. Find the desired relationship in the 'details' key.",
			target, strings.Join(hints, ", "))}
}

func columnList(pairs []catalog.ColumnPair, foreign bool) string {
	names := make([]string, len(pairs))
	for i, p := range pairs {
		if names[i] = p.Column; foreign {
			names[i] = p.Foreign
		}
	}
	return strings.Join(names, ", ")
}
