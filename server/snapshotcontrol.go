package server

import (
	"context"
	"errors"

	"github.com/suparust/suparust/server/internal/control"
	"github.com/suparust/suparust/server/pg"
)

// snapshots are the server's, as the control API has them.
type snapshots struct{ s *Server }

func about(i *SnapshotInfo) control.SnapshotInfo {
	return control.SnapshotInfo{Name: i.Name, Created: i.Created, PostgreSQL: i.PostgreSQL, Suparust: i.Suparust, Bytes: i.Bytes, Files: i.Files, FileBytes: i.FileBytes}
}

// asControl tells the control API's errors from those of the server.
func asControl(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNoSnapshot):
		return noSnapshotError{err}
	}
	var name snapshotNameError
	var version *pg.SnapshotVersionError
	if errors.Is(err, errExternalSnapshot) || errors.Is(err, errNoSnapshotDir) || errors.As(err, &name) || errors.As(err, &version) {
		return control.Refusal{Message: err.Error()}
	}
	return err
}

// noSnapshotError is the server's sentence for control.ErrNoSnapshot.
type noSnapshotError struct{ error }

func (e noSnapshotError) Unwrap() []error { return []error{control.ErrNoSnapshot, e.error} }

// Save implements control.Snapshots.
func (x snapshots) Save(ctx context.Context, name string) (control.SnapshotInfo, error) {
	n, err := x.s.Snapshot(ctx, name)
	if err != nil {
		return control.SnapshotInfo{}, asControl(err)
	}
	return about(&n.SnapshotInfo), nil
}

// Restore implements control.Snapshots.
func (x snapshots) Restore(ctx context.Context, name string) error {
	return asControl(x.s.Restore(ctx, name))
}

// List implements control.Snapshots.
func (x snapshots) List() ([]control.SnapshotInfo, error) {
	list, err := Snapshots(x.s.cfg)
	out := make([]control.SnapshotInfo, len(list))
	for i := range list {
		out[i] = about(&list[i])
	}
	return out, asControl(err)
}

// Delete implements control.Snapshots.
func (x snapshots) Delete(name string) error { return asControl(DeleteSnapshot(x.s.cfg, name)) }

// Reset implements control.Snapshots.
func (x snapshots) Reset(ctx context.Context) error {
	if !x.s.Resets() {
		return control.Refusal{Message: "only a database that ends with the server can be reset: save a snapshot and restore it, or use suparust db reset"}
	}
	return asControl(x.s.Reset(ctx))
}
