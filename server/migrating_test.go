package server_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
)

// firstTables are the tables of docs/migrating-from-supabase.md: each setting by the name that it had first, and the
// name that Supabase's own .env has for it.
var firstTables = []struct {
	title string
	rows  [][2]string
}{
	{"Server", [][2]string{
		{"SUPARUST_PORT", "PORT"}, {"SUPARUST_BIND_ADDR", "BIND_ADDR"}, {"SUPARUST_API_URL", "API_EXTERNAL_URL"}, {"SUPARUST_ENV", "SUPABASE_ENV"},
		{"SUPARUST_LOG_LEVEL", ""}, {"SUPARUST_LOG_FORMAT", ""}, {"SUPARUST_PID_FILE", ""},
	}},
	{"Keys", [][2]string{
		{"SUPARUST_JWT_SECRET", "JWT_SECRET"}, {"SUPARUST_ANON_KEY", "ANON_KEY"}, {"SUPARUST_SERVICE_KEY", "SERVICE_ROLE_KEY"}, {"SUPARUST_JWT_EXPIRY", "JWT_EXPIRY"},
	}},
	{"Database", [][2]string{
		{"SUPARUST_DB_MODE", ""}, {"SUPARUST_DB_DATA_DIR", "DATA_DIR"}, {"SUPARUST_DB_URL", "DATABASE_URL"}, {"SUPARUST_DB_PASSWORD", "POSTGRES_PASSWORD"},
		{"SUPARUST_DB_HOST", "POSTGRES_HOST"}, {"SUPARUST_DB_PORT", "POSTGRES_PORT"}, {"SUPARUST_DB_USER", "POSTGRES_USER"}, {"SUPARUST_DB_NAME", "POSTGRES_DB"},
		{"SUPARUST_DB_SCHEMAS", "PGRST_DB_SCHEMAS"},
	}},
	{"Auth", [][2]string{
		{"SUPARUST_SITE_URL", "SITE_URL"}, {"SUPARUST_REDIRECT_URLS", "ADDITIONAL_REDIRECT_URLS"}, {"SUPARUST_DISABLE_SIGNUP", "DISABLE_SIGNUP"},
		{"SUPARUST_ENABLE_EMAIL_SIGNUP", "ENABLE_EMAIL_SIGNUP"}, {"SUPARUST_ENABLE_EMAIL_AUTOCONFIRM", "ENABLE_EMAIL_AUTOCONFIRM"},
		{"SUPARUST_ENABLE_ANONYMOUS_USERS", "ENABLE_ANONYMOUS_USERS"}, {"SUPARUST_PHONE_ENABLED", "ENABLE_PHONE_SIGNUP"}, {"SUPARUST_SMS_AUTOCONFIRM", "ENABLE_PHONE_AUTOCONFIRM"},
	}},
	{"Mail", [][2]string{
		{"SUPARUST_SMTP_HOST", "SMTP_HOST"}, {"SUPARUST_SMTP_PORT", "SMTP_PORT"}, {"SUPARUST_SMTP_USER", "SMTP_USER"}, {"SUPARUST_SMTP_PASS", "SMTP_PASS"},
		{"SUPARUST_SMTP_ADMIN_EMAIL", "SMTP_ADMIN_EMAIL"}, {"SUPARUST_SMTP_SENDER_NAME", "SMTP_SENDER_NAME"},
	}},
	{"Storage", [][2]string{
		{"SUPARUST_STORAGE_ROOT", "STORAGE_ROOT"}, {"SUPARUST_STORAGE_TENANT_ID", "STORAGE_TENANT_ID"}, {"SUPARUST_STORAGE_BACKEND", "STORAGE_BACKEND"},
		{"SUPARUST_S3_BUCKET", "GLOBAL_S3_BUCKET"}, {"SUPARUST_S3_REGION", "REGION"}, {"SUPARUST_S3_ENDPOINT", "GLOBAL_S3_ENDPOINT"},
		{"SUPARUST_S3_FORCE_PATH_STYLE", "GLOBAL_S3_FORCE_PATH_STYLE"},
		{"SUPARUST_S3_PROTOCOL_ACCESS_KEY_ID", "S3_PROTOCOL_ACCESS_KEY_ID"}, {"SUPARUST_S3_PROTOCOL_ACCESS_KEY_SECRET", "S3_PROTOCOL_ACCESS_KEY_SECRET"},
	}},
}

// settingOf finds a setting by any of its names.
func settingOf(name string) (server.Setting, bool) {
	all := server.Settings()
	i := slices.IndexFunc(all, func(s server.Setting) bool { return s.Name == name || slices.Contains(s.Aliases, name) })
	if i < 0 {
		return server.Setting{}, false
	}
	return all[i], true
}

// state is what the page says of a setting by this name.
func state(s server.Setting, name string) string {
	switch {
	case strings.HasPrefix(s.Help, "Accepted, and without effect"):
		return "accepted, without effect"
	case s.Name != name:
		return "read; also called `" + s.Name + "`"
	}
	return "read"
}

const (
	tablesBegin = "<!-- tables of variables: written by go test ./server -run TestMigratingPage -update -->\n"
	tablesEnd   = "<!-- end of the tables -->\n"
)

// TestMigratingPage keeps the tables of docs/migrating-from-supabase.md equal to what the server reads, and the page's
// list of what is not read true.
func TestMigratingPage(t *testing.T) {
	const page = "../docs/migrating-from-supabase.md"
	var b strings.Builder
	for _, table := range firstTables {
		fmt.Fprintf(&b, "\n**%s**\n\n| variable | Supabase's name | default | state |\n| --- | --- | --- | --- |\n", table.title)
		for _, row := range table.rows {
			s, ok := settingOf(row[0])
			if !ok {
				t.Errorf("no setting is called %s", row[0])
				continue
			}
			alias := ""
			if row[1] != "" {
				if alias = "`" + row[1] + "`"; !slices.Contains(s.Aliases, row[1]) {
					t.Errorf("%s is not read as %s", row[1], s.Name)
				}
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", row[0], alias, s.Default, state(s, row[0]))
		}
	}
	b.WriteString("\n")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tablesBegin)
	tables, after, ok2 := strings.Cut(rest, tablesEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks of its tables, %q and %q", page, tablesBegin, tablesEnd)
	}
	if tables != b.String() {
		if !*update {
			t.Errorf("the tables of %s are not what server.Settings says: run go test ./server -run TestMigratingPage -update", page)
		} else if err := os.WriteFile(page, []byte(before+tablesBegin+b.String()+tablesEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	unread := regexp.MustCompile("(?s)Not read, because nothing here has that part:(.*?)\n\n").FindStringSubmatch(string(text))
	if unread == nil {
		t.Fatal("the page has no list of what is not read")
	}
	names := regexp.MustCompile("`([A-Z0-9_]+)`").FindAllStringSubmatch(unread[1], -1)
	if len(names) < 10 {
		t.Errorf("the list of what is not read has %d names", len(names))
	}
	for _, name := range names {
		if s, ok := settingOf(name[1]); ok {
			t.Errorf("the page says that %s is not read, and it is, as %s", name[1], s.Name)
		}
	}
}
