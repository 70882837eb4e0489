// Package request turns an HTTP request into what it asks for: the resource,
// the parsed query string, the preferences, the acceptable media types, the
// window of rows and the payload. It is pure: it knows neither the database
// nor its schema.
package request

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Resource is the kind of thing a path names.
type Resource uint8

// The kinds of resources.
const (
	Root Resource = iota
	Relation
	Function
)

// Options are the settings the parser depends on.
type Options struct {
	// Schemas are the exposed schemas; the first is the default.
	Schemas []string
	// AllowTx lets the client choose how its transaction ends.
	AllowTx bool
	// RootFunction answers the root path when it is not empty.
	RootFunction string
}

// Request is what a client asks for.
type Request struct {
	Method   string
	Resource Resource
	// Name of the relation or function.
	Name string
	// Schema the request works in. Negotiated tells that the answer names it.
	Schema     string
	Negotiated bool
	// Path is the path as it was sent, still percent-encoded.
	Path  string
	Query *Query
	Prefs Preferences
	// Accept lists the acceptable media types, best first.
	Accept      []MediaType
	ContentType string
	// Range is the window over the root rows: limit, offset and Range header.
	Range Range
	// Payload is set by ParseBody on requests that take a body.
	Payload *Payload
}

// Reads is true for requests that return rows without changing any.
func (r *Request) Reads() bool {
	return r.Resource != Function && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// FunctionRead is true for a function called by GET or HEAD.
func (r *Request) FunctionRead() bool {
	return r.Resource == Function && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// Writes is true for requests that change rows of a relation.
func (r *Request) Writes() bool {
	switch r.Method {
	case http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete:
		return r.Resource == Relation
	}
	return false
}

// TakesBody is true for requests whose body is read.
func (r *Request) TakesBody() bool {
	switch r.Method {
	case http.MethodPost:
		return r.Resource != Root
	case http.MethodPatch, http.MethodPut:
		return r.Resource == Relation
	}
	return false
}

// Parse reads everything but the body.
func Parse(method, escapedPath, rawQuery string, h http.Header, o Options) (*Request, *Error) {
	if len(escapedPath)+len(rawQuery) > MaxTargetBytes {
		return nil, &Error{Code: "PGRST100", Status: http.StatusRequestURITooLong,
			Message: "The request target is too long", Details: "At most 65536 bytes of path and query string are accepted.",
			Hint: "Send long lists in a function call's body."}
	}
	r := &Request{Method: method, Path: escapedPath, ContentType: h.Get("Content-Type")}
	for _, step := range []func(http.Header, string, Options) *Error{
		r.readPath, r.readSchema, r.readMethod, r.readQuery, r.readRange, r.readHeaders,
	} {
		if err := step(h, rawQuery, o); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Request) readPath(_ http.Header, _ string, o Options) *Error {
	path := strings.TrimPrefix(r.Path, "/")
	if path == "" {
		if o.RootFunction != "" {
			r.Resource, r.Name = Function, o.RootFunction
		}
		return nil
	}
	segments := strings.SplitN(path, "/", 4)
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil || !validText(decoded) {
			return invalidPath()
		}
		segments[i] = decoded
	}
	switch {
	case len(segments) == 1:
		r.Resource, r.Name = Relation, segments[0]
	case len(segments) == 2 && segments[0] == "rpc" && segments[1] != "":
		r.Resource, r.Name = Function, segments[1]
	default:
		return invalidPath()
	}
	return nil
}

func (r *Request) readSchema(h http.Header, _ string, o Options) *Error {
	name := "Accept-Profile"
	switch r.Method {
	case http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete:
		name = "Content-Profile"
	}
	r.Schema, r.Negotiated = o.Schemas[0], len(o.Schemas) > 1
	if values := h.Values(name); len(values) > 0 {
		r.Schema, r.Negotiated = values[0], true
		if !slices.Contains(o.Schemas, r.Schema) {
			return unknownSchema(r.Schema, o.Schemas)
		}
	}
	return nil
}

func (r *Request) readMethod(http.Header, string, Options) *Error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	case http.MethodPost:
		if r.Resource != Root {
			return nil
		}
	case http.MethodPatch, http.MethodPut, http.MethodDelete:
		if r.Resource == Relation {
			return nil
		}
	}
	if r.Resource == Function {
		return unsupportedFunctionMethod(r.Method)
	}
	return unsupportedMethod(r.Method)
}

func (r *Request) readQuery(_ http.Header, rawQuery string, _ Options) *Error {
	if r.Method == http.MethodOptions {
		r.Query = &Query{Select: allColumns}
		return nil
	}
	var err *Error
	r.Query, err = ParseQuery(rawQuery, r.FunctionRead())
	return err
}

func (r *Request) readHeaders(h http.Header, _ string, o Options) *Error {
	var err *Error
	if r.Accept, err = ParseAccept(h.Values("Accept")); err != nil {
		return err
	}
	r.Prefs, err = ParsePreferences(h, o.AllowTx)
	return err
}
