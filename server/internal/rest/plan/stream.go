package plan

import "github.com/suparust/suparust/server/internal/rest/sqlast"

// Stream is how the rows of a statement make up the body. The first row is
// that of every statement, with the text that opens the body in place of the
// body; each further one has the text of one row there, and nothing else.
type Stream struct {
	// Separator stands between two rows, Close behind the last.
	Separator, Close string
	// Cut is how many bytes of a row do not count at either end.
	Cut int
}

// stream makes the frame give its rows one by one where there may be many. The
// rows are computed before the first is given, and wait in PostgreSQL: so the
// counts and settings of the first row are those of the whole answer, and what
// can fail has failed by then.
func (p *planner) stream(pl *Plan, frame *sqlast.Select, rows string) {
	limited := pl.Range.HasLimit && pl.Range.Limit <= int64(p.opt.StreamAbove)
	if p.opt.StreamAbove <= 0 || limited || !pl.ReadOnly || !pl.Body || pl.LimitsRows || pl.Media.Explain != nil ||
		pl.Function != nil && (pl.Function.ReturnsSingle() || pl.Function.ReturnsValue()) {
		return
	}
	var open, row sqlast.Expr
	switch pl.Media.Kind {
	case JSON:
		pl.Stream = &Stream{Separator: ", \n ", Close: "]"} // as json_agg writes rows
		open = sqlast.Literal("[")
		row = sqlast.Call{Fn: sqlast.FnRowToJSON, Args: []sqlast.Expr{sqlast.Row{Name: rowName}}}
		if pl.Media.StripNulls {
			pl.Stream.Separator = ","
			row = sqlast.Call{Fn: sqlast.FnStripNulls, Args: []sqlast.Expr{row}}
		}
		row = sqlast.AsBuiltin{Expr: row, Type: sqlast.TypeText}
	case CSV:
		pl.Stream = &Stream{Separator: "\n", Cut: 1}
		open = sqlast.Binary{Op: sqlast.Concat, Left: csvHeader(rows), Right: sqlast.Literal("\n")}
		row = rowText()
	default:
		return
	}
	for i := range frame.With {
		if frame.With[i].Name == rows {
			frame.With[i].Materialized = true
		}
	}
	frame.Output[ResultBody].Expr = open
	more := &sqlast.Select{From: frame.From, Output: make([]sqlast.Output, resultColumns)}
	for i := range more.Output {
		more.Output[i].Expr = sqlast.Null{}
	}
	more.Output[ResultBody].Expr = row
	frame.All = more
}
