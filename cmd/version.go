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
		Version:  buildVersion(),
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Schema:   migrations.Version(),
	}
	if build, ok := debug.ReadBuildInfo(); ok {
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

// buildVersion is the release, or the module's version where the binary was not built for a release.
func buildVersion() string {
	if build, ok := debug.ReadBuildInfo(); ok && server.Version == "dev" {
		if v := build.Main.Version; v != "" && v != "(devel)" {
			return v
		}
	}
	return server.Version
}
