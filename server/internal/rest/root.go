package rest

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/server/internal/rest/openapi"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/session"
)

// grantsSQL gives one text that tells apart all that visibleSQL depends on
// beside what a schema's version counts: who is a member of what, which roles
// have more rights than their grants, and the owners, because an event trigger
// does not hear of REASSIGN OWNED. A row that is written gets a younger xmin.
const grantsSQL = `select concat_ws(' ',
  (select count(*) || ' ' || sum(xmin::text::bigint) from pg_auth_members),
  (select string_agg(oid::text, ',' order by oid) from pg_roles where rolsuper),
  (select string_agg(oid::text, ',' order by oid) from pg_roles where not rolinherit),
  (select count(*) || ' ' || sum(xmin::text::bigint) from pg_shdepend
   where deptype = 'o' and dbid = (select oid from pg_database where datname = current_database())))`

// visibleSQL lists what the caller may touch: the relations and the functions
// of a schema by kind and id. The text of grantsSQL is with them.
const visibleSQL = `
select 'r', c.oid::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition
  and (pg_has_role(c.relowner, 'usage') or has_table_privilege(c.oid, 'select, insert, update, delete, truncate, references, trigger')
    or has_any_column_privilege(c.oid, 'select, insert, update, references'))
union all
select 'f', p.oid::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = $1 and has_function_privilege(p.oid, 'execute')
union all
select 'g', (` + grantsSQL + `)`

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
	options := openapi.Options{Schema: req.Schema, Host: r.Host, Scheme: "http", BasePath: "/", Security: cfg.security,
		SearchPath: append([]string{req.Schema}, cfg.extraPath...)}
	if r.TLS != nil {
		options.Scheme = "https"
	}
	if u, err := url.Parse(cfg.proxy); err == nil && u.Host != "" {
		options.Host, options.Scheme = u.Host, u.Scheme
		if u.Path != "" {
			options.BasePath = u.Path
		}
	}
	if cfg.openAPI != "" && cfg.openAPI != "follow-privileges" && h.changed(ctx, cfg.snapshot) { // no statement guards these
		return nil, &pgconn.PgError{Code: stateStale}
	}
	if cfg.openAPI == "disabled" {
		return nil, &Error{Code: "PGRST126", Status: http.StatusNotFound, Message: "Root endpoint metadata is disabled"}
	}
	body, err := h.document(ctx, r, cfg, who, req, options, clock)
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

// documentKey is what a document is made for.
type documentKey struct {
	role                         string
	schema, host, scheme, prefix string
}

// documents are those made of one snapshot.
type documents struct {
	mu   sync.Mutex
	made map[documentKey]document
	size int
}

type document struct {
	grants string
	body   []byte
}

// maxDocuments bounds what documents keep, in bytes.
const maxDocuments = 16 << 20

func (d *documents) get(k documentKey, grants string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if found := d.made[k]; found.grants == grants {
		return found.body
	}
	return nil
}

func (d *documents) put(k documentKey, made document) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.size += len(made.body) + 1024; d.size > maxDocuments || d.made == nil {
		d.made, d.size = map[documentKey]document{}, len(made.body)+1024
	}
	d.made[k] = made
}

// document gives the document for a caller. It is made once for a role and a
// snapshot; that both are still what they were is asked every time.
func (h *Handler) document(ctx context.Context, r *http.Request, cfg *config, who *caller, req *request.Request, o openapi.Options, clock *stopwatch) ([]byte, error) {
	settings := h.baseSettings(r, cfg, who, req)
	guarded := settings.SchemaVersion != nil
	key := documentKey{who.role, o.Schema, o.Host, o.Scheme, o.BasePath}
	grants := ""
	clock.lap(phasePlan)
	if guarded {
		results, err := h.db.Do(ctx, settings, session.Options{ReadOnly: true}, session.Statement{SQL: grantsSQL})
		if err != nil {
			return nil, err
		}
		clock.lap(phaseTransaction)
		grants = string(results[0].Rows[0][0])
		if body := cfg.documents.get(key, grants); body != nil {
			return body, nil
		}
	}
	if cfg.openAPI != "ignore-privileges" {
		results, err := h.db.Do(ctx, settings, session.Options{ReadOnly: true},
			session.Statement{SQL: visibleSQL, Params: [][]byte{[]byte(req.Schema)}})
		if err != nil {
			return nil, err
		}
		clock.lap(phaseTransaction)
		seen := map[string]map[uint32]bool{"r": {}, "f": {}}
		for _, row := range results[0].Rows {
			if id, err := strconv.ParseUint(string(row[1]), 10, 32); string(row[0]) != "g" && err == nil {
				seen[string(row[0])][uint32(id)] = true
			} else if string(row[0]) == "g" {
				grants = string(row[1])
			}
		}
		o.Relations = func(oid uint32) bool { return seen["r"][oid] }
		o.Functions = func(oid uint32) bool { return seen["f"][oid] }
	}
	body, err := openapi.Build(cfg.snapshot, o)
	if err != nil {
		return nil, err
	}
	if guarded {
		cfg.documents.put(key, document{grants, body})
	}
	return body, nil
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
