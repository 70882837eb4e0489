package session

import (
	"bytes"
	"slices"
	"strings"
	"sync"
)

// Setting is one transaction-local setting.
type Setting struct{ Name, Value string }

// Settings are what a transaction runs under: the caller's role and claims and
// what SQL can read of the request. All of them end with the transaction.
type Settings struct {
	// SearchPath is the quoted list for search_path, "" leaves the login
	// role's own.
	SearchPath string
	// RoleSettings are the settings of the role (ALTER ROLE … SET). They are
	// set before the role, so that the login role's rights apply.
	RoleSettings []Setting
	// Role is the role to become; required.
	Role string
	// Claims is request.jwt.claims, a JSON object.
	Claims []byte
	// Subject and ClaimRole are set beside the claims as request.jwt.claim.sub
	// and request.jwt.claim.role, which spares policies a JSON parse per row.
	Subject, ClaimRole string
	// Method and Path are request.method and request.path; both are left out
	// when Method is "".
	Method, Path string
	// Headers and Cookies are request.headers and request.cookies, JSON
	// objects; nil leaves them out.
	Headers, Cookies []byte
	// Timezone is the time zone, "" leaves it out.
	Timezone string
	// Extra are further settings, set last.
	Extra []Setting
	// RequestID becomes application_name.
	RequestID string
	// SchemaVersion guards against a stale schema: when it is not nil and the
	// DDL log tells of another number of changes, the transaction fails with
	// SQLSTATE SRS01 before it has read or written anything.
	SchemaVersion *int64
}

// statement renders the settings as one SELECT and its parameters. The text
// depends on the set of names alone, so that it is prepared once. They are the
// arguments of a function, which PostgreSQL evaluates from left to right, so
// that one number comes back and not every value; the guard is an aggregate of
// the statement itself, which costs less than a query inside of it.
func (s *Settings) statement(readOnly bool) (sql string, params [][]byte) {
	w := settingsWriters.Get().(*settingsWriter)
	defer settingsWriters.Put(w)
	w.text, w.params, w.args = append(w.text[:0], "select num_nulls("...), make([][]byte, 0, 13+len(s.RoleSettings)+len(s.Extra)), 0
	n := len(s.SearchPath) + len(s.Role) + len(s.Subject) + len(s.ClaimRole) + len(s.Method) + len(s.Path) + len(s.Timezone) + len(s.RequestID) + 48
	for _, x := range s.RoleSettings {
		n += len(x.Value)
	}
	for _, x := range s.Extra {
		n += len(x.Value)
	}
	w.values = make([]byte, 0, n)
	if s.SchemaVersion != nil {
		w.values = appendInt(w.values, *s.SchemaVersion)
		w.params = append(w.params, w.values[:len(w.values):len(w.values)])
		w.text = append(w.text, "case when coalesce(sum(n), 0) <> $1::bigint then suparust.stale()::text end"...)
		w.args++
	}
	if s.SearchPath != "" {
		w.string("search_path", s.SearchPath)
	}
	for _, x := range s.RoleSettings {
		w.string(x.Name, x.Value)
	}
	w.string("role", s.Role)
	if s.Claims != nil {
		w.bytes("request.jwt.claims", s.Claims)
		w.string("request.jwt.claim.sub", s.Subject)
		w.string("request.jwt.claim.role", s.ClaimRole)
	}
	if s.Method != "" {
		w.string("request.method", s.Method)
		w.string("request.path", s.Path)
	}
	if s.Headers != nil {
		w.bytes("request.headers", s.Headers)
	}
	if s.Cookies != nil {
		w.bytes("request.cookies", s.Cookies)
	}
	if s.Timezone != "" {
		w.string("timezone", s.Timezone)
	}
	for _, x := range s.Extra {
		w.string(x.Name, x.Value)
	}
	if s.RequestID != "" {
		w.string("application_name", "suparust ", s.RequestID)
	}
	if readOnly {
		w.string("transaction_read_only", "on")
	}
	w.text = append(w.text, ')')
	if s.SchemaVersion != nil {
		w.text = append(w.text, " from suparust.ddl_log"...)
	}
	return settingsTexts.intern(w.text), w.params
}

// maxArgs is how many arguments a function is given; PostgreSQL takes 100.
const maxArgs = 90

// settingsWriter writes the statement of settings. The values it has to copy
// share one piece of memory.
type settingsWriter struct {
	text, values []byte
	params       [][]byte
	args         int // of the current call
}

var settingsWriters = sync.Pool{New: func() any { return new(settingsWriter) }}

func (w *settingsWriter) string(name string, parts ...string) {
	begin := len(w.values)
	for _, p := range parts {
		w.values = append(w.values, p...)
	}
	w.bytes(name, w.values[begin:len(w.values):len(w.values)])
}

func (w *settingsWriter) bytes(name string, value []byte) {
	switch {
	case w.args == maxArgs:
		w.text, w.args = append(w.text, "), num_nulls("...), 0
	case w.args > 0:
		w.text = append(w.text, ", "...)
	}
	w.args++
	w.text = append(w.text, "set_config("...)
	w.text = appendLiteral(w.text, name)
	w.text = append(w.text, ", $"...)
	w.params = append(w.params, value)
	w.text = appendInt(w.text, int64(len(w.params)))
	w.text = append(w.text, ", true)"...)
}

// texts gives equal texts one string.
type texts struct {
	mu   sync.RWMutex
	seen map[string]string
}

const maxTexts = 1024

var settingsTexts = texts{seen: map[string]string{}}

func (t *texts) intern(text []byte) string {
	t.mu.RLock()
	s, ok := t.seen[string(text)]
	t.mu.RUnlock()
	if ok {
		return s
	}
	s = string(text)
	if len(s) > maxPreparedText {
		return s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seen) >= maxTexts {
		clear(t.seen)
	}
	t.seen[s] = s
	return s
}

// key is what a prepared statement depends on beside its text.
func (s *Settings) key() string {
	if s == nil {
		return ""
	}
	var room [256]byte
	b := append(append(room[:0], s.Role...), 0)
	b = append(append(b, s.SearchPath...), 0)
	return settingsTexts.intern(b)
}

// after are the settings that s changes when others were set before it.
func (s *Settings) after(before *Settings) *Settings {
	if before == nil {
		return s
	}
	c := *s
	if c.SearchPath == before.SearchPath {
		c.SearchPath = ""
	}
	c.RoleSettings = differing(c.RoleSettings, before.RoleSettings)
	if c.Subject == before.Subject && c.ClaimRole == before.ClaimRole && bytes.Equal(c.Claims, before.Claims) {
		c.Claims = nil
	}
	if c.Method == before.Method && c.Path == before.Path {
		c.Method = ""
	}
	if bytes.Equal(c.Headers, before.Headers) {
		c.Headers = nil
	}
	if bytes.Equal(c.Cookies, before.Cookies) {
		c.Cookies = nil
	}
	if c.Timezone == before.Timezone {
		c.Timezone = ""
	}
	c.Extra = differing(c.Extra, before.Extra)
	if c.RequestID == before.RequestID {
		c.RequestID = ""
	}
	c.SchemaVersion = nil
	return &c
}

// differing are those of all that before does not have.
func differing(all, before []Setting) (rest []Setting) {
	for _, x := range all {
		if !slices.Contains(before, x) {
			rest = append(rest, x)
		}
	}
	return rest
}

// appendLiteral quotes a setting's name as an SQL string.
func appendLiteral(b []byte, s string) []byte {
	s = strings.ReplaceAll(s, "\x00", "")
	if strings.Contains(s, `\`) {
		b = append(b, " E"...)
		s = strings.ReplaceAll(s, `\`, `\\`)
	}
	b = append(b, '\'')
	b = append(b, strings.ReplaceAll(s, "'", "''")...)
	return append(b, '\'')
}
