package storage

import (
	"context"
	"log/slog"
	"time"

	"github.com/suparust/suparust/server/internal/session"
)

// endExpiredS3Uploads ends uploads in parts of the S3 protocol that nobody has
// completed in time. Where the rows may be another service's they are left to
// it.
func (h *Handler) endExpiredS3Uploads(ctx context.Context) {
	if h.keep {
		return
	}
	ended := 0
	err := h.eachExpiredS3Upload(ctx, func(id string) error {
		gone, err := h.ownCall(ctx).endS3Upload(id)
		if gone {
			ended++
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		h.log.Warn("the search for expired uploads of the S3 protocol has ended early", "error", err)
	}
	if ended > 0 {
		h.log.LogAttrs(ctx, slog.LevelInfo, "removed uploads of the S3 protocol that had expired", slog.Int("uploads", ended))
	}
}

func (h *Handler) eachExpiredS3Upload(ctx context.Context, end func(id string) error) error {
	const batch = 100
	settings := &session.Settings{SearchPath: "storage", Role: serviceRole}
	before := h.now().Add(-h.uploadExpiry).UTC().Format(time.RFC3339Nano)
	for after := ""; ; {
		res, err := h.db.Do(ctx, settings, session.Options{}, sql(
			`select id from storage.s3_multipart_uploads where created_at < $1::timestamptz and id > $2 order by id limit $3::int`, before, after, batch))
		if err != nil {
			return err
		}
		for _, r := range res[0].Rows {
			after = string(r[0])
			if err := end(after); err != nil {
				return err
			}
		}
		if len(res[0].Rows) < batch {
			return nil
		}
	}
}
