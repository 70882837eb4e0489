package cmd

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/suparust/suparust/migrations"
	"github.com/suparust/suparust/server"
)

type versionCommand struct {
	JSON bool `help:"Print JSON."`
}

// Help is shown by `suparust version --help`.
func (versionCommand) Help() string {
	return `Examples:

    suparust version
    suparust version --json
`
}

type versionInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Schema   string `json:"schema"` // of the auth, storage and other platform schemas
}

// Run prints the versions.
func (c versionCommand) Run(a *app) error {
	info := versionInfo{
		Version:  server.Version,
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Schema:   migrations.Version(),
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		if v := build.Main.Version; server.Version == "dev" && v != "" && v != "(devel)" {
			info.Version = v
		}
		for _, s := range build.Settings {
			if s.Key == "vcs.revision" {
				info.Commit = s.Value
			}
		}
	}
	info.Schema = info.Schema[:min(12, len(info.Schema))]
	if c.JSON {
		out := json.NewEncoder(a.Out)
		out.SetIndent("", "  ")
		return out.Encode(info)
	}
	fmt.Fprintf(a.Out, "suparust %s (%s, %s, schema %s)\n", info.Version, info.Platform, info.Go, info.Schema)
	return nil
}
