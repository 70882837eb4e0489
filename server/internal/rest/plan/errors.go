package plan

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
)

func relationNotFound(s *catalog.Snapshot, schema, name string) *request.Error {
	e := &request.Error{Code: "PGRST205", Status: http.StatusNotFound,
		Message: fmt.Sprintf("Could not find the table '%s.%s' in the schema cache", schema, name)}
	names := s.RelationNames(schema)
	if len(names) < maxHintNames {
		if best, _ := closest(name, names, 0.75); best != "" {
			e.Hint = fmt.Sprintf("Perhaps you meant the table '%s.%s'", schema, best)
		}
	}
	return e
}

// maxHintNames is the number of relations above which no similar one is looked for.
const maxHintNames = 500

func columnNotFound(column, relation string) *request.Error {
	return &request.Error{Code: "PGRST204", Status: http.StatusBadRequest,
		Message: fmt.Sprintf("Could not find the '%s' column of '%s' in the schema cache", column, relation)}
}

func notEmbedded(name string) *request.Error {
	return &request.Error{Code: "PGRST108", Status: http.StatusBadRequest,
		Message: fmt.Sprintf("'%s' is not an embedded resource in this request", name),
		Hint:    fmt.Sprintf("Verify that '%s' is included in the 'select' query parameter.", name)}
}

func relatedOrder(origin, target string) *request.Error {
	return &request.Error{Code: "PGRST118", Status: http.StatusBadRequest,
		Message: fmt.Sprintf("A related order on '%s' is not possible", target),
		Details: fmt.Sprintf("'%s' and '%s' do not form a many-to-one or one-to-one relationship", origin, target)}
}

func aggregatesDisabled() *request.Error {
	return &request.Error{Code: "PGRST123", Status: http.StatusBadRequest, Message: "Use of aggregate functions is not allowed"}
}

func notImplemented(what string) *request.Error {
	return &request.Error{Code: "PGRST127", Status: http.StatusBadRequest, Message: "Feature not implemented", Details: what}
}

func invalidPreferences(items []string) *request.Error {
	return &request.Error{Code: "PGRST122", Status: http.StatusBadRequest,
		Message: "Invalid preferences given with handling=strict", Details: "Invalid preferences: " + strings.Join(items, ", ")}
}

func mediaNotAvailable(accept []request.MediaType) *request.Error {
	names := make([]string, len(accept))
	for i, m := range accept {
		names[i] = m.String()
	}
	return &request.Error{Code: "PGRST107", Status: http.StatusNotAcceptable,
		Message: "None of these media types are available: " + strings.Join(names, ", ")}
}

func keyFilters() *request.Error {
	return &request.Error{Code: "PGRST105", Status: http.StatusMethodNotAllowed,
		Message: "Filters must include all and only primary key columns with 'eq' operators"}
}

func requiresWhere(verb string) *request.Error {
	return &request.Error{Code: "21000", Status: http.StatusBadRequest, Message: verb + " requires a WHERE clause"}
}

func singleWithMaxAffected() *request.Error {
	return &request.Error{Code: "PGRST128", Status: http.StatusBadRequest,
		Message: "Function must return SETOF or TABLE when max-affected preference is used with handling=strict"}
}

func functionNotFound(s *catalog.Snapshot, r *request.Request, args []string) *request.Error {
	full := r.Schema + "." + r.Name
	e := &request.Error{Code: "PGRST202", Status: http.StatusNotFound}
	media := request.MediaJSON
	post := r.Method == http.MethodPost
	if r.Payload != nil {
		media = r.Payload.Media
	}
	list := strings.Join(args, ", ")
	with := " without parameters"
	shown := " without parameters"
	single := ""
	if len(args) > 0 {
		with = " with parameter " + list
		if len(args) > 1 {
			with = " with parameters " + list
		}
		shown = "(" + list + ")"
	}
	if post {
		switch media {
		case request.MediaJSON:
			single = " or with a single unnamed json/jsonb parameter"
		case request.MediaText:
			with, shown = " with a single unnamed text parameter", ""
		case request.MediaXML:
			with, shown = " with a single unnamed xml parameter", ""
		case request.MediaOctets:
			with, shown = " with a single unnamed bytea parameter", ""
		}
	}
	e.Message = fmt.Sprintf("Could not find the function %s%s in the schema cache", full, shown)
	e.Details = fmt.Sprintf("Searched for the function %s%s%s, but no matches were found in the schema cache.", full, with, single)
	if r.Payload == nil || !r.Payload.Raw {
		e.Hint = functionHint(s, r, args)
	}
	return e
}

// functionHint suggests another name, or another list of parameters of the same one.
func functionHint(s *catalog.Snapshot, r *request.Request, args []string) string {
	overloads := s.Functions[catalog.Name{Schema: r.Schema, Name: r.Name}]
	if len(overloads) == 0 {
		names := s.FunctionNames(r.Schema)
		if len(names) >= maxHintNames {
			return ""
		}
		if best, _ := closest(r.Name, names, 0.75); best != "" {
			return "Perhaps you meant to call the function " + r.Schema + "." + best
		}
		return ""
	}
	var lists []string
	for _, f := range overloads {
		lists = append(lists, parameterList(f))
	}
	want := slices.Clone(args)
	slices.Sort(want)
	if best, _ := closest("("+strings.Join(want, ", ")+")", lists, 0.33); best != "" {
		return "Perhaps you meant to call the function " + r.Schema + "." + r.Name + best
	}
	return ""
}

func parameterList(f *catalog.Function) string {
	names := make([]string, len(f.Parameters))
	for i, p := range f.Parameters {
		names[i] = p.Name
	}
	slices.Sort(names)
	return "(" + strings.Join(names, ", ") + ")"
}

func ambiguousFunction(candidates []*catalog.Function) *request.Error {
	texts := make([]string, len(candidates))
	for i, f := range candidates {
		params := make([]string, len(f.Parameters))
		for j, p := range f.Parameters {
			params[j] = p.Name + " => " + p.TypeName
		}
		texts[i] = f.Name.String() + "(" + strings.Join(params, ", ") + ")"
	}
	return &request.Error{Code: "PGRST203", Status: http.StatusMultipleChoices,
		Message: "Could not choose the best candidate function between: " + strings.Join(texts, ", "),
		Hint:    "Try renaming the parameters or the function itself in the database so function overloading can be resolved"}
}
