package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/suparust/suparust/server/internal/httpx"
)

// SnapshotInfo describes a snapshot.
type SnapshotInfo struct {
	Name       string    `json:"name"`
	Created    time.Time `json:"created"`
	PostgreSQL int       `json:"postgres"`
	Suparust   string    `json:"suparust"`
	Bytes      int64     `json:"bytes"`
	Files      int       `json:"files"`
	FileBytes  int64     `json:"file_bytes"`
}

// ErrNoSnapshot says that there is no snapshot of a name.
var ErrNoSnapshot = errors.New("there is no such snapshot")

// Snapshots saves and brings back the state of the server.
type Snapshots interface {
	// Save saves it under a name or, where that is "", under one that the server
	// makes and forgets when it ends.
	Save(ctx context.Context, name string) (SnapshotInfo, error)
	Restore(ctx context.Context, name string) error
	List() ([]SnapshotInfo, error)
	Delete(name string) error
	// Reset brings back the state after the start, or at the last Mark.
	Reset(ctx context.Context) error
	// Mark makes the present state the one that Reset brings back.
	Mark(ctx context.Context) error
}

func snapshotName(w http.ResponseWriter, r *http.Request) (string, error) {
	var p struct {
		Name string `json:"name"`
	}
	if err := readBody(w, r, &p, `{"name": "seeded"}`); err != nil {
		return "", err
	}
	return p.Name, nil
}

// saveSnapshot is POST /snapshot.
func (h *Handler) saveSnapshot(w http.ResponseWriter, r *http.Request) error {
	name, err := snapshotName(w, r)
	if err != nil {
		return err
	}
	info, err := h.cfg.Snapshots.Save(r.Context(), name)
	if err != nil {
		return refused(err)
	}
	return httpx.WriteJSON(w, http.StatusCreated, info)
}

// restoreSnapshot is POST /restore.
func (h *Handler) restoreSnapshot(w http.ResponseWriter, r *http.Request) error {
	name, err := snapshotName(w, r)
	if err != nil {
		return err
	}
	if name == "" {
		return fault{"name the snapshot: " + `{"name": "seeded"}`}
	}
	err = h.cfg.Snapshots.Restore(r.Context(), name)
	if errors.Is(err, ErrNoSnapshot) {
		writeProblem(w, http.StatusNotFound, err.Error())
		return nil
	}
	if err != nil {
		return refused(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// listSnapshots is GET /snapshots.
func (h *Handler) listSnapshots(w http.ResponseWriter, _ *http.Request) error {
	list, err := h.cfg.Snapshots.List()
	if err != nil {
		return refused(err)
	}
	return httpx.WriteJSON(w, http.StatusOK, map[string]any{"snapshots": append([]SnapshotInfo{}, list...)})
}

// deleteSnapshot is DELETE /snapshots/{name}.
func (h *Handler) deleteSnapshot(w http.ResponseWriter, r *http.Request) error {
	err := h.cfg.Snapshots.Delete(r.PathValue("name"))
	if errors.Is(err, ErrNoSnapshot) {
		writeProblem(w, http.StatusNotFound, fmt.Sprintf("there is no snapshot %q", r.PathValue("name")))
		return nil
	}
	if err != nil {
		return refused(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// reset is POST /reset.
func (h *Handler) reset(w http.ResponseWriter, r *http.Request) error {
	if err := h.cfg.Snapshots.Reset(r.Context()); err != nil {
		return refused(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// mark is POST /mark.
func (h *Handler) mark(w http.ResponseWriter, r *http.Request) error {
	if err := h.cfg.Snapshots.Mark(r.Context()); err != nil {
		return refused(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// refused is a 400 for what cannot be done as it was asked for.
func refused(err error) error {
	var r Refusal
	if errors.As(err, &r) {
		return fault{r.Message}
	}
	return err
}
