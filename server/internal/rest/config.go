package rest

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/plan"
	"github.com/suparust/suparust/server/internal/session"
)

// Config of a Handler. DB is required, the rest has defaults.
type Config struct {
	// DB is the pool of the login role that may become every API role.
	DB *session.DB
	// ListenConn opens a connection of its own for the schema listener; nil
	// runs without one.
	ListenConn func(context.Context) (*pgx.Conn, error)
	// Schemas are the exposed schemas, the first is the default; nil is public.
	Schemas []string
	// ExtraSearchPath follows the request's schema in search_path.
	ExtraSearchPath []string
	// AnonRole runs requests without a token; "" refuses them.
	AnonRole string
	// MaxRows caps reads and calls at every level; 0 is no cap.
	MaxRows int
	// SafeUpdate refuses updates and deletes without a condition.
	SafeUpdate bool
	// MaxBody is the largest request body in bytes; 0 is 64 MiB.
	MaxBody int64
	// MaxResponse is the largest body of an answer in bytes; 0 is 256 MiB. That
	// of an answer made in one piece is the DB's MaxMessage.
	MaxResponse int64
	// Aggregates allows aggregate functions in select.
	Aggregates bool
	// Plans lets clients ask for the plan of their statement.
	Plans bool
	// TxEnd is how transactions end: commit, commit-allow-override, rollback
	// or rollback-allow-override; "" is commit.
	TxEnd string
	// PreRequest is a function, schema.name, that runs before every statement.
	PreRequest string
	// PublicURL is where clients reach the root; "" tells the address a client has used.
	PublicURL string
	// OpenAPI is follow-privileges, ignore-privileges or disabled; "" is the first.
	OpenAPI string
	// JWTAudience must be among the audiences of a token that names any.
	JWTAudience string
	// AppSettings are set in every transaction.
	AppSettings []session.Setting
	// Now is the clock that tokens are judged by; nil is time.Now.
	Now    func() time.Time
	Logger *slog.Logger
}

const (
	defaultMaxBody     = 64 << 20
	defaultMaxResponse = 256 << 20
)

// config is what is in force: Config with the settings found in the database.
type config struct {
	snapshot    *catalog.Snapshot
	schemas     []string
	extraPath   []string
	anonRole    string
	maxRows     int
	aggregates  bool
	plans       bool
	allowTx     bool
	rollback    bool
	preRequest  string
	audience    string
	hoisted     []string
	rootFn      string
	openAPI     string
	searchPaths map[string]string // by schema
	planner     *plan.Cache
}

// hoistedSettings are the settings of a called function that are set before it.
var hoistedSettings = []string{"statement_timeout", "plan_filter.statement_cost_limit", "default_transaction_isolation"}

// effective lays the database's own settings over the configured ones.
func (c *Config) effective(s *catalog.Snapshot) *config {
	out := &config{
		snapshot: s, schemas: c.Schemas, extraPath: c.ExtraSearchPath, anonRole: c.AnonRole, maxRows: c.MaxRows,
		aggregates: c.Aggregates, plans: c.Plans, audience: c.JWTAudience, preRequest: c.PreRequest, hoisted: hoistedSettings,
		searchPaths: map[string]string{},
	}
	txEnd := c.TxEnd
	out.openAPI = c.OpenAPI
	text := func(to *string, names ...string) {
		for _, name := range names {
			if v, ok := s.Settings[name]; ok {
				*to = v
				return
			}
		}
	}
	list := func(to *[]string, name string) {
		if v, ok := s.Settings[name]; ok {
			*to = splitList(v)
		}
	}
	list(&out.schemas, "db_schemas")
	list(&out.extraPath, "db_extra_search_path")
	list(&out.hoisted, "db_hoisted_tx_settings")
	text(&out.anonRole, "db_anon_role")
	text(&out.preRequest, "db_pre_request", "pre_request")
	text(&out.audience, "jwt_aud")
	text(&out.rootFn, "db_root_spec")
	text(&txEnd, "db_tx_end")
	text(&out.openAPI, "openapi_mode")
	var rows, aggregates, plans string
	text(&rows, "db_max_rows", "max_rows")
	if n, err := strconv.Atoi(rows); err == nil && n >= 0 {
		out.maxRows = n
	}
	text(&aggregates, "db_aggregates_enabled")
	if v, ok := boolean(aggregates); ok {
		out.aggregates = v
	}
	text(&plans, "db_plan_enabled")
	if v, ok := boolean(plans); ok {
		out.plans = v
	}
	out.rollback = strings.HasPrefix(txEnd, "rollback")
	out.allowTx = strings.HasSuffix(txEnd, "-allow-override")
	if len(out.schemas) == 0 {
		out.schemas = []string{"public"}
	}
	for _, schema := range out.schemas {
		out.searchPaths[schema] = searchPath(schema, out.extraPath)
	}
	return out
}

func splitList(v string) []string {
	var out []string
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

func boolean(v string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "true", "t", "yes", "on", "1":
		return true, true
	case "false", "f", "no", "off", "0":
		return false, true
	}
	return false, false
}

// searchPath is the value of search_path: the schema, then the extra ones, quoted.
func searchPath(schema string, extra []string) string {
	var b strings.Builder
	b.WriteString(pgx.Identifier{schema}.Sanitize())
	for _, e := range extra {
		b.WriteString(", ")
		b.WriteString(pgx.Identifier{e}.Sanitize())
	}
	return b.String()
}
