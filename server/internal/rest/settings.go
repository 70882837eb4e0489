package rest

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/rest/plan"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/session"
)

// baseSettings are what the transaction of any request runs under.
func (h *Handler) baseSettings(r *http.Request, cfg *config, who *caller, req *request.Request) *session.Settings {
	headers, cookies := requestHeaders(r)
	s := &session.Settings{
		SearchPath: cfg.searchPaths[req.Schema], Role: who.role, RoleSettings: cfg.roles[who.role], Claims: who.claims, Subject: who.subject, ClaimRole: who.role,
		Method: req.Method, Path: req.Path, Headers: headers, Cookies: cookies, Timezone: req.Prefs.Timezone,
		RequestID: gateway.RequestID(r.Context()),
	}
	if !h.cfg.Plain {
		s.SchemaVersion = &cfg.snapshot.Version
	}
	return s
}

// settings are the base settings with those of the called function and the
// configured constants.
func (h *Handler) settings(r *http.Request, cfg *config, who *caller, req *request.Request, p *plan.Plan) *session.Settings {
	s := h.baseSettings(r, cfg, who, req)
	for _, x := range p.FunctionSettings {
		if x.Name != isolationSetting && hoisted(cfg.hoisted, x) {
			s.Extra = append(s.Extra, session.Setting(x))
		}
	}
	s.Extra = append(s.Extra, cfg.appSettings...)
	return s
}

// isolationSetting takes effect as the transaction's level, not as a setting.
const isolationSetting = "default_transaction_isolation"

// hoisted tells whether a function's setting is set before it is called: one
// of the expressions of db-hoisted-tx-settings is found in its name=value.
func hoisted(list []*regexp.Regexp, x catalog.Setting) bool {
	return slices.ContainsFunc(list, func(re *regexp.Regexp) bool { return re.MatchString(x.Name + "=" + x.Value) })
}

var noCookies = []byte("{}")

// requestHeaders writes the headers and the cookies as JSON objects.
func requestHeaders(r *http.Request) (headers, cookies []byte) {
	headers = append(make([]byte, 0, 1024), '{')
	first := true
	member := func(name, value string) {
		if !first {
			headers = append(headers, ',')
		}
		first = false
		headers = httpx.AppendJSON(headers, name)
		headers = append(headers, ':')
		headers = httpx.AppendJSON(headers, value)
	}
	if r.Host != "" {
		member("host", r.Host)
	}
	for name, values := range r.Header {
		if name != "Cookie" && len(values) > 0 {
			member(strings.ToLower(name), values[0])
		}
	}
	headers = append(headers, '}')
	if len(r.Header["Cookie"]) == 0 {
		return headers, noCookies
	}
	cookies = append(cookies, '{')
	for i, c := range r.Cookies() {
		if i > 0 {
			cookies = append(cookies, ',')
		}
		cookies = httpx.AppendJSON(cookies, c.Name)
		cookies = append(cookies, ':')
		cookies = httpx.AppendJSON(cookies, c.Value)
	}
	return headers, append(cookies, '}')
}

// timezones are the names PostgreSQL knows, read once when a request names one.
type timezones struct {
	mu    sync.Mutex
	names map[string]bool
}

// checkTimezone drops a time zone that PostgreSQL does not know, or refuses it
// where the client wants its preferences handled strictly.
func (h *Handler) checkTimezone(ctx context.Context, req *request.Request) error {
	if req.Prefs.Timezone == "" {
		return nil
	}
	h.zones.mu.Lock()
	defer h.zones.mu.Unlock()
	if h.zones.names == nil {
		results, err := h.db.Do(ctx, nil, session.Options{}, session.Statement{SQL: "select name from pg_timezone_names", Unprepared: true})
		if err != nil {
			return err
		}
		names := make(map[string]bool, len(results[0].Rows))
		for _, row := range results[0].Rows {
			names[string(row[0])] = true
		}
		h.zones.names = names
	}
	if h.zones.names[req.Prefs.Timezone] {
		return nil
	}
	if req.Prefs.Handling == request.Strict {
		return &Error{Code: "PGRST122", Status: http.StatusBadRequest, Message: "Invalid preferences given with handling=strict",
			Details: "Invalid preferences: timezone=" + req.Prefs.Timezone}
	}
	req.Prefs.Timezone = ""
	return nil
}
