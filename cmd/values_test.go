package cmd

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
)

func TestEncodings(t *testing.T) {
	t.Parallel()
	values := map[string]string{"DB_URL": "postgresql://postgres:p%40ss&w@127.0.0.1:54322/postgres", "ANON_KEY": `a"b$c`, "S3_PROTOCOL_REGION": "local"}
	for format, want := range map[string]string{
		"json": "{\n  \"ANON_KEY\": \"a\\\"b$c\",\n  \"DB_URL\": \"postgresql://postgres:p%40ss&w@127.0.0.1:54322/postgres\",\n  \"S3_PROTOCOL_REGION\": \"local\"\n}\n",
		"env":  "ANON_KEY=\"a\\\"b\\$c\"\nDB_URL=\"postgresql://postgres:p%40ss&w@127.0.0.1:54322/postgres\"\nS3_PROTOCOL_REGION=\"local\"\n",
		"yaml": "ANON_KEY: \"a\\\"b$c\"\nDB_URL: \"postgresql://postgres:p%40ss\\u0026w@127.0.0.1:54322/postgres\"\nS3_PROTOCOL_REGION: \"local\"\n",
		"toml": "ANON_KEY = \"a\\\"b$c\"\nDB_URL = \"postgresql://postgres:p%40ss&w@127.0.0.1:54322/postgres\"\nS3_PROTOCOL_REGION = \"local\"\n",
	} {
		var out bytes.Buffer
		if err := encodings[format](&out, values); err != nil || out.String() != want {
			t.Errorf("%s: %q, %v; want %q", format, out.String(), err, want)
		}
	}
}

func TestOverriddenNames(t *testing.T) {
	t.Parallel()
	values := map[string]string{"API_URL": "http://a", "ANON_KEY": "k"}
	got, err := overridden(values, []string{"api.url=NEXT_PUBLIC_SUPABASE_URL", "studio.url=S", "db.url=D"})
	if err != nil || !maps.Equal(got, map[string]string{"NEXT_PUBLIC_SUPABASE_URL": "http://a", "ANON_KEY": "k"}) {
		t.Errorf("%v, %v", got, err)
	}
	if len(values) != 2 || values["API_URL"] == "" {
		t.Errorf("the values themselves became %v", values)
	}
	for _, bad := range []string{"api.url", "api.url=", "api.uri=X", "API_URL=X"} {
		var usage usageError
		if _, err := overridden(values, []string{bad}); !errors.As(err, &usage) || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestEveryValueHasAName keeps the table of names whole.
func TestEveryValueHasAName(t *testing.T) {
	t.Parallel()
	keys := server.Keys{JWTSecret: "s", AnonKey: "a", ServiceRoleKey: "r", PublishableKey: "p", SecretKey: "q"}
	var s3 server.S3ProtocolConfig
	s3.AccessKeyID, s3.SecretAccessKey, s3.Region = "i", "k", "local"
	var known []string
	for _, n := range names {
		known = append(known, n.name)
	}
	all := slices.Sorted(maps.Keys(values("http://a", "postgresql://d", "http://m", keys, s3, server.ControlAccess{URL: "http://c", Token: "t"})))
	slices.Sort(known)
	if !slices.Equal(all, known) {
		t.Errorf("values %v, names %v", all, known)
	}
}
