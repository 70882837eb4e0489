package project

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"
)

// PushOptions say what Push brings to a database beside the migrations after the last applied one.
type PushOptions struct {
	All    bool // migrations that would apply before the last applied one, too
	Roles  bool // roles.sql
	Seeds  bool // seed files that the database does not have
	DryRun bool // nothing is written
	Logger *slog.Logger
}

// Pushed is what a push brings, or would bring: paths from the project's root.
type Pushed struct {
	Roles      string // "" when there is none
	Migrations []string
	Seeds      []string
	Recorded   []string // seeds that changed: their hash is recorded and nothing is run
}

// Empty tells that the database has everything.
func (p *Pushed) Empty() bool {
	return p.Roles == "" && len(p.Migrations) == 0 && len(p.Seeds) == 0 && len(p.Recorded) == 0
}

// Push applies to a database what the project has gained since it was pushed last. The database may be a hosted one: the
// connection's role is used as it is, and nothing but the migration history is presumed. A file that fails is rolled back
// and reported as a [SQLError]; the files before it stay.
func (p *Project) Push(ctx context.Context, conn *pgx.Conn, o PushOptions) (Pushed, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	a := applier{project: p, conn: conn, log: o.Logger, all: o.All}
	var plan Pushed
	if err := a.lock(ctx); err != nil {
		return plan, err
	}
	if o.Roles && p.Roles != nil {
		plan.Roles = p.Roles.Path
	}
	if len(p.Migrations) > 0 {
		pending, err := a.pending(ctx)
		if err != nil {
			return plan, err
		}
		for _, m := range pending {
			plan.Migrations = append(plan.Migrations, m.Path)
		}
	}
	if o.Seeds {
		if err := a.planSeeds(ctx, &plan); err != nil {
			return plan, err
		}
	}
	if o.DryRun || plan.Empty() {
		return plan, nil
	}
	if plan.Roles != "" {
		a.log.Info("applying roles", "file", plan.Roles)
		if err := a.run(ctx, p.Roles, nil); err != nil {
			return plan, err
		}
	}
	if len(plan.Migrations) > 0 {
		if err := a.vault(ctx); err != nil {
			return plan, err
		}
		if err := a.migrate(ctx); err != nil {
			return plan, err
		}
	}
	if o.Seeds {
		return plan, a.seed(ctx)
	}
	return plan, nil
}

// planSeeds compares the seed files with what the database has.
func (a *applier) planSeeds(ctx context.Context, plan *Pushed) error {
	known, err := a.strings(ctx, "seed history", "select path || ' ' || hash from supabase_migrations.seed_files")
	if err != nil {
		return err
	}
	hashes := map[string]string{}
	for _, row := range known {
		if i := strings.LastIndexByte(row, ' '); i >= 0 {
			hashes[row[:i]] = row[i+1:]
		}
	}
	for i := range a.project.Seeds {
		f := &a.project.Seeds[i]
		switch old, ok := hashes[f.Path]; {
		case !ok:
			plan.Seeds = append(plan.Seeds, f.Path)
		case old != f.hash():
			plan.Recorded = append(plan.Recorded, f.Path)
		}
	}
	return nil
}

// hash is what the seed history keeps of a file.
func (f *File) hash() string {
	sum := sha256.Sum256([]byte(f.text))
	return hex.EncodeToString(sum[:])
}

// Until is the project with the migrations up to a version alone, and without its seeds where there shall be none. ""
// takes every migration.
func (p *Project) Until(version string, seeds bool) (*Project, error) {
	cut := *p
	if !seeds {
		cut.Seeds = nil
	}
	if version == "" {
		return &cut, nil
	}
	for i, m := range p.Migrations {
		if m.Version == version {
			cut.Migrations = p.Migrations[:i+1]
			return &cut, nil
		}
	}
	return nil, fmt.Errorf("no migration has the version %s: give the digits that begin the name of a file in supabase/migrations", version)
}

// Without is the project without its last n migrations: without any, when it has no more.
func (p *Project) Without(n int) *Project {
	cut := *p
	cut.Migrations = p.Migrations[:max(0, len(p.Migrations)-n)]
	return &cut
}
