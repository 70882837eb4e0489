package rest

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/suparust/suparust/server/internal/rest/openapi"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/session"
)

// visibleSQL lists what the caller may touch: the relations and the functions
// of a schema by kind and id.
const visibleSQL = `
select 'r', c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition
  and (pg_has_role(c.relowner, 'usage') or has_table_privilege(c.oid, 'select, insert, update, delete, truncate, references, trigger')
    or has_any_column_privilege(c.oid, 'select, insert, update, references'))
union all
select 'f', p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = $1 and has_function_privilege(p.oid, 'execute')`

// describe answers the root: the OpenAPI document of what the caller may touch.
func (h *Handler) describe(ctx context.Context, r *http.Request, cfg *config, who *caller, req *request.Request, clock *stopwatch) (*answer, error) {
	acceptable := false
	for _, a := range req.Accept {
		switch a.Type {
		case request.MediaOpenAPI, request.MediaJSON, request.MediaAny, "application/*":
			acceptable = true
		}
	}
	if !acceptable {
		return nil, mediaNotAvailable(req)
	}
	options := openapi.Options{Schema: req.Schema, Host: r.Host, Scheme: "http", BasePath: "/", Security: cfg.security}
	if r.TLS != nil {
		options.Scheme = "https"
	}
	if u, err := url.Parse(cfg.proxy); err == nil && u.Host != "" {
		options.Host, options.Scheme = u.Host, u.Scheme
		if u.Path != "" {
			options.BasePath = u.Path
		}
	}
	if cfg.openAPI == "disabled" {
		return nil, &Error{Code: "PGRST126", Status: http.StatusNotFound, Message: "Root endpoint metadata is disabled"}
	}
	if cfg.openAPI != "ignore-privileges" {
		settings := h.baseSettings(r, cfg, who, req)
		clock.lap(phasePlan)
		results, err := h.db.Do(ctx, settings, session.Options{ReadOnly: true},
			session.Statement{SQL: visibleSQL, Params: [][]byte{[]byte(req.Schema)}})
		if err != nil {
			return nil, err
		}
		clock.lap(phaseTransaction)
		seen := map[string]map[uint32]bool{"r": {}, "f": {}}
		for _, row := range results[0].Rows {
			if id, err := strconv.ParseUint(string(row[1]), 10, 32); err == nil {
				seen[string(row[0])][uint32(id)] = true
			}
		}
		options.Relations = func(oid uint32) bool { return seen["r"][oid] }
		options.Functions = func(oid uint32) bool { return seen["f"][oid] }
	}
	body, err := openapi.Build(cfg.snapshot, options)
	if err != nil {
		return nil, err
	}
	a := newAnswer(http.StatusOK)
	a.body, a.hasBody = body, true
	a.header.Set("Content-Type", "application/openapi+json; charset=utf-8")
	if req.Negotiated {
		a.header.Set("Content-Profile", req.Schema)
	}
	return a, nil
}

func mediaNotAvailable(req *request.Request) *Error {
	e := &Error{Code: "PGRST107", Status: http.StatusNotAcceptable, Message: "None of these media types are available: "}
	for i, a := range req.Accept {
		if i > 0 {
			e.Message += ", "
		}
		e.Message += a.Raw
	}
	return e
}
