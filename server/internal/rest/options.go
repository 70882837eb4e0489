package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/session"
)

// Options are what may change while the API serves: by Reconfigure, and by the
// settings of the login role in the database, which win.
type Options struct {
	// Schemas are exposed, the first is the default; nil is public.
	Schemas []string
	// ExtraSearchPath follows the request's schema in search_path.
	ExtraSearchPath []string
	// MaxRows caps reads and calls at every level; 0 is no cap.
	MaxRows int
	// AnonRole runs requests without a token; "" refuses them.
	AnonRole string
	// SafeUpdate refuses updates and deletes without a condition.
	SafeUpdate bool
	// Aggregates allows aggregate functions in select.
	Aggregates bool
	// Plans lets clients ask for the plan of their statement.
	Plans bool
	// TxEnd is how transactions end: commit, commit-allow-override, rollback
	// or rollback-allow-override; "" is commit.
	TxEnd string
	// PreRequest is a function, schema.name, that runs before every statement.
	PreRequest string
	// RootFunction answers the root in the place of the OpenAPI document.
	RootFunction string
	// HoistedSettings are the settings of a called function that are set
	// before it; nil is statement_timeout, plan_filter.statement_cost_limit and
	// default_transaction_isolation.
	HoistedSettings []string
	// AppSettings are set in every transaction.
	AppSettings []session.Setting
	// Unprepared prepares no statements, for poolers that give every
	// transaction another connection.
	Unprepared bool

	// OpenAPI is follow-privileges, ignore-privileges or disabled; "" is the first.
	OpenAPI string
	// OpenAPISecurity declares in the document that a token is needed.
	OpenAPISecurity bool
	// OpenAPIProxy is the address that the document names; "" is the public one.
	OpenAPIProxy string

	// JWTAudience must be among the audiences of a token that names any.
	JWTAudience string
	// RoleClaim leads to the role in a token's claims; "" is .role.
	RoleClaim string

	// CORSOrigins are the only origins whose pages may read answers; nil lets all.
	CORSOrigins []string
	// TraceHeader names a header of requests that answers repeat.
	TraceHeader string
	// ServerTiming tells in every answer what the time went into.
	ServerTiming bool

	secret         string // of tokens, where the database names another than the gateway's
	secretIsBase64 bool
}

// defaultHoisted are hoisted where nobody says which.
var defaultHoisted = []string{"statement_timeout", "plan_filter.statement_cost_limit", "default_transaction_isolation"}

// option is one setting under PostgREST's name for it.
type option struct {
	set func(o *Options, value string) error
	// inDatabase says that the login role may have it as pgrst.<name>.
	inDatabase bool
}

// options are the settings by their names. An empty value is none.
var options = map[string]option{
	"db_schemas":                  {func(o *Options, v string) error { o.Schemas = splitList(v); return checkSchemas(o.Schemas) }, true},
	"db_extra_search_path":        {func(o *Options, v string) error { o.ExtraSearchPath = splitList(v); return nil }, true},
	"db_max_rows":                 {setMaxRows, true},
	"max_rows":                    {setMaxRows, true},
	"db_anon_role":                {func(o *Options, v string) error { o.AnonRole = v; return nil }, true},
	"db_aggregates_enabled":       {setBool(func(o *Options) *bool { return &o.Aggregates }), true},
	"db_plan_enabled":             {setBool(func(o *Options) *bool { return &o.Plans }), true},
	"db_tx_end":                   {oneOf(func(o *Options) *string { return &o.TxEnd }, "commit", "commit-allow-override", "rollback", "rollback-allow-override"), true},
	"db_pre_request":              {func(o *Options, v string) error { o.PreRequest = v; return nil }, true},
	"pre_request":                 {func(o *Options, v string) error { o.PreRequest = v; return nil }, true},
	"db_root_spec":                {func(o *Options, v string) error { o.RootFunction = v; return nil }, true},
	"db_hoisted_tx_settings":      {setHoisted, true},
	"db_prepared_statements":      {setPrepared, true},
	"jwt_aud":                     {setAudience, true},
	"jwt_role_claim_key":          {setRoleClaim, true},
	"jwt_secret":                  {func(o *Options, v string) error { o.secret = v; return nil }, true},
	"jwt_secret_is_base64":        {setBool(func(o *Options) *bool { return &o.secretIsBase64 }), true},
	"openapi_mode":                {oneOf(func(o *Options) *string { return &o.OpenAPI }, "follow-privileges", "ignore-privileges", "disabled"), true},
	"openapi_security_active":     {setBool(func(o *Options) *bool { return &o.OpenAPISecurity }), true},
	"openapi_server_proxy_uri":    {setProxy, true},
	"server_cors_allowed_origins": {setOrigins, true},
	"server_trace_header":         {setTraceHeader, true},
	"server_timing_enabled":       {setBool(func(o *Options) *bool { return &o.ServerTiming }), true},
}

// Set sets the option that PostgREST has under this name, such as db_schemas.
func (o *Options) Set(name, value string) error {
	x, ok := options[name]
	if !ok {
		return fmt.Errorf("%s is no option of the API", name)
	}
	return x.set(o, value)
}

// SetApp adds app.settings.<name> to what every transaction has, or replaces it.
func (o *Options) SetApp(name, value string) error {
	if !settingName.MatchString(name) {
		return fmt.Errorf("%q cannot name a setting: use letters, digits, underscores and dots", name)
	}
	o.AppSettings = slices.Clone(o.AppSettings)
	name = "app.settings." + name
	if i := slices.IndexFunc(o.AppSettings, func(s session.Setting) bool { return s.Name == name }); i >= 0 {
		o.AppSettings[i].Value = value
		return nil
	}
	o.AppSettings = append(o.AppSettings, session.Setting{Name: name, Value: value})
	return nil
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*$`)

// check tells what of the options cannot be.
func (o *Options) check() error {
	if err := checkSchemas(o.Schemas); err != nil {
		return err
	}
	c := *o
	return errors.Join(setRoleClaim(&c, o.RoleClaim), setAudience(&c, o.JWTAudience), setProxy(&c, o.OpenAPIProxy), setTraceHeader(&c, o.TraceHeader),
		options["db_tx_end"].set(&c, o.TxEnd), options["openapi_mode"].set(&c, o.OpenAPI))
}

func checkSchemas(list []string) error {
	for _, s := range list {
		if s == "pg_catalog" || s == "information_schema" {
			return fmt.Errorf("the schema %s cannot be exposed: remove it from the list of API schemas", s)
		}
	}
	return nil
}

func setMaxRows(o *Options, v string) error {
	if v == "" {
		o.MaxRows = 0
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(v))
	if err != nil || n < 0 {
		return fmt.Errorf("%q is no whole number from 0", v)
	}
	o.MaxRows = n
	return nil
}

func setBool(field func(*Options) *bool) func(*Options, string) error {
	return func(o *Options, v string) error {
		b, ok := Boolean(v)
		if !ok && v != "" {
			return fmt.Errorf("%q is neither true nor false", v)
		}
		*field(o) = b
		return nil
	}
}

func oneOf(field func(*Options) *string, values ...string) func(*Options, string) error {
	return func(o *Options, v string) error {
		if v != "" && !slices.Contains(values, v) {
			last := len(values) - 1
			return fmt.Errorf("%q is none of %s and %s", v, strings.Join(values[:last], ", "), values[last])
		}
		*field(o) = v
		return nil
	}
}

func setPrepared(o *Options, v string) error {
	b, ok := Boolean(v)
	if !ok && v != "" {
		return fmt.Errorf("%q is neither true nor false", v)
	}
	o.Unprepared = ok && !b
	return nil
}

// setAudience takes any text; one with a colon has to be a URI.
func setAudience(o *Options, v string) error {
	if strings.Contains(v, ":") {
		if u, err := url.Parse(v); err != nil || u.Scheme == "" {
			return fmt.Errorf("%q is neither a plain name nor a valid URI", v)
		}
	}
	o.JWTAudience = v
	return nil
}

func setRoleClaim(o *Options, v string) error {
	if v != "" {
		if _, err := gateway.ParseClaimPath(v); err != nil {
			return err
		}
	}
	o.RoleClaim = v
	return nil
}

func setProxy(o *Options, v string) error {
	if v != "" {
		u, err := url.Parse(v)
		good := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.RawQuery == ""
		if good && u.Port() != "" {
			n, err := strconv.Atoi(u.Port())
			good = err == nil && n > 0 && n < 65536
		}
		if !good {
			return fmt.Errorf("%q is no address of a proxy: write it as https://example.com:8443/basePath", v)
		}
	}
	o.OpenAPIProxy = v
	return nil
}

func setOrigins(o *Options, v string) error {
	o.CORSOrigins = splitList(v)
	if slices.Contains(o.CORSOrigins, "*") {
		o.CORSOrigins = nil
	}
	return nil
}

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

func setTraceHeader(o *Options, v string) error {
	if v != "" && !headerName.MatchString(v) {
		return fmt.Errorf("%q is no name of a header", v)
	}
	o.TraceHeader = v
	if v != "" {
		o.TraceHeader = http.CanonicalHeaderKey(v)
	}
	return nil
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

// Boolean reads a truth value as PostgREST does: true or false in any spelling
// of their letters, or a number, which is true above 0. yes, no, on and off are
// understood, too.
func Boolean(v string) (value, ok bool) {
	v = strings.ToLower(strings.TrimSpace(v))
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		return n > 0, true
	}
	switch strings.Trim(v, `"'`) {
	case "true", "t", "yes", "on":
		return true, true
	case "false", "f", "no", "off":
		return false, true
	}
	return false, false
}

// setHoisted takes a list of regular expressions.
func setHoisted(o *Options, v string) error {
	list := splitList(v)
	if _, err := hoistedPatterns(list); err != nil {
		return err
	}
	o.HoistedSettings = list
	return nil
}

// hoistedPatterns are the expressions of a list, which a setting's name=value
// is searched with.
func hoistedPatterns(list []string) ([]*regexp.Regexp, error) {
	out := make([]*regexp.Regexp, len(list))
	for i, text := range list {
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no regular expression: %w", text, err)
		}
		out[i] = re
	}
	return out, nil
}
