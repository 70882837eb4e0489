package storage

import (
	"context"
	"log/slog"
	"slices"

	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/session"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// removeBytes deletes bytes whose rows are gone. The answer does not depend on
// it: what stays behind is found by the next sweep.
func (c *call) removeBytes(versions ...string) {
	if len(versions) == 0 {
		return
	}
	ctx := c.finishing()
	if err := c.h.blobs.Remove(ctx, versions...); err != nil {
		c.h.log.Warn("stored bytes that are no longer needed could not be removed; the next sweep will",
			"req_id", gateway.RequestID(ctx), "error", err)
	}
}

// sweepOrphans removes bytes that no row names: what a crash left behind.
func (h *Handler) sweepOrphans(ctx context.Context) {
	removed, err := h.sweepNow(ctx)
	if err != nil && ctx.Err() == nil {
		h.log.Warn("the search for stored files without an object has ended early", "error", err)
	}
	if removed > 0 {
		h.log.LogAttrs(ctx, slog.LevelInfo, "removed stored files that belonged to no object", slog.Int("files", removed))
	}
}

// installation identifies the database; "" where it has no name.
func (h *Handler) installation(ctx context.Context) (string, error) {
	if h.keep {
		return "", nil
	}
	if id := h.database.Load(); id != nil {
		return *id, nil
	}
	settings := &session.Settings{SearchPath: "storage", Role: serviceRole}
	res, err := h.db.Do(ctx, settings, session.Options{}, sql(`select suparust.installation_id()`))
	if err != nil {
		return "", err
	}
	id := string(res[0].Rows[0][0])
	h.database.Store(&id)
	return id, nil
}

// Replaced says that the database is another now.
func (h *Handler) Replaced() { h.database.Store(nil) }

func (h *Handler) sweepNow(ctx context.Context) (removed int, err error) {
	if h.keep {
		return h.blobs.Sweep(ctx, blob.SweepOptions{})
	}
	return h.blobs.Sweep(ctx, blob.SweepOptions{
		Owner:   h.installation,
		Orphans: h.settledOrphans,
	})
}

// RemoveOrphans removes those of versions that no row names. None of them may
// be just on its way to get one.
func (h *Handler) RemoveOrphans(ctx context.Context, versions []string) error {
	for batch := range slices.Chunk(versions, orphanBatch) {
		orphans, err := h.orphans(ctx, batch)
		if err != nil {
			return err
		}
		if err := h.blobs.Remove(ctx, orphans...); err != nil {
			return err
		}
	}
	return nil
}

// orphanBatch is how many versions are asked about at once.
const orphanBatch = 20_000
