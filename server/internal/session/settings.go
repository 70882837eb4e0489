package session

import "strings"

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
	// DDL log holds another number of entries, the transaction fails with
	// SQLSTATE SRS01 before it has read or written anything.
	SchemaVersion *int64
}

// statement renders the settings as one SELECT and its parameters. The text
// depends on the set of names alone, so that it is prepared once.
func (s *Settings) statement(readOnly bool) (sql string, params [][]byte) {
	var b strings.Builder
	b.WriteString("select ")
	sep := ""
	add := func(name string, value []byte) {
		b.WriteString(sep)
		sep = ", "
		b.WriteString("set_config(")
		b.WriteString(quoteLiteral(name))
		b.WriteString(", $")
		params = append(params, value)
		writeInt(&b, len(params))
		b.WriteString(", true)")
	}
	if s.SchemaVersion != nil {
		params = append(params, appendInt(nil, *s.SchemaVersion))
		b.WriteString("case when (select count(*) from suparust.ddl_log) <> $1::bigint then suparust.stale() end")
		sep = ", "
	}
	if s.SearchPath != "" {
		add("search_path", []byte(s.SearchPath))
	}
	for _, x := range s.RoleSettings {
		add(x.Name, []byte(x.Value))
	}
	add("role", []byte(s.Role))
	if s.Claims != nil {
		add("request.jwt.claims", s.Claims)
		add("request.jwt.claim.sub", []byte(s.Subject))
		add("request.jwt.claim.role", []byte(s.ClaimRole))
	}
	if s.Method != "" {
		add("request.method", []byte(s.Method))
		add("request.path", []byte(s.Path))
	}
	if s.Headers != nil {
		add("request.headers", s.Headers)
	}
	if s.Cookies != nil {
		add("request.cookies", s.Cookies)
	}
	if s.Timezone != "" {
		add("timezone", []byte(s.Timezone))
	}
	for _, x := range s.Extra {
		add(x.Name, []byte(x.Value))
	}
	if s.RequestID != "" {
		add("application_name", []byte("suparust "+s.RequestID))
	}
	if readOnly {
		add("transaction_read_only", []byte("on"))
	}
	return b.String(), params
}

// key is what a prepared statement depends on beside its text.
func (s *Settings) key() string {
	if s == nil {
		return ""
	}
	return s.Role + "\x00" + s.SearchPath + "\x00"
}

// quoteLiteral quotes a setting's name as an SQL string.
func quoteLiteral(s string) string {
	s = strings.ReplaceAll(s, "\x00", "")
	if strings.Contains(s, `\`) {
		return " E'" + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), "'", "''") + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
