package plan

import (
	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/rest/sqlast"
)

// MediaKind is the form of a body.
type MediaKind uint8

// The forms of a body.
const (
	JSON MediaKind = iota
	Object
	CSV
	GeoJSON
)

// Media is the negotiated form of the body.
type Media struct {
	Kind       MediaKind
	StripNulls bool
}

// ContentType is the header for the form.
func (m Media) ContentType() string {
	strip := ""
	if m.StripNulls {
		strip = ";nulls=stripped"
	}
	switch {
	case m.Kind == Object:
		return request.MediaObject + strip + "; charset=utf-8"
	case m.Kind == CSV:
		return "text/csv; charset=utf-8"
	case m.Kind == GeoJSON:
		return "application/geo+json; charset=utf-8"
	case m.StripNulls:
		return request.MediaArray + strip + "; charset=utf-8"
	default:
		return "application/json; charset=utf-8"
	}
}

// media picks the first acceptable form that the engine has.
func (p *planner) media(value bool) (Media, *request.Error) {
	for _, a := range p.req.Accept {
		strip := a.Param("nulls") == "stripped"
		switch a.Type {
		case request.MediaAny, request.MediaJSON, "application/*":
			return Media{Kind: JSON}, nil
		case request.MediaObject:
			return Media{Kind: Object, StripNulls: strip}, nil
		case request.MediaArray:
			return Media{Kind: JSON, StripNulls: strip}, nil
		case request.MediaCSV, "text/*":
			if !value {
				return Media{Kind: CSV}, nil
			}
		case request.MediaGeoJSON:
			if p.snap.HasGeoJSON && !value {
				return Media{Kind: GeoJSON}, nil
			}
		}
	}
	return Media{}, mediaNotAvailable(p.req.Accept)
}

// body aggregates the rows of a common table expression into the finished body.
func (m Media) body(rows string, f *catalog.Function) sqlast.Expr {
	var row sqlast.Expr = sqlast.Row{Name: rowName}
	if f != nil && f.ReturnsValue() {
		row = sqlast.Column{Of: sqlast.Ref{Name: rowName}, Name: scalarName}
	}
	switch m.Kind {
	case CSV:
		return csvBody(rows)
	case GeoJSON:
		feature := sqlast.AsBuiltin{Expr: sqlast.Call{Fn: sqlast.FnGeoJSON, Args: []sqlast.Expr{row}}, Type: sqlast.TypeJSON}
		return sqlast.Call{Fn: sqlast.FnBuildObject, Args: []sqlast.Expr{
			sqlast.Literal("type"), sqlast.Literal("FeatureCollection"), sqlast.Literal("features"),
			sqlast.Call{Fn: sqlast.FnCoalesce, Args: []sqlast.Expr{
				sqlast.Call{Fn: sqlast.FnJSONAgg, Args: []sqlast.Expr{feature}}, sqlast.Literal("[]")}}}}
	}
	var agg sqlast.Expr = sqlast.Call{Fn: sqlast.FnJSONAgg, Args: []sqlast.Expr{row}}
	if m.StripNulls {
		agg = sqlast.Call{Fn: sqlast.FnStripNulls, Args: []sqlast.Expr{agg}}
	}
	none := sqlast.Literal("[]")
	if m.Kind == Object || f != nil && f.ReturnsSingle() {
		agg = sqlast.Binary{Op: sqlast.Arrow, Left: agg, Right: sqlast.Int(0)}
		none = "null"
	}
	return sqlast.Call{Fn: sqlast.FnCoalesce, Args: []sqlast.Expr{agg, none}}
}

// csvBody is a line of the first row's keys and, for every row, its text
// without the parentheses around it.
func csvBody(rows string) sqlast.Expr {
	one := int64(1)
	first := &sqlast.Select{
		Output: []sqlast.Output{{Expr: sqlast.Call{Fn: sqlast.FnRowToJSON, Args: []sqlast.Expr{sqlast.Row{Name: "r"}}}, As: "j"}},
		From:   []sqlast.From{sqlast.Table{Ref: sqlast.Ref{Name: rows}, As: "r"}},
		Limit:  &one,
	}
	header := sqlast.Scalar{Query: &sqlast.Select{
		Output: []sqlast.Output{{Expr: sqlast.Call{Fn: sqlast.FnCoalesce, Args: []sqlast.Expr{
			sqlast.Call{Fn: sqlast.FnStringAgg, Args: []sqlast.Expr{sqlast.Column{Of: sqlast.Ref{Name: "k"}, Name: "k"}, sqlast.Literal(",")}},
			sqlast.Literal("")}}}},
		From: []sqlast.From{sqlast.Sub{As: "f", Query: first},
			sqlast.Record{Fn: sqlast.JSONKeys, Arg: sqlast.Column{Of: sqlast.Ref{Name: "f"}, Name: "j"}, As: "k", Lateral: true}},
	}}
	text := sqlast.AsBuiltin{Expr: sqlast.Row{Name: rowName}, Type: sqlast.TypeText}
	line := sqlast.Call{Fn: sqlast.FnSubstring, Args: []sqlast.Expr{text, sqlast.Int(2),
		sqlast.Binary{Op: sqlast.Minus, Left: sqlast.Call{Fn: sqlast.FnLength, Args: []sqlast.Expr{text}}, Right: sqlast.Int(2)}}}
	lines := sqlast.Call{Fn: sqlast.FnCoalesce, Args: []sqlast.Expr{
		sqlast.Call{Fn: sqlast.FnStringAgg, Args: []sqlast.Expr{line, sqlast.Literal("\n")}}, sqlast.Literal("")}}
	return sqlast.Binary{Op: sqlast.Concat, Left: sqlast.Binary{Op: sqlast.Concat, Left: header, Right: sqlast.Literal("\n")}, Right: lines}
}
