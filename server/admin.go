package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/catalog"
)

// serveAdmin answers /live, /ready, /schema_cache and /metrics on a port of
// their own, where one is configured. What they tell is for operators: nothing
// asks for a key there.
func (s *Server) serveAdmin(ctx context.Context) error {
	if s.cfg.AdminPort == 0 {
		return nil
	}
	addr := s.cfg.AdminAddr
	if addr == "" {
		addr = s.cfg.BindAddr
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(addr, strconv.Itoa(s.cfg.AdminPort)))
	if err != nil {
		return fmt.Errorf("listen on the admin port: %w; choose another with SUPARUST_ADMIN_PORT", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /live", s.live)
	mux.HandleFunc("GET /ready", s.ready)
	mux.HandleFunc("GET /schema_cache", s.schemaCache)
	mux.HandleFunc("GET /metrics", s.metrics)
	s.admin = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug)}
	s.serving.Go(func() {
		if err := s.admin.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("serve the admin port: %w", err))
		}
	})
	return nil
}

// probeTime bounds a probe, so that what asks for it gets an answer in time.
const probeTime = 5 * time.Second

// live answers 200 when the APIs' own port takes connections.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), probeTime)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", reachable(s.listener.Addr().(*net.TCPAddr)))
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_ = conn.Close() // it has served its purpose
	w.WriteHeader(http.StatusOK)
}

// ready answers 200 when the schema is read and the database answers.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), probeTime)
	defer cancel()
	if err := s.rest.Ready(ctx); err != nil {
		s.cfg.Logger.LogAttrs(r.Context(), slog.LevelWarn, "not ready", slog.Any("error", err))
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// schemaCache answers what is known of the schema.
func (s *Server) schemaCache(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), probeTime)
	defer cancel()
	snapshot, err := s.rest.Schema(ctx)
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(describeSchema(snapshot)) // the client is gone when this fails
}

type schemaTable struct {
	Schema     string         `json:"tableSchema"`
	Name       string         `json:"tableName"`
	IsView     bool           `json:"tableIsView"`
	Insertable bool           `json:"tableInsertable"`
	Updatable  bool           `json:"tableUpdatable"`
	Deletable  bool           `json:"tableDeletable"`
	PrimaryKey []string       `json:"tablePKCols"`
	Columns    []schemaColumn `json:"tableColumns"`
}

type schemaColumn struct {
	Name     string `json:"colName"`
	Type     string `json:"colType"`
	Nullable bool   `json:"colNullable"`
}

type schemaRoutine struct {
	Schema     string            `json:"pdSchema"`
	Name       string            `json:"pdName"`
	Parameters []schemaParameter `json:"pdParams"`
}

type schemaParameter struct {
	Name     string `json:"ppName"`
	Type     string `json:"ppType"`
	Required bool   `json:"ppReq"`
}

// describeSchema is the snapshot in an order that does not change.
func describeSchema(s *catalog.Snapshot) map[string]any {
	order := func(a, b catalog.Name) int { return strings.Compare(a.String(), b.String()) }
	tables, routines := []schemaTable{}, []schemaRoutine{}
	var names []catalog.Name
	for n := range s.Relations {
		names = append(names, n)
	}
	slices.SortFunc(names, order)
	for _, n := range names {
		r := s.Relations[n]
		t := schemaTable{Schema: n.Schema, Name: n.Name, IsView: r.Kind == 'v' || r.Kind == 'm', Insertable: r.Insertable,
			Updatable: r.Updatable, Deletable: r.Deletable, PrimaryKey: append([]string{}, r.PrimaryKey...), Columns: []schemaColumn{}}
		for _, c := range r.Columns {
			t.Columns = append(t.Columns, schemaColumn{Name: c.Name, Type: c.Type.SQL(), Nullable: !c.NotNull})
		}
		tables = append(tables, t)
	}
	names = names[:0]
	for n := range s.Functions {
		names = append(names, n)
	}
	slices.SortFunc(names, order)
	for _, n := range names {
		for _, f := range s.Functions[n] {
			routine := schemaRoutine{Schema: n.Schema, Name: n.Name, Parameters: []schemaParameter{}}
			for _, p := range f.Parameters {
				routine.Parameters = append(routine.Parameters, schemaParameter{Name: p.Name, Type: p.TypeName, Required: p.Required})
			}
			routines = append(routines, routine)
		}
	}
	return map[string]any{"dbTables": tables, "dbRoutines": routines}
}

// metrics answers in the text format of Prometheus, under PostgREST's names.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	st, tokens := s.rest.Stats(), s.ring.verifier.Stats()
	var b strings.Builder
	metric := func(kind, name, help string, value any) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n%s %v\n", name, help, name, kind, name, value)
	}
	metric("counter", "pgrst_db_pool_timeouts_total", "The total number of pool connection timeouts", st.Pool.Timeouts)
	metric("gauge", "pgrst_db_pool_available", "Available connections in the pool", max(st.Pool.Open-st.Pool.InUse, 0))
	metric("gauge", "pgrst_db_pool_waiting", "Requests waiting to acquire a pool connection", st.Pool.Waiting)
	metric("gauge", "pgrst_db_pool_max", "Max pool connections", st.Pool.Max)
	b.WriteString("# HELP pgrst_schema_cache_loads_total The total number of times the schema cache was loaded\n# TYPE pgrst_schema_cache_loads_total counter\n")
	fmt.Fprintf(&b, "pgrst_schema_cache_loads_total{status=\"SUCCESS\"} %d\npgrst_schema_cache_loads_total{status=\"FAIL\"} %d\n", st.SchemaLoads, st.FailedLoads)
	metric("gauge", "pgrst_schema_cache_query_time_seconds", "The query time in seconds of the last schema cache load", st.SchemaLoadTime.Seconds())
	metric("counter", "pgrst_jwt_cache_requests_total", "The total number of JWT cache lookups", tokens.Lookups.Load())
	metric("counter", "pgrst_jwt_cache_hits_total", "The total number of JWT cache hits", tokens.Hits.Load())
	metric("counter", "pgrst_jwt_cache_evictions_total", "The total number of JWT cache evictions", tokens.Evictions.Load())
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(b.String())) // the client is gone when this fails
}
