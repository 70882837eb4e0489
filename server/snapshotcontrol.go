package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/suparust/suparust/server/internal/control"
	"github.com/suparust/suparust/server/pg"
)

// snapshots are the server's, as the control API has them.
type snapshots struct {
	s *Server

	mu   sync.Mutex
	kept map[string]*Snapshot // those that have no folder, by the name that was made for them
}

// maxKept bounds the snapshots without a folder.
const maxKept = 100

// keptPrefix begins the names of those; no folder's name does.
const keptPrefix = "~"

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
	var letters snapshotCaseError
	var version *pg.SnapshotVersionError
	if errors.Is(err, errExternalSnapshot) || errors.Is(err, errNoSnapshotDir) || errors.Is(err, errForeignConnections) || errors.As(err, &name) || errors.As(err, &letters) || errors.As(err, &version) {
		return control.Refusal{Message: err.Error()}
	}
	return err
}

// noSnapshotError is the server's sentence for control.ErrNoSnapshot.
type noSnapshotError struct{ error }

func (e noSnapshotError) Unwrap() []error { return []error{control.ErrNoSnapshot, e.error} }

// Save implements control.Snapshots.
func (x *snapshots) Save(ctx context.Context, name string) (control.SnapshotInfo, error) {
	n, err := x.s.Snapshot(ctx, name)
	if err != nil {
		return control.SnapshotInfo{}, asControl(err)
	}
	info := about(&n.SnapshotInfo)
	if name == "" {
		info.Name = keptPrefix + strings.ToLower(rand.Text())
		if err := x.keep(info.Name, n); err != nil {
			return control.SnapshotInfo{}, errors.Join(err, n.Remove())
		}
	}
	return info, nil
}

// keep holds on to a snapshot without a folder.
func (x *snapshots) keep(name string, n *Snapshot) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.kept) >= maxKept {
		return control.Refusal{Message: fmt.Sprintf("there are %d snapshots without a name of yours: delete some with DELETE /snapshots/{name}", maxKept)}
	}
	if x.kept == nil {
		x.kept = map[string]*Snapshot{}
	}
	x.kept[name] = n
	return nil
}

// open finds a snapshot, with or without a folder.
func (x *snapshots) open(name string) (*Snapshot, error) {
	if !strings.HasPrefix(name, keptPrefix) {
		return x.s.OpenSnapshot(name)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := x.kept[name]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("%w of the name %s: it was deleted", ErrNoSnapshot, name)
}

// close removes what ends with the server.
func (x *snapshots) close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	var errs []error
	for _, n := range x.kept {
		errs = append(errs, n.Remove())
	}
	x.kept = nil
	return errors.Join(errs...)
}

// Restore implements control.Snapshots.
func (x *snapshots) Restore(ctx context.Context, name string) error {
	n, err := x.open(name)
	if err == nil {
		err = x.s.RestoreSnapshot(ctx, n)
	}
	return asControl(err)
}

// List implements control.Snapshots.
func (x *snapshots) List() ([]control.SnapshotInfo, error) {
	list, err := Snapshots(x.s.cfg)
	out := make([]control.SnapshotInfo, len(list))
	for i := range list {
		out[i] = about(&list[i])
	}
	return out, asControl(err)
}

// Delete implements control.Snapshots.
func (x *snapshots) Delete(name string) error {
	n, err := x.open(name)
	if err != nil {
		return asControl(err)
	}
	x.mu.Lock()
	delete(x.kept, name)
	x.mu.Unlock()
	return n.Remove()
}

// errKept is the answer to who would reset what others keep.
var errKept = control.Refusal{Message: "only a database that ends with the server can be reset: save a snapshot and restore it, start the server with --ephemeral, or use suparust db reset"}

// Reset implements control.Snapshots.
func (x *snapshots) Reset(ctx context.Context) error {
	if !x.s.Resets() {
		return errKept
	}
	return asControl(x.s.Reset(ctx))
}

// Mark implements control.Snapshots.
func (x *snapshots) Mark(ctx context.Context) error {
	if !x.s.Resets() {
		return errKept
	}
	_, err := x.s.Mark(ctx, nil)
	return asControl(err)
}
