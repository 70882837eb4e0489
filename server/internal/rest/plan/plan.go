// Package plan turns a request and a schema snapshot into the statements that
// answer it, and into what the answer needs to know beside their result. It is
// pure: the same request and snapshot give the same SQL.
package plan

import (
	"net/http"
	"slices"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/rest/sqlast"
)

// Options are the settings the planner depends on.
type Options struct {
	Schemas []string
	// MaxRows caps the rows of reads and calls at every level, 0 is no cap.
	MaxRows int
	// Aggregates allows aggregate functions.
	Aggregates bool
	// Plans lets clients ask for the plan of their statement.
	Plans bool
	// SafeUpdate refuses updates and deletes without a condition.
	SafeUpdate bool
	// StreamAbove streams answers that may have more rows than this; 0 streams none.
	StreamAbove int
	// Plain leaves the check of the number of written rows to the caller, where
	// the database has no function for it, and prints embeds byte for byte as
	// PostgREST does, which costs time.
	Plain bool
}

// Kind is what a plan does.
type Kind uint8

// The kinds of plans.
const (
	Read Kind = iota
	Create
	Update
	Upsert // a single row by its key: PUT
	Delete
	CallFunction
)

// Plan is how a request is answered.
type Plan struct {
	Kind Kind
	// Main gives one row of the columns of Result*.
	Main sqlast.Statement
	// Estimate, when it has SQL, is an EXPLAIN whose row estimate is the total.
	Estimate sqlast.Statement
	// ReadOnly tells that the transaction may not write.
	ReadOnly bool
	// Isolation of the transaction, "" for the default.
	Isolation string
	// FunctionSettings are those of the called function.
	FunctionSettings []catalog.Setting
	Function         *catalog.Function
	Relation         *catalog.Relation
	// Media is the form of the body.
	Media Media
	// Range is the effective window over the root rows.
	Range request.Range
	// Body tells that the answer has a body.
	Body bool
	// Rows, when not nil, is the number of written rows that the answer
	// demands. Main checks it unless Options.Plain is set.
	Rows *RowRange
	// LimitsRows tells that the rows are checked against max-affected.
	LimitsRows bool
	// Resolution tells that duplicates are resolved, with what for.
	Resolution request.Resolution
	// Stream, when not nil, tells that Main gives the body row by row.
	Stream *Stream
}

// Formats of the columns of Main's row. A body that the database makes may be
// of any type: its bytes are those of the binary form.
func (p *Plan) Formats() []int16 {
	if p.Media.Kind != Custom || p.Media.Explain != nil {
		return nil
	}
	formats := make([]int16, resultColumns)
	formats[ResultBody] = 1
	return formats
}

// RowRange is a number of rows from Low to High.
type RowRange struct{ Low, High int64 }

// The columns of the row that Main gives.
const (
	ResultTotal = iota
	ResultPage
	ResultBody
	ResultLocation
	ResultHeaders
	ResultStatus
	ResultInserted
	resultColumns
)

const (
	sourceName = "pgrst_source"
	countName  = "pgrst_source_count"
	rowsName   = "pgrst_rows"
	rowName    = "_pgrst_row"
	bodyName   = "pgrst_body"
	docName    = "pgrst_doc"
	callName   = "pgrst_call"
	scalarName = "pgrst_scalar"
)

// Make plans a read, a write or a call.
func Make(r *request.Request, s *catalog.Snapshot, o Options) (*Plan, *request.Error) {
	p := &planner{req: r, snap: s, opt: o}
	switch {
	case r.Resource == request.Function:
		return p.call()
	case r.Writes():
		return p.write()
	default:
		return p.read()
	}
}

type planner struct {
	req  *request.Request
	snap *catalog.Snapshot
	opt  Options
	rel  *catalog.Relation
}

// find looks the relation up.
func (p *planner) find() *request.Error {
	p.rel = p.snap.Relation(catalog.Name{Schema: p.req.Schema, Name: p.req.Name})
	if p.rel == nil {
		return relationNotFound(p.snap, p.req.Schema, p.req.Name)
	}
	return nil
}

func (p *planner) read() (*Plan, *request.Error) {
	if err := p.find(); err != nil {
		return nil, err
	}
	tree, err := p.readTree(rootTable, p.rel.Name)
	if err != nil {
		return nil, err
	}
	media, err := p.media(tree, nil)
	if err != nil {
		return nil, err
	}
	if err := p.strict(); err != nil {
		return nil, err
	}
	pl := &Plan{Kind: Read, ReadOnly: true, Relation: p.rel, Media: media, Range: tree.Range, Body: p.req.Method != http.MethodHead}
	query := tree.query()
	frame := &sqlast.Select{With: []sqlast.With{{Name: sourceName, Query: query}}}
	total := p.total(frame, pl, tree)
	body := sqlast.Expr(sqlast.Literal(""))
	if pl.Body {
		body = media.body(sourceName, nil)
	}
	frame.Output = result(total, sqlast.CountAll{}, nil, body, nil)
	frame.From = []sqlast.From{rowsOf(sourceName, "")}
	p.stream(pl, frame, sourceName)
	pl.render(frame)
	return pl, nil
}

// rowsOf reads a common table expression under the name of the result row. In
// plans it is shown by the other name, if that is given.
func rowsOf(name, shown string) sqlast.From {
	return sqlast.Sub{As: rowName, Query: &sqlast.Select{
		Output: []sqlast.Output{{Expr: sqlast.Star{}}}, From: []sqlast.From{sqlast.Table{Ref: sqlast.Ref{Name: name}, As: shown}}}}
}

// total adds what the count preference asks for to the frame.
func (p *planner) total(frame *sqlast.Select, pl *Plan, tree *ReadPlan) sqlast.Expr {
	switch p.req.Prefs.Count {
	case request.CountExact:
		if tree.Range.IsAll() {
			return sqlast.CountAll{} // the page is everything
		}
		frame.With = append(frame.With, sqlast.With{Name: countName, Query: tree.countQuery()})
	case request.CountEstimated:
		count := tree.countQuery()
		if p.opt.MaxRows > 0 {
			limit := int64(p.opt.MaxRows) + 1
			count.Limit = &limit
		}
		if pl.Kind == Read {
			pl.Estimate = sqlast.Render(sqlast.Explain{Query: tree.countQuery(), JSON: true})
		}
		frame.With = append(frame.With, sqlast.With{Name: countName, Query: count})
	case request.CountPlanned:
		if pl.Kind == Read {
			pl.Estimate = sqlast.Render(sqlast.Explain{Query: tree.countQuery(), JSON: true})
		}
		return nil
	default:
		return nil
	}
	return sqlast.Scalar{Query: &sqlast.Select{
		Output: []sqlast.Output{{Expr: sqlast.CountAll{}}}, From: []sqlast.From{sqlast.Table{Ref: sqlast.Ref{Name: countName}}}}}
}

// result is the fixed list of output columns.
func result(total, page, location, body, inserted sqlast.Expr) []sqlast.Output {
	out := make([]sqlast.Output, resultColumns)
	out[ResultTotal] = sqlast.Output{Expr: orNull(total), As: "total"}
	out[ResultPage] = sqlast.Output{Expr: page, As: "page"}
	out[ResultLocation] = sqlast.Output{Expr: orNull(location), As: "location"}
	out[ResultBody] = sqlast.Output{Expr: body, As: "body"}
	out[ResultHeaders] = sqlast.Output{Expr: setting("response.headers"), As: "headers"}
	out[ResultStatus] = sqlast.Output{Expr: setting("response.status"), As: "status"}
	out[ResultInserted] = sqlast.Output{Expr: orNull(inserted), As: "inserted"}
	return out
}

func orNull(e sqlast.Expr) sqlast.Expr {
	if e == nil {
		return sqlast.Null{}
	}
	return e
}

// setting reads a transaction-local setting, null or empty when it was never set.
func setting(name string) sqlast.Expr {
	return sqlast.Call{Fn: sqlast.FnCurrentSetting, Args: []sqlast.Expr{sqlast.Literal(name), sqlast.Text(catalog.Trusted("true"))}}
}

// strict refuses unknown preferences where the client asked for that.
func (p *planner) strict() *request.Error {
	if p.req.Prefs.Handling == request.Strict && len(p.req.Prefs.Unknown) > 0 {
		return invalidPreferences(p.req.Prefs.Unknown)
	}
	return nil
}

// Info is what OPTIONS tells of a resource.
type Info struct{ Allow []string }

// Inspect answers OPTIONS from the snapshot.
func Inspect(r *request.Request, s *catalog.Snapshot) (*Info, *request.Error) {
	switch r.Resource {
	case request.Root:
		return &Info{Allow: []string{"OPTIONS", "GET", "HEAD"}}, nil
	case request.Function:
		functions := s.Functions[catalog.Name{Schema: r.Schema, Name: r.Name}]
		if len(functions) == 0 {
			return nil, functionNotFound(s, r, nil)
		}
		info := &Info{Allow: []string{"OPTIONS"}}
		if slices.ContainsFunc(functions, func(f *catalog.Function) bool { return f.Volatility != catalog.Volatile }) {
			info.Allow = append(info.Allow, "GET", "HEAD")
		}
		info.Allow = append(info.Allow, "POST")
		return info, nil
	default:
		rel := s.Relation(catalog.Name{Schema: r.Schema, Name: r.Name})
		if rel == nil {
			return nil, relationNotFound(s, r.Schema, r.Name)
		}
		info := &Info{Allow: []string{"OPTIONS", "GET", "HEAD"}}
		for _, can := range []struct {
			ok     bool
			method string
		}{
			{rel.Insertable, "POST"},
			{rel.Insertable && rel.Updatable && len(rel.PrimaryKey) > 0, "PUT"},
			{rel.Updatable, "PATCH"},
			{rel.Deletable, "DELETE"},
		} {
			if can.ok {
				info.Allow = append(info.Allow, can.method)
			}
		}
		return info, nil
	}
}
