package cmd

import (
	"slices"
	"strings"
	"testing"
)

// TestAgain: a server starts again with its flags, but for those of its first start alone.
func TestAgain(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"start": "start",
		"--profile test start --port 4000 --daemon":      "--profile test start --port 4000 --daemon",
		"start --snapshot golden --port=4000":            "start --port=4000",
		"start --exit-with-stdin --snapshot=golden -p 1": "start -p 1",
		"start -d --snapshot":                            "start -d",
	} {
		if got := again(strings.Fields(args)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s becomes %q", args, got)
		}
	}
}

// TestIsSetting: what belongs to the server in an environment, and to nobody else.
func TestIsSetting(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"SUPARUST_PORT": true, "SUPARUST_ANYTHING": true, "PORT": true, "POSTGRES_PASSWORD": true, "PGRST_DB_SCHEMAS": true,
		"GOTRUE_EXTERNAL_GITHUB_ENABLED": true, "RUST_LOG": true, "PATH": false, "HOME": false, "EDITOR": false} {
		if isSetting(name) != want {
			t.Errorf("%s: %t", name, !want)
		}
	}
	if !isEmpty("A=") || isEmpty("A=b") || isEmpty("A==") {
		t.Error("an empty value is one without anything behind the first =")
	}
}
