package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/signal"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/suparust/suparust/server"
)

type snapshotCommand struct {
	Save    snapshotSaveCommand    `cmd:"" help:"Save the database and the files under a name; a server that runs goes on."`
	Restore snapshotRestoreCommand `cmd:"" help:"Bring the database and the files back to a snapshot."`
	List    snapshotListCommand    `cmd:"" help:"List the snapshots."`
	Delete  snapshotDeleteCommand  `cmd:"" help:"Delete a snapshot."`
}

// Help is shown by `suparust snapshot --help`.
func (snapshotCommand) Help() string {
	return `A snapshot is the database and the files at one instant, in a folder of SUPARUST_SNAPSHOT_DIR. It is saved without ending
anybody's connection: PostgreSQL stands still for some milliseconds. Only unlogged tables make it stop and start again.

Examples:

    suparust snapshot save before-import
    suparust snapshot list
    suparust snapshot restore before-import
    suparust start --snapshot before-import
    suparust exec --snapshot before-import -- npm test
    suparust snapshot delete before-import
`
}

// snapshotFlags choose the server whose snapshots are meant.
type snapshotFlags struct {
	Port    int    `help:"The server on this port, when several run." short:"p" placeholder:"PORT"`
	Workdir string `help:"Use the project in DIR, the folder that contains supabase/." placeholder:"DIR" type:"path"`
}

type snapshotSaveCommand struct {
	snapshotFlags
	Name    string `arg:"" help:"What to call it."`
	Replace bool   `help:"Replace a snapshot that has the name already."`
}

// Help is shown by `suparust snapshot save --help`.
func (snapshotSaveCommand) Help() string {
	return `Everybody's connections stay: PostgreSQL stands still for some milliseconds. The server may run or not.

Examples:

    suparust snapshot save before-import
    suparust snapshot save before-import --replace
`
}

// Run saves a snapshot: through the control API of the server that runs, or by itself.
func (c snapshotSaveCommand) Run(a *app) error {
	s, running, err := c.find(a)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), endSignals()...)
	defer stop()
	if running != nil && running.state.Ephemeral && running.access() == nil {
		return fmt.Errorf("the server with PID %d keeps nothing, and was started without its control API, through which it could be told: start it with --control", running.pid)
	}
	info := &server.SnapshotInfo{}
	if err := s.config.CheckNewSnapshot(c.Name); err != nil {
		var exists *server.SnapshotExistsError
		if !errors.As(err, &exists) {
			return err
		}
		if !c.Replace {
			return fmt.Errorf("there is a snapshot %s of %s: choose another name, or replace it with --replace", exists.Name, shownTime(exists.Created))
		}
	}
	if access := running.access(); access != nil {
		err = access.Call(ctx, http.MethodPost, "/snapshot", map[string]string{"name": c.Name}, info)
	} else {
		info, err = server.SaveSnapshot(ctx, s.config, c.Name)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "Saved %s: %s of database, %s.\n", info.Name, size(info.Bytes), files(info))
	return nil
}

type snapshotRestoreCommand struct {
	snapshotFlags
	Name string `arg:"" help:"The snapshot."`
}

// Help is shown by `suparust snapshot restore --help`.
func (snapshotRestoreCommand) Help() string {
	return `A server that runs has to have its control API (start --control), goes on at its addresses, and ends the connections to its
database. Messages and the clock stay. Of a server that does not run the data are replaced.

Examples:

    suparust snapshot restore before-import
    suparust --profile test snapshot restore before-import
`
}

// Run brings a snapshot back: through the control API of the server that runs, or, when none does, by itself.
func (c snapshotRestoreCommand) Run(a *app) (err error) {
	s, running, err := c.find(a)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), endSignals()...)
	defer stop()
	if access := running.access(); access != nil {
		if err := access.Call(ctx, http.MethodPost, "/restore", map[string]string{"name": c.Name}, nil); err != nil {
			return err
		}
		fmt.Fprintf(a.Out, "Restored %s. The server goes on with it; connections to its database were ended.\n", c.Name)
		return nil
	}
	if running != nil {
		return fmt.Errorf("the server with PID %d runs and was started without its control API, through which it could be told: stop it with `suparust stop%s` and restore then, or start it with --control", running.pid, a.id.flags())
	}
	if s.config.Port != 0 { // nobody may start meanwhile
		pid, _, err := lockPIDFile(s.pidPath(a.id, s.config.Port))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, pid.remove()) }()
	}
	if _, err := server.RestoreSnapshot(ctx, s.config, c.Name); err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "Restored %s. `suparust start%s` goes on with it.\n", c.Name, a.id.flags())
	return nil
}

type snapshotListCommand struct {
	snapshotFlags
	Output string `help:"Print as text or json." short:"o" enum:"text,json" default:"text" placeholder:"FORMAT"`
}

// Help is shown by `suparust snapshot list --help`.
func (snapshotListCommand) Help() string {
	return `Examples:

    suparust snapshot list
    suparust snapshot list -o json
`
}

// Run lists the snapshots, the newest first.
func (c snapshotListCommand) Run(a *app) error {
	s, err := a.settings(settingFlags{Port: c.Port, Workdir: c.Workdir})
	if err != nil {
		return err
	}
	list, err := server.Snapshots(s.config)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		out := json.NewEncoder(a.Out)
		out.SetIndent("", "  ")
		return out.Encode(append([]server.SnapshotInfo{}, list...))
	}
	if len(list) == 0 {
		fmt.Fprintf(a.Err, "There are no snapshots. `suparust snapshot save%s NAME` makes one.\n", a.id.flags())
		return nil
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSAVED\tDATABASE\tFILES\tPOSTGRESQL")
	for _, n := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", n.Name, shownTime(n.Created), size(n.Bytes), files(&n), n.PostgreSQL)
	}
	return w.Flush()
}

type snapshotDeleteCommand struct {
	snapshotFlags
	Name string `arg:"" help:"The snapshot."`
}

// Help is shown by `suparust snapshot delete --help`.
func (snapshotDeleteCommand) Help() string {
	return `Examples:

    suparust snapshot delete before-import
`
}

// Run deletes a snapshot. Servers that were started from it do not need it.
func (c snapshotDeleteCommand) Run(a *app) error {
	s, err := a.settings(settingFlags{Port: c.Port, Workdir: c.Workdir})
	if err != nil {
		return err
	}
	if err := server.DeleteSnapshot(s.config, c.Name); err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "Deleted %s.\n", c.Name)
	return nil
}

// find returns the settings and the server that runs with them, nil when none does.
func (f snapshotFlags) find(a *app) (*settings, *instance, error) {
	s, err := a.settings(settingFlags{Port: f.Port, Workdir: f.Workdir})
	if err != nil {
		return nil, nil, err
	}
	running, err := a.runningServer(s, f.Port)
	return s, running, err
}

// access is how the server's control API is reached, nil where there is none or no server.
func (i *instance) access() *server.ControlAccess {
	if i == nil {
		return nil
	}
	return i.state.Control
}

func shownTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func size(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/(1<<20)) }

func files(n *server.SnapshotInfo) string {
	if n.Files == 1 {
		return "1 file, " + size(n.FileBytes)
	}
	return fmt.Sprintf("%d files, %s", n.Files, size(n.FileBytes))
}

// withoutSnapshot leaves --snapshot out of the arguments of a start: it holds for the first one, and a restart goes on
// with what there is.
func withoutSnapshot(args []string) (rest []string) {
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--snapshot":
			i++
		case strings.HasPrefix(args[i], "--snapshot="):
		default:
			rest = append(rest, args[i])
		}
	}
	return rest
}
