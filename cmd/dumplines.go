package cmd

import (
	"bufio"
	"errors"
	"io"
	"regexp"
	"strings"
)

// platformSchemas are left out of a schema dump: every project has them. Patterns as pg_dump's.
var platformSchemas = []string{
	"information_schema", "pg_*", "_analytics", "_realtime", "_supavisor", "auth", "etl", "extensions", "pgbouncer", "realtime", "storage",
	"supabase_functions", "supabase_migrations", "suparust",
	"cron", "dbdev", "graphql", "graphql_public", "net", "pgmq", "pgsodium", "pgsodium_masks", "pgtle", "repack", "tiger", "tiger_data",
	"timescaledb_*", "_timescaledb_*", "topology", "vault",
}

// unmovedSchemas are left out of a dump of rows, which takes users and objects along.
var unmovedSchemas = []string{
	"information_schema", "pg_*", "_analytics", "_realtime", "_supavisor", "etl", "extensions", "pgbouncer", "realtime", "supabase_migrations", "suparust",
	"graphql", "graphql_public", "pgsodium", "pgsodium_masks", "pgtle", "repack", "tiger", "tiger_data",
	"timescaledb_*", "_timescaledb_*", "topology", "vault",
}

// historyTables are what the platform keeps of itself.
var historyTables = []string{"auth.schema_migrations", "storage.migrations", "supabase_functions.migrations"}

// rewriter turns the output of pg_dump into SQL that a project can apply.
type rewriter struct {
	data     bool // rows: nothing is looked into but psql's own commands
	comments bool // what is left out becomes a comment
	rules    []lineRule

	body string // the quote that ends the body of a function
	skip bool   // inside of a statement that is left out
	last string // line, for what repeats
	uniq bool
}

// lineRule rewrites the first line of a statement; one without a replacement leaves the whole statement out.
type lineRule struct {
	match *regexp.Regexp
	to    string
}

func leaveOut(pattern string) lineRule { return lineRule{match: regexp.MustCompile("^" + pattern)} }

func replaceBy(pattern, to string) lineRule {
	return lineRule{match: regexp.MustCompile("^" + pattern), to: to}
}

// schemaRules: what may be there already is no error, and the platform's own is left to the platform.
var schemaRules = []lineRule{
	replaceBy(`CREATE SCHEMA "`, `CREATE SCHEMA IF NOT EXISTS "`),
	replaceBy(`CREATE TABLE "`, `CREATE TABLE IF NOT EXISTS "`),
	replaceBy(`CREATE SEQUENCE "`, `CREATE SEQUENCE IF NOT EXISTS "`),
	replaceBy(`CREATE VIEW "`, `CREATE OR REPLACE VIEW "`),
	replaceBy(`CREATE FUNCTION "`, `CREATE OR REPLACE FUNCTION "`),
	replaceBy(`CREATE TRIGGER "`, `CREATE OR REPLACE TRIGGER "`),
	replaceBy(`(CREATE EXTENSION IF NOT EXISTS "(?:pg_tle|pgsodium|pgmq)").*`, `$1;`),
	leaveOut(`CREATE PUBLICATION "supabase_realtime`),
	leaveOut(`ALTER PUBLICATION "supabase_realtime_`),
	leaveOut(`(CREATE|ALTER) EVENT TRIGGER `),
	leaveOut(`ALTER FOREIGN DATA WRAPPER .+ OWNER TO `),
	leaveOut(`GRANT ALL ON FOREIGN DATA WRAPPER .+ TO "postgres" WITH GRANT OPTION`),
	leaveOut(`ALTER DEFAULT PRIVILEGES FOR ROLE "supabase_admin"`),
	leaveOut(`COMMENT ON EXTENSION `),
	leaveOut(`CREATE POLICY "cron_job_`),
	leaveOut(`ALTER TABLE "cron"`),
	leaveOut(`SET transaction_timeout = 0;`),
}

// reservedRoles are every project's, and allowedSettings what a project may set of them.
const (
	reservedRoles = `"(?:anon|authenticated|authenticator|cli_login_[^"]*|dashboard_user|pgbouncer|postgres|service_role|supabase_[^"]*|` +
		`pgsodium_keyholder|pgsodium_keyiduser|pgsodium_keymaker|pgtle_admin)"`
	allowedSettings = `"(?:pgaudit\.[^"]*|pgrst\.[^"]*|session_replication_role|statement_timeout|track_io_timing)"`
)

var roleRules = []lineRule{
	{match: regexp.MustCompile(`^ALTER ROLE ` + reservedRoles + ` SET ` + allowedSettings), to: "$0"},
	leaveOut(`CREATE ROLE ` + reservedRoles),
	leaveOut(`ALTER ROLE ` + reservedRoles),
	leaveOut(`GRANT ".*" TO ` + reservedRoles),
}

var (
	psqlCommand = regexp.MustCompile(`^\\(un)?restrict `)
	bodyStart   = regexp.MustCompile(`\bAS (\$[A-Za-z0-9_]*\$)`)
	powerless   = regexp.MustCompile(` NO(?:SUPERUSER|REPLICATION)\b`)
)

// rewriter is that of the flags.
func (c dbDumpCommand) rewriter() *rewriter {
	r := &rewriter{data: c.DataOnly, comments: c.KeepComments, uniq: c.RoleOnly}
	switch {
	case c.RoleOnly:
		r.rules = roleRules
	case !c.DataOnly:
		r.rules = schemaRules
		if len(c.Schema) == 0 {
			var names []string
			for _, s := range platformSchemas {
				names = append(names, strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, `[^"]*`))
			}
			r.rules = append(r.rules[:len(r.rules):len(r.rules)], leaveOut(`(GRANT|REVOKE) .+ ON .+ "(?:`+strings.Join(names, "|")+`)"`))
		}
	}
	return r
}

// copy rewrites line by line; a line may be as long as a row.
func (r *rewriter) copy(to io.Writer, from io.Reader) error {
	in, out := bufio.NewReaderSize(from, 64<<10), bufio.NewWriter(to)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			if text, ok := r.line(strings.TrimSuffix(line, "\n")); ok {
				if _, err := out.WriteString(text + "\n"); err != nil {
					return err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return out.Flush()
		}
		if err != nil {
			return err
		}
	}
}

// line is a line of the result; ok is false for one that is left out.
func (r *rewriter) line(text string) (_ string, ok bool) {
	switch {
	case r.data:
		return text, !psqlCommand.MatchString(text)
	case r.body != "":
		if strings.Contains(text, r.body) {
			r.body = ""
		}
		return text, true
	case r.skip:
		r.skip = !strings.HasSuffix(text, ";")
		return "-- " + text, r.comments
	case strings.HasPrefix(text, "--"), psqlCommand.MatchString(text):
		return "-- " + strings.TrimPrefix(text, "-- "), r.comments
	}
	for _, rule := range r.rules {
		if !rule.match.MatchString(text) {
			continue
		}
		if rule.to == "" {
			r.skip = !strings.HasSuffix(text, ";")
			return "-- " + text, r.comments
		}
		text = rule.match.ReplaceAllString(text, rule.to)
		break
	}
	if m := bodyStart.FindStringSubmatchIndex(text); m != nil && !strings.Contains(text[m[1]:], text[m[2]:m[3]]) {
		r.body = text[m[2]:m[3]]
	}
	if r.uniq {
		text = powerless.ReplaceAllString(text, "")
		if text == r.last {
			return "", false
		}
		r.last = text
	}
	return text, true
}
