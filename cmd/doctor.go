package cmd

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/server/pg"
)

type doctorCommand struct {
	Output  string `help:"Print as text or json." short:"o" enum:"text,json" default:"text" placeholder:"FORMAT"`
	Workdir string `help:"Look at the project in DIR, the folder that contains supabase/." placeholder:"DIR" type:"path"`
}

// Help is shown by `suparust doctor --help`.
func (doctorCommand) Help() string {
	return `Looks at what a server needs on this machine and in this folder, changes nothing and fetches nothing. Each line is ok, warn or
fail, with what to do. Exits with 1 when one has failed.

Examples:

    suparust doctor
    suparust --profile staging doctor
    suparust doctor -o json
`
}

// The outcomes of a check.
const (
	healthy  = "ok"
	doubtful = "warn"
	broken   = "fail"
)

// finding is what a check has found.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// examination collects findings.
type examination struct {
	app      *app
	settings *settings
	root     string // the project's, "" without one
	machine  pg.Machine
	serving  bool // a server runs on the settings' port
	findings []finding
}

func (x *examination) add(check, status, remedy, format string, args ...any) {
	x.findings = append(x.findings, finding{Check: check, Status: status, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

// Run looks and tells.
func (c doctorCommand) Run(a *app) error {
	x := &examination{app: a, machine: pg.Examine()}
	x.add("suparust", healthy, "", "%s on %s/%s", buildVersion(), runtime.GOOS, runtime.GOARCH)
	x.project(c.Workdir)
	x.binaries()
	x.account()
	x.places()
	x.cache()
	if x.settings != nil {
		x.data()
		x.secrets()
		x.servers()
		x.ports()
	}
	x.limits()
	x.programs()
	if err := x.print(c.Output); err != nil {
		return err
	}
	for _, f := range x.findings {
		if f.Status == broken {
			return exitStatus(exitFailure)
		}
	}
	return nil
}

func (x *examination) print(format string) error {
	if format == "json" {
		out := json.NewEncoder(x.app.Out)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return out.Encode(x.findings)
	}
	count := map[string]int{}
	for _, f := range x.findings {
		count[f.Status]++
		fmt.Fprintf(x.app.Out, "%-4s  %-14s %s\n", f.Status, f.Check, f.Text)
		if f.Remedy != "" {
			fmt.Fprintf(x.app.Out, "%-4s  %-14s → %s\n", "", "", f.Remedy)
		}
	}
	_, err := fmt.Fprintf(x.app.Out, "%d ok, %d to look at, %d to mend.\n", count[healthy], count[doubtful], count[broken])
	return err
}

// config is that of the settings, or the default where they cannot be read.
func (x *examination) config() server.Config {
	if x.settings != nil {
		return x.settings.config
	}
	return server.DefaultConfig()
}
