package plan

import (
	"slices"
	"strings"

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
	Custom // what a handler of the database makes
)

// Media is the negotiated form of the body.
type Media struct {
	Kind       MediaKind
	StripNulls bool
	// Handler makes a Custom body of rows; nil for the value of a function that
	// is one already.
	Handler *catalog.Handler
	// Type is the media type of a Custom body.
	Type string
	// toGeoJSON turns a row into a feature.
	toGeoJSON *catalog.Name
	// Explain, when not nil, asks for the plan of the statement instead of its rows.
	Explain *Explain
}

// Explain is what of a plan is shown, and how.
type Explain struct {
	JSON    bool
	For     string // the media type whose statement is explained
	Options []string
}

// ContentType is the header for the form.
func (m Media) ContentType() string {
	strip := ""
	if m.StripNulls {
		strip = ";nulls=stripped"
	}
	switch {
	case m.Explain != nil:
		return m.Explain.contentType()
	case m.Kind == Custom:
		return customContentType(m.Type)
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

func (e *Explain) contentType() string {
	t := request.MediaPlan + "+text"
	if e.JSON {
		t = request.MediaPlan + "+json"
	}
	t += `; for="` + e.For + `"`
	if len(e.Options) > 0 {
		t += "; options=" + strings.Join(e.Options, "|")
	}
	return t + "; charset=utf-8"
}

// planOptions are the options of EXPLAIN a client may ask for.
var planOptions = []string{"analyze", "verbose", "settings", "buffers", "wal"}

// explain reads a request for the plan.
func (p *planner) explain(a request.MediaType, tree *ReadPlan, f *catalog.Function) (Media, bool) {
	if !p.opt.Plans {
		return Media{}, false
	}
	e := &Explain{JSON: strings.HasSuffix(a.Type, "+json"), For: a.Param("for")}
	if e.For == "" {
		e.For = request.MediaJSON
	}
	asked := strings.Split(a.Param("options"), "|")
	for _, o := range planOptions {
		if slices.Contains(asked, o) {
			e.Options = append(e.Options, o)
		}
	}
	shown := request.ParseMediaType(e.For)
	m, ok := p.rows(shown, tree, f)
	if e.For = shown.Type; m.StripNulls {
		e.For += ";nulls=stripped"
	}
	m.Explain = e
	return m, ok
}

// media picks the first acceptable form of the rows of the tree, or of the
// result of the function, that there is, and makes the tree ready for it.
func (p *planner) media(tree *ReadPlan, f *catalog.Function) (Media, *request.Error) {
	for _, a := range p.req.Accept {
		var m Media
		var ok bool
		if a.Type == request.MediaPlan || a.Type == request.MediaPlan+"+json" {
			m, ok = p.explain(a, tree, f)
		} else {
			m, ok = p.rows(a, tree, f)
		}
		if ok {
			tree.printFor(m, p.opt.Plain)
			return m, nil
		}
	}
	return Media{}, mediaNotAvailable(p.req.Accept)
}

// rows is the form that shows rows as the media type. The forms of the dialect
// itself come first and cannot be replaced; what the database has for the
// resource comes before what it has for all, and that before what is built in.
func (p *planner) rows(a request.MediaType, tree *ReadPlan, f *catalog.Function) (Media, bool) {
	strip := a.Param("nulls") == "stripped"
	name := a.Type
	switch {
	case name == request.MediaObject:
		return Media{Kind: Object, StripNulls: strip}, true
	case name == request.MediaArray && strip:
		return Media{Kind: JSON, StripNulls: true}, true
	case name == request.MediaArray:
		name = request.MediaJSON
	}
	if m, ok := p.custom(name, tree, f); ok {
		return m, true
	}
	switch name {
	case request.MediaAny, request.MediaJSON, "application/*":
		return Media{Kind: JSON}, true
	case request.MediaCSV, "text/*":
		return Media{Kind: CSV}, true
	case request.MediaGeoJSON:
		return Media{Kind: GeoJSON, toGeoJSON: p.snap.GeoJSON}, p.snap.GeoJSON != nil && (f == nil || !f.ReturnsValue())
	}
	return Media{}, false
}

// render writes the statement, or the request for its plan. What is explained
// of a read has no location, so that readers of plans find the body where
// PostgREST has it.
func (pl *Plan) render(frame *sqlast.Select) {
	e := pl.Media.Explain
	if e == nil {
		pl.Main = sqlast.Render(frame)
		return
	}
	if pl.Kind == Read || pl.Kind == CallFunction {
		frame.Output = slices.Delete(frame.Output, ResultLocation, ResultLocation+1)
	}
	pl.Main = sqlast.Render(sqlast.Explain{Query: frame, JSON: e.JSON, Options: e.Options})
}

// body aggregates the rows of a common table expression into the finished body.
func (m Media) body(rows string, f *catalog.Function) sqlast.Expr {
	var row sqlast.Expr = sqlast.Row{Name: rowName}
	if f != nil && f.ReturnsValue() {
		row = sqlast.Column{Of: sqlast.Ref{Name: rowName}, Name: scalarName}
	}
	switch m.Kind {
	case Custom:
		return m.customBody(row)
	case CSV:
		return csvBody(rows)
	case GeoJSON:
		feature := sqlast.AsBuiltin{Expr: convert(*m.toGeoJSON, row), Type: sqlast.TypeJSON}
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
	lines := sqlast.Call{Fn: sqlast.FnCoalesce, Args: []sqlast.Expr{
		sqlast.Call{Fn: sqlast.FnStringAgg, Args: []sqlast.Expr{csvLine(), sqlast.Literal("\n")}}, sqlast.Literal("")}}
	return sqlast.Binary{Op: sqlast.Concat, Left: sqlast.Binary{Op: sqlast.Concat, Left: csvHeader(rows), Right: sqlast.Literal("\n")}, Right: lines}
}

// csvHeader lists the keys of the first row.
func csvHeader(rows string) sqlast.Expr {
	one := int64(1)
	first := &sqlast.Select{
		Output: []sqlast.Output{{Expr: sqlast.Call{Fn: sqlast.FnRowToJSON, Args: []sqlast.Expr{sqlast.Row{Name: "r"}}}, As: "j"}},
		From:   []sqlast.From{sqlast.Table{Ref: sqlast.Ref{Name: rows}, As: "r"}},
		Limit:  &one,
	}
	return sqlast.Scalar{Query: &sqlast.Select{
		Output: []sqlast.Output{{Expr: sqlast.Call{Fn: sqlast.FnCoalesce, Args: []sqlast.Expr{
			sqlast.Call{Fn: sqlast.FnStringAgg, Args: []sqlast.Expr{sqlast.Column{Of: sqlast.Ref{Name: "k"}, Name: "k"}, sqlast.Literal(",")}},
			sqlast.Literal("")}}}},
		From: []sqlast.From{sqlast.Sub{As: "f", Query: first},
			sqlast.Record{Fn: sqlast.JSONKeys, Arg: sqlast.Column{Of: sqlast.Ref{Name: "f"}, Name: "j"}, As: "k", Lateral: true}},
	}}
}

// csvLine is the text of the result row without the parentheses around it.
func csvLine() sqlast.Expr {
	return sqlast.Call{Fn: sqlast.FnLeft, Args: []sqlast.Expr{
		sqlast.Call{Fn: sqlast.FnRight, Args: []sqlast.Expr{rowText(), sqlast.Int(-1)}}, sqlast.Int(-1)}}
}

// rowText is the result row as PostgreSQL writes one, in parentheses.
func rowText() sqlast.Expr {
	return sqlast.AsBuiltin{Expr: sqlast.Row{Name: rowName}, Type: sqlast.TypeText}
}
