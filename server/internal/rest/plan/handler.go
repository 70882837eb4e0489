package plan

import (
	"strings"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/rest/sqlast"
)

// custom finds what the database itself has for a media type. The handlers of
// the resource are written for its whole rows: they are asked only when all
// columns are selected and nothing else.
func (p *planner) custom(name string, tree *ReadPlan, f *catalog.Function) (Media, bool) {
	if tree.wholeRow() {
		for _, t := range [...]string{request.MediaAny, name} {
			if f != nil && f.ReturnsValue() {
				if strings.EqualFold(f.MediaType, t) {
					return Media{Kind: Custom, Type: f.MediaType}, true
				}
			} else if h := p.snap.Handler(tree.Relation, t, p.req.Schema); h != nil {
				return Media{Kind: Custom, Handler: h, Type: h.MediaType}, true
			}
		}
	}
	if h := p.snap.Handler(catalog.Name{}, name, p.req.Schema); h != nil {
		return Media{Kind: Custom, Handler: h, Type: h.MediaType}, true
	}
	return Media{}, false
}

// wholeRow is true when the rows are just those of the relation.
func (n *ReadPlan) wholeRow() bool {
	return len(n.Embeds) == 0 && len(n.Select) == 1 && n.Select[0].IsStar() && !n.represented()
}

// customBody hands the rows to the handler, or takes the value as it is.
func (m Media) customBody(row sqlast.Expr) sqlast.Expr {
	if m.Handler == nil {
		return row
	}
	if m.Handler.Relation != (catalog.Name{}) {
		row = sqlast.AsRow{Expr: row, Type: sqlast.RefOf(m.Handler.Relation)}
	}
	return sqlast.CallRef{Fn: sqlast.RefOf(m.Handler.Aggregate), Args: []sqlast.NamedArg{{Value: row}}}
}

// customContentType is the header for a media type of the database. The types
// that the dialect knows as text are told with their character set.
func customContentType(name string) string {
	switch lower := strings.ToLower(name); lower {
	case request.MediaAny:
		return request.MediaOctets
	case request.MediaJSON, request.MediaGeoJSON, request.MediaCSV, request.MediaText, request.MediaXML, request.MediaOpenAPI, request.MediaForm:
		return lower + "; charset=utf-8"
	}
	return name
}
