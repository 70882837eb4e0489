package plan

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/rest/sqlast"
)

// call plans the call of a function.
func (p *planner) call() (*Plan, *request.Error) {
	post := p.req.Method == http.MethodPost
	args := p.argumentNames()
	f, err := p.resolve(args, post)
	if err != nil {
		return nil, err
	}
	name := catalog.Name{Schema: f.Name.Schema, Name: f.Name.Name}
	if f.Relation != nil {
		name = *f.Relation
	}
	tree, err := p.readTree(rootSource, name)
	if err != nil {
		return nil, err
	}
	pl := &Plan{Kind: CallFunction, Function: f, Relation: p.snap.Relation(name), Range: tree.Range,
		ReadOnly: !post || f.Volatility != catalog.Volatile, Isolation: f.Isolation, FunctionSettings: f.Settings,
		Body: p.req.Method != http.MethodHead && f.Returns != catalog.ReturnsVoid}
	if pl.Media, err = p.media(tree, f); err != nil {
		return nil, err
	}
	if err := p.strict(); err != nil {
		return nil, err
	}
	limited := p.req.Prefs.HasMaxAffected && p.req.Prefs.Handling == request.Strict
	if limited && f.ReturnsSingle() {
		return nil, singleWithMaxAffected()
	}
	pl.render(p.callFrame(pl, tree, f, args, limited))
	return pl, nil
}

func (p *planner) callFrame(pl *Plan, tree *ReadPlan, f *catalog.Function, args []string, limited bool) *sqlast.Select {
	source := &sqlast.Select{From: p.callRows(f, args)}
	if f.ReturnsValue() {
		source.Output = []sqlast.Output{{Expr: sqlast.Column{Of: sqlast.Ref{Name: callName}, Name: scalarName}, As: scalarName}}
	} else {
		source.Output = callOutput(tree)
	}
	// a value is computed once: as a fence PostgreSQL may not call the function
	// again for every use. Rows are left open so that SQL functions are inlined.
	frame := &sqlast.Select{With: []sqlast.With{{Name: sourceName, Query: source, Materialized: f.ReturnsValue()}}}
	rows, shown := sourceName, f.Name.Name
	if !f.ReturnsValue() {
		rows, shown = rowsName, ""
		frame.With = append(frame.With, sqlast.With{Name: rowsName, Query: tree.query()})
	}
	var total sqlast.Expr
	page := sqlast.Expr(sqlast.CountAll{})
	switch {
	case f.ReturnsSingle():
		page = sqlast.Int(1)
		if c := p.req.Prefs.Count; c == request.CountExact || c == request.CountEstimated {
			total = sqlast.Int(1)
		}
	default:
		total = p.total(frame, pl, tree)
		if pl.LimitsRows = limited; limited {
			page = p.expect(pl, 0, p.req.Prefs.MaxAffected)
		} else if pl.Media.Kind == Object && !pl.ReadOnly {
			page = p.expect(pl, 1, 1)
		}
	}
	body := sqlast.Expr(sqlast.Literal(""))
	if pl.Body {
		body = pl.Media.body(rows, f)
	}
	frame.Output = result(total, page, nil, body, nil)
	frame.From = []sqlast.From{rowsOf(rows, shown)}
	p.stream(pl, frame, rows)
	return frame
}

// callOutput lists the columns taken from the rows of a function: all of them,
// unless a computed column is used, which only the row type itself has.
func callOutput(tree *ReadPlan) []sqlast.Output {
	row := sqlast.Ref{Name: callName}
	everything := []sqlast.Output{{Expr: sqlast.Star{Of: row}}}
	names, all := tree.needs()
	for _, f := range tree.filters {
		names = tree.compared(f, names)
	}
	computed := slices.ContainsFunc(names, func(name string) bool { return tree.Columns != nil && tree.Columns.Column(name) == nil })
	if all || !computed {
		return everything
	}
	slices.Sort(names)
	var out []sqlast.Output
	for _, name := range slices.Compact(names) {
		out = append(out, sqlast.Output{Expr: sqlast.Column{Of: row, Name: name}, As: name})
	}
	return out
}

// compared adds the columns that a condition compares.
func (n *ReadPlan) compared(l request.Logic, names []string) []string {
	switch l := l.(type) {
	case *request.Filter:
		if n.nullEmbed(l) == nil {
			names = append(names, l.Field.Name)
		}
	case *request.LogicGroup:
		for _, item := range l.Items {
			names = n.compared(item, names)
		}
	}
	return names
}

// argumentNames are the names that are given, sorted.
func (p *planner) argumentNames() []string {
	if p.req.Payload != nil {
		return p.req.Payload.Keys
	}
	var names []string
	for _, a := range p.req.Query.Arguments {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// resolve finds the overload that takes just these arguments.
func (p *planner) resolve(args []string, post bool) (*catalog.Function, *request.Error) {
	overloads := p.snap.Functions[catalog.Name{Schema: p.req.Schema, Name: p.req.Name}]
	media := request.MediaJSON
	raw, uneven := false, false
	if pay := p.req.Payload; pay != nil {
		media, raw, uneven = pay.Media, pay.Raw, pay.Uneven
	}
	var named, whole []*catalog.Function
	for _, f := range overloads {
		switch {
		case !raw && !uneven && takes(f, args):
			named = append(named, f)
		case post && takesWhole(f, media):
			whole = append(whole, f)
		}
	}
	found := named
	if len(found) == 0 {
		found = whole
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, ambiguousFunction(found)
	case uneven && len(overloads) > 0:
		return nil, unevenArguments()
	default:
		return nil, functionNotFound(p.snap, p.req, args)
	}
}

func unevenArguments() *request.Error {
	return &request.Error{Code: "PGRST102", Status: http.StatusBadRequest, Message: "All object keys must match"}
}

// takes is true when the arguments hold all required parameters and nothing else.
func takes(f *catalog.Function, args []string) bool {
	for _, a := range args {
		if !slices.ContainsFunc(f.Parameters, func(p catalog.Parameter) bool { return p.Name == a }) {
			return false
		}
	}
	for _, p := range f.Parameters {
		if p.Required && !slices.Contains(args, p.Name) {
			return false
		}
	}
	return true
}

// takesWhole is true for a single unnamed parameter that takes a body of the type.
func takesWhole(f *catalog.Function, media string) bool {
	if len(f.Parameters) != 1 || f.Parameters[0].Name != "" {
		return false
	}
	switch t := f.Parameters[0].TypeName; media {
	case request.MediaJSON:
		return t == "json" || t == "jsonb"
	case request.MediaText:
		return t == "text"
	case request.MediaXML:
		return t == "xml"
	case request.MediaOctets:
		return t == "bytea"
	}
	return false
}

// callRows is the call as something to select from.
func (p *planner) callRows(f *catalog.Function, args []string) []sqlast.From {
	call := sqlast.CallRef{Fn: sqlast.RefOf(f.Name)}
	var from []sqlast.From
	var given []catalog.Parameter
	for _, prm := range f.Parameters {
		if prm.Name != "" && slices.Contains(args, prm.Name) {
			given = append(given, prm)
		}
	}
	switch pay := p.req.Payload; {
	case len(f.Parameters) == 1 && f.Parameters[0].Name == "":
		value := p.wholeBody()
		if f.Parameters[0].TypeName == "bytea" {
			value = hexBytes(value)
		}
		call.Args = []sqlast.NamedArg{{Value: sqlast.As{Expr: sqlast.Bytes(value), Type: f.Parameters[0].Type}}}
	case len(given) == 0:
	case pay == nil || pay.Fields != nil:
		fields := p.req.Query.Arguments
		if pay != nil {
			fields = pay.Fields
		}
		for _, prm := range given {
			call.Args = append(call.Args, sqlast.NamedArg{Name: prm.Name, Variadic: prm.Variadic, Value: sqlast.As{
				Expr: sqlast.Param(argument(prm, fields)), Type: prm.Type}})
		}
	default:
		from = []sqlast.From{sqlast.Sub{As: bodyName, Query: argumentRow(pay, given)}}
		for _, prm := range given {
			call.Args = append(call.Args, sqlast.NamedArg{Name: prm.Name, Variadic: prm.Variadic,
				Value: sqlast.Column{Of: sqlast.Ref{Name: bodyName}, Name: prm.Name}})
		}
	}
	if !f.ReturnsValue() {
		return append(from, sqlast.FunctionRows{Call: call, As: callName})
	}
	return append(from, sqlast.Sub{As: callName, Lateral: true,
		Query: &sqlast.Select{Output: []sqlast.Output{{Expr: call, As: scalarName}}}})
}

// wholeBody is what a single unnamed parameter is given, whatever its type: the
// body as it came, or the object of the arguments of a query string or a form.
func (p *planner) wholeBody() []byte {
	fields := p.req.Query.Arguments
	if pay := p.req.Payload; pay != nil {
		if pay.Fields == nil {
			return pay.JSON
		}
		fields = pay.Fields
	}
	object := make(map[string]string, len(fields))
	for _, a := range fields {
		object[a.Name] = a.Value
	}
	body, err := json.Marshal(object)
	if err != nil { // strings always have a JSON form
		return []byte("{}")
	}
	return body
}

// argumentRow is the one row of the arguments in the body.
func argumentRow(pay *request.Payload, given []catalog.Parameter) sqlast.Query {
	one := int64(1)
	rec := sqlast.Record{Fn: sqlast.JSONRecord, Arg: typedBody(pay.JSON, sqlast.TypeJSON), As: "_"}
	if pay.Array {
		rec.Fn = sqlast.JSONRecordset
	}
	s := &sqlast.Select{From: []sqlast.From{rec}, Limit: &one}
	for _, prm := range given {
		rec.Columns = append(rec.Columns, sqlast.TypedColumn{Name: prm.Name, Type: prm.Type})
		s.Output = append(s.Output, sqlast.Output{Expr: sqlast.Column{Of: sqlast.Ref{Name: "_"}, Name: prm.Name}, As: prm.Name})
	}
	s.From[0] = rec
	return s
}

// argument is the value of a parameter: the last one given, or all of them as
// an array for a variadic one.
func argument(prm catalog.Parameter, fields []request.Argument) string {
	var values []string
	for _, a := range fields {
		if a.Name == prm.Name {
			values = append(values, a.Value)
		}
	}
	if prm.Variadic {
		return catalog.ArrayLiteral(values)
	}
	return values[len(values)-1]
}

// hexBytes writes bytes in the text form of bytea.
func hexBytes(b []byte) []byte {
	const digits = "0123456789abcdef"
	out := make([]byte, 2, 2+2*len(b))
	out[0], out[1] = '\\', 'x'
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return out
}
