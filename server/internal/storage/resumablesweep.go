package storage

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/suparust/suparust/server/internal/storage/blob"
)

const (
	// DefaultUploadExpiry is how long an unfinished upload is kept when nothing
	// else is said.
	DefaultUploadExpiry = 24 * time.Hour
	// maxSweepInterval is how often expired uploads are looked for at least.
	maxSweepInterval = 10 * time.Minute
	// firstSweep is when they are looked for in the database first: not while a
	// server starts, which would cost it a connection.
	firstSweep = 30 * time.Second
)

// sweepUploads looks after uploads until ctx ends: it completes those that are
// whole and removes those that have expired.
func (h *Handler) sweepUploads(ctx context.Context) {
	interval := min(maxSweepInterval, max(h.uploadExpiry/4, time.Millisecond))
	tick := time.NewTicker(min(firstSweep, interval))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			tick.Reset(interval)
			h.sweepUploadsOnce(ctx)
			h.endExpiredS3Uploads(ctx)
		}
	}
}

func (h *Handler) sweepUploadsOnce(ctx context.Context) {
	removed := 0
	err := h.uploads.List(ctx, func(version string, stored blob.Upload) error {
		gone, err := h.lookAfter(ctx, version, stored)
		if err != nil && ctx.Err() == nil {
			h.log.Warn("an unfinished upload could not be looked after; the next sweep tries again", "version", version, "error", err)
		}
		if gone {
			removed++
		}
		return ctx.Err()
	})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		h.log.Warn("the search for expired uploads has ended early", "error", err)
	case removed > 0:
		h.log.LogAttrs(ctx, slog.LevelInfo, "removed uploads that had expired", slog.Int("uploads", removed))
	}
}

// lookAfter completes an upload that is whole and removes one that has
// expired. One that a request is busy with is left alone.
func (h *Handler) lookAfter(ctx context.Context, version string, stored blob.Upload) (gone bool, err error) {
	u, err := readUpload(version, stored)
	if err != nil {
		return false, err
	}
	own, err := h.installation(ctx)
	if err != nil {
		return false, err
	}
	if u.Database != own { // of the database that this one was copied from, or of one that is gone
		return h.dropForeign(ctx, u)
	}
	expired := h.expiry(&u.uploadNote).Before(h.now())
	waiting := u.whole() && !u.Done
	if !expired && !waiting {
		return false, nil
	}
	lock, err := h.locks.tryAcquire(ctx, version)
	if lock == nil {
		return false, err
	}
	defer lock.release()
	stored, err = h.uploads.Get(ctx, version) // it may have changed
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	if err == nil {
		u, err = readUpload(version, stored)
	}
	if err != nil {
		return false, err
	}
	if u.whole() && !u.Done {
		return false, h.ownCall(ctx).completeAgain(u)
	}
	if !expired {
		return false, nil
	}
	return true, h.uploads.Discard(ctx, version)
}

// dropForeign ends an upload of another database when that one has had time to
// do it.
func (h *Handler) dropForeign(ctx context.Context, u *resumed) (gone bool, err error) {
	if h.expiry(&u.uploadNote).Add(h.uploadExpiry).After(h.now()) {
		return false, nil
	}
	lock, err := h.locks.tryAcquire(ctx, u.version)
	if lock == nil {
		return false, err
	}
	defer lock.release()
	return true, h.uploads.Discard(ctx, u.version)
}

// unclaimed are those of versions without a row that belong to no upload
// either: the row of one may be about to be committed.
func (h *Handler) unclaimed(ctx context.Context, versions []string) ([]string, error) {
	kept := versions[:0]
	for _, v := range versions {
		stored, err := h.uploads.Get(ctx, v)
		switch {
		case errors.Is(err, blob.ErrNotFound):
			kept = append(kept, v)
			continue
		case err != nil:
			return nil, err
		}
		u, err := readUpload(v, stored)
		if err != nil {
			return nil, err
		}
		if u.Done {
			kept = append(kept, v)
		}
	}
	return kept, nil
}
