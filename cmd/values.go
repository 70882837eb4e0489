package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/joho/godotenv"
	"github.com/suparust/suparust/server"
)

// named is a value of a server under the name that the Supabase CLI gives it.
type named struct {
	name   string
	option string // what --override-name calls it
	title  string // for people; "" where they are not told
	secret bool
}

// names are the addresses and keys of a server.
var names = []named{
	{"API_URL", "api.url", "API URL", false},
	{"REST_URL", "api.rest_url", "", false},
	{"STORAGE_S3_URL", "api.storage_s3_url", "S3 URL", false},
	{"DB_URL", "db.url", "Database URL", true},
	{"INBUCKET_URL", "inbucket.url", "", false},
	{"MAILPIT_URL", "mailpit.url", "Mailbox", false},
	{"PUBLISHABLE_KEY", "auth.publishable_key", "Publishable key", false},
	{"SECRET_KEY", "auth.secret_key", "Secret key", true},
	{"JWT_SECRET", "auth.jwt_secret", "JWT secret", true},
	{"ANON_KEY", "auth.anon_key", "Anon key", false},
	{"SERVICE_ROLE_KEY", "auth.service_role_key", "Service role key", true},
	{"S3_PROTOCOL_ACCESS_KEY_ID", "storage.s3_access_key_id", "S3 access key", false},
	{"S3_PROTOCOL_ACCESS_KEY_SECRET", "storage.s3_secret_access_key", "S3 secret key", true},
	{"S3_PROTOCOL_REGION", "storage.s3_region", "S3 region", false},
	{"SUPARUST_CONTROL_URL", "control.url", "Control URL", false},
	{"SUPARUST_CONTROL_TOKEN", "control.token", "Control token", true},
}

// unservedNames are what --override-name may name although nothing of it is served.
var unservedNames = []string{"api.graphql_url", "api.mcp_url", "api.functions_url", "studio.url"}

// values are the addresses and keys of a server, by name. What is not served, and keys that a JWT secret without a shared
// key cannot make, are left out.
func values(api, database, mailbox string, keys server.Keys, s3 server.S3ProtocolConfig, control server.ControlAccess) map[string]string {
	s3URL := api + "/storage/v1/s3"
	if s3.Disabled || s3.AccessKeyID == "" {
		s3, s3URL = server.S3ProtocolConfig{}, ""
	}
	all := map[string]string{
		"API_URL":                       api,
		"REST_URL":                      api + "/rest/v1",
		"STORAGE_S3_URL":                s3URL,
		"DB_URL":                        database,
		"INBUCKET_URL":                  mailbox,
		"MAILPIT_URL":                   mailbox,
		"PUBLISHABLE_KEY":               keys.PublishableKey,
		"SECRET_KEY":                    keys.SecretKey,
		"JWT_SECRET":                    keys.JWTSecret,
		"ANON_KEY":                      keys.AnonKey,
		"SERVICE_ROLE_KEY":              keys.ServiceRoleKey,
		"S3_PROTOCOL_ACCESS_KEY_ID":     s3.AccessKeyID,
		"S3_PROTOCOL_ACCESS_KEY_SECRET": s3.SecretAccessKey,
		"S3_PROTOCOL_REGION":            s3.Region,
		"SUPARUST_CONTROL_URL":          control.URL,
		"SUPARUST_CONTROL_TOKEN":        control.Token,
	}
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}

// printNames tells people the values.
func printNames(out io.Writer, values map[string]string, secrets bool) {
	for _, n := range names {
		if v, ok := values[n.name]; ok && n.title != "" && (secrets || !n.secret) {
			fmt.Fprintf(out, "  %-18s %s\n", n.title+":", v)
		}
	}
}

// overridden gives values other names: each override is the option of a name, such as api.url, = and the new name.
func overridden(values map[string]string, overrides []string) (map[string]string, error) {
	renamed := maps.Clone(values)
	for _, o := range overrides {
		option, name, ok := strings.Cut(o, "=")
		if !ok || name == "" {
			return nil, usageError{fmt.Sprintf("--override-name %s is not OPTION=NAME, such as api.url=NEXT_PUBLIC_SUPABASE_URL", o)}
		}
		if slices.Contains(unservedNames, option) {
			continue
		}
		i := slices.IndexFunc(names, func(n named) bool { return n.option == option })
		if i < 0 {
			var known []string
			for _, n := range names {
				known = append(known, n.option)
			}
			return nil, usageError{fmt.Sprintf("--override-name %s: there is no %s; it takes %s", o, option, strings.Join(known, ", "))}
		}
		value, ok := values[names[i].name]
		if !ok {
			continue
		}
		delete(renamed, names[i].name)
		renamed[name] = value
	}
	return renamed, nil
}

// encodings write values for programs, in the formats of the Supabase CLI.
var encodings = map[string]func(io.Writer, map[string]string) error{
	"json": func(out io.Writer, values map[string]string) error {
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(values)
	},
	"env": func(out io.Writer, values map[string]string) error {
		text, err := godotenv.Marshal(values)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, text)
		return err
	},
	"yaml": func(out io.Writer, values map[string]string) error {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			value, err := json.Marshal(values[name]) // a text in JSON is one in YAML
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(out, "%s: %s\n", name, value); err != nil {
				return err
			}
		}
		return nil
	},
	"toml": func(out io.Writer, values map[string]string) error { return toml.NewEncoder(out).Encode(values) },
}
