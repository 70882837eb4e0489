package rest

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/gateway"
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
	// Heard is told of every notification on Channel; nil is not.
	Heard func()
	// Plain says that the database has nothing of the platform's own: no log of
	// schema changes and no function that checks numbers of rows. What was not
	// found is looked for again when the catalog has changed, and a write whose
	// number of rows matters is committed in a second round trip.
	Plain bool
	Options
	// Channel is what the schema listener listens on; "" is pgrst.
	Channel string
	// PreConfig is a function, schema.name, that makes the database's settings
	// before they are read; NoDatabaseConfig reads none.
	PreConfig        string
	NoDatabaseConfig bool
	// RememberedTokens bounds the tokens whose signature is remembered, where
	// the database names a secret of its own.
	RememberedTokens int
	Limits
	// PublicURL is where clients reach the root; "" tells the address a client has used.
	PublicURL string
	// Now is the clock that tokens are judged by; nil is time.Now.
	Now    func() time.Time
	Logger *slog.Logger
}

// config is what is in force: Options with the settings found in the database.
type config struct {
	source      *Options // what it was made of
	extraPath   []string
	snapshot    *catalog.Snapshot
	schemas     []string
	anonRole    string
	anonClaims  []byte // of requests without a token
	maxRows     int
	safeUpdate  bool
	aggregates  bool
	plans       bool
	allowTx     bool
	rollback    bool
	preRequest  string
	audience    string
	roleClaim   gateway.ClaimPath
	verifier    *gateway.Verifier // nil leaves tokens to the gateway
	hoisted     []*regexp.Regexp
	appSettings []session.Setting
	rootFn      string
	openAPI     string
	security    bool
	proxy       string
	origins     []string
	trace       string
	timing      bool
	unprepared  bool
	searchPaths map[string]string // by schema
	roles       map[string][]session.Setting
	planner     *plan.Cache
	documents   documents
	problems    []error // settings of the database that cannot be
}

// effective lays the database's own settings over the configured ones. s may
// be nil.
func (h *Handler) effective(from *Options, s *catalog.Snapshot) *config {
	o := *from
	out := &config{source: from, snapshot: s, searchPaths: map[string]string{}, roles: map[string][]session.Setting{}}
	if s != nil {
		out.problems = o.override(s.Settings)
	}
	out.schemas, out.anonRole, out.maxRows, out.safeUpdate, out.aggregates = o.Schemas, o.AnonRole, o.MaxRows, o.SafeUpdate, o.Aggregates
	out.extraPath = o.ExtraSearchPath
	out.plans, out.preRequest, out.audience, out.appSettings = o.Plans, o.PreRequest, o.JWTAudience, o.AppSettings
	out.rootFn, out.openAPI, out.security, out.proxy = o.RootFunction, o.OpenAPI, o.OpenAPISecurity, o.OpenAPIProxy
	out.origins, out.trace, out.timing, out.unprepared = o.CORSOrigins, o.TraceHeader, o.ServerTiming, o.Unprepared
	out.rollback = strings.HasPrefix(o.TxEnd, "rollback")
	out.allowTx = strings.HasSuffix(o.TxEnd, "-allow-override")
	out.anonClaims = claimsWithRole(nil, out.anonRole)
	if o.HoistedSettings == nil {
		o.HoistedSettings = defaultHoisted
	}
	var herr error
	if out.hoisted, herr = hoistedPatterns(o.HoistedSettings); herr != nil {
		out.problems = append(out.problems, herr)
	}
	if i := strings.LastIndexByte(out.rootFn, '.'); i >= 0 {
		out.rootFn = out.rootFn[i+1:] // it is one of the request's schema
	}
	if out.openAPI == "disabled" {
		out.rootFn = ""
	}
	if out.proxy == "" {
		out.proxy = h.cfg.PublicURL
	}
	out.roleClaim = gateway.RolePath
	if o.RoleClaim != "" {
		out.roleClaim, _ = gateway.ParseClaimPath(o.RoleClaim) // Set has judged it
	}
	var err error
	if out.verifier, err = h.ownVerifier(o.secret, o.secretIsBase64); err != nil {
		out.problems = append(out.problems, fmt.Errorf("pgrst.jwt_secret: %w", err))
	}
	if len(out.schemas) == 0 {
		out.schemas = []string{"public"}
	}
	if s != nil {
		for name, role := range s.Roles {
			for _, x := range role.Settings {
				out.roles[name] = append(out.roles[name], session.Setting(x))
			}
		}
	}
	for _, schema := range out.schemas {
		out.searchPaths[schema] = searchPath(schema, o.ExtraSearchPath)
	}
	return out
}

// override lays settings of the database over o. One that cannot be leaves
// what was configured.
func (o *Options) override(settings map[string]string) (problems []error) {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		x, ok := options[name]
		if !ok || !x.inDatabase {
			continue
		}
		next := *o
		if err := x.set(&next, settings[name]); err != nil {
			problems = append(problems, fmt.Errorf("pgrst.%s: %w", name, err))
			continue
		}
		*o = next
	}
	return problems
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
