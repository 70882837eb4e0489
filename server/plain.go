package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/session"
)

// Plain turns off Bootstrap: the external database is served as it is found, as
// PostgREST would serve it. Nothing is created there, the login role is the
// URL's own, and REST starts from PostgREST's defaults instead of the
// platform's: the schema public alone, no row limit, no role for requests
// without a token, and updates of all rows are allowed. A project's api section
// keeps what it says. Settings made after it win.
func (c *Config) Plain() {
	c.Database.Bootstrap = false
	c.REST.SafeUpdate = false
	if c.project != nil {
		return
	}
	d := DefaultConfig().REST
	if slices.Equal(c.REST.Schemas, d.Schemas) {
		c.REST.Schemas = []string{"public"}
	}
	if slices.Equal(c.REST.ExtraSearchPath, d.ExtraSearchPath) {
		c.REST.ExtraSearchPath = []string{"public"}
	}
	if c.REST.MaxRows == d.MaxRows {
		c.REST.MaxRows = 0
	}
	if c.REST.AnonRole == d.AnonRole {
		c.REST.AnonRole = ""
	}
}

// plain tells that the database is somebody else's and stays as it is.
func (c *Config) plain() bool { return c.Database.URL != "" && !c.Database.Bootstrap }

// optional is an API that is served where the database has what it needs, which
// is asked until it is there.
type optional struct {
	name, schema, table string
	db                  *session.DB
	handler             http.Handler
	start               func(context.Context) error

	mu    sync.Mutex
	ready bool
}

func (o *optional) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	there, err := o.there(r.Context())
	switch {
	case err != nil:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "the database cannot be asked whether it has what "+o.name+" needs: try again")
	case !there:
		refuse(w, http.StatusNotFound, fmt.Sprintf("%s is not served here: the database has no table %s.%s. "+
			"Start once with SUPARUST_DB_BOOTSTRAP=true and a superuser's URL to create what it needs", o.name, o.schema, o.table))
	default:
		o.handler.ServeHTTP(w, r)
	}
}

// refuse answers in a form that the clients of Auth and of Storage can show.
func refuse(w http.ResponseWriter, status int, message string) {
	_ = httpx.WriteJSON(w, status, map[string]any{ // plain values always encode
		"code": status, "statusCode": fmt.Sprint(status), "error_code": "not_served", "error": http.StatusText(status), "msg": message, "message": message,
	})
}

const tableSQL = `select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2)`

func (o *optional) there(ctx context.Context) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ready {
		return true, nil
	}
	results, err := o.db.Do(ctx, nil, session.Options{ReadOnly: true},
		session.Statement{SQL: tableSQL, Params: [][]byte{[]byte(o.schema), []byte(o.table)}})
	if err != nil {
		return false, err
	}
	if string(results[0].Rows[0][0]) != "t" {
		return false, nil
	}
	if err := o.start(context.WithoutCancel(ctx)); err != nil {
		return false, err
	}
	o.ready = true
	return true, nil
}
