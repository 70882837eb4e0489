package blob

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// Sweep implements Store. Other processes may be uploading: what is younger
// than an hour, by the service's own clock, is left alone.
func (s *S3) Sweep(ctx context.Context, o SweepOptions) (removed int, err error) {
	client, err := s.open()
	if err != nil || o.Orphans == nil {
		return 0, err
	}
	owner, err := o.Owner(ctx)
	if err != nil {
		return 0, err
	}
	if err := s.claim(ctx, client, owner); err != nil {
		return 0, err
	}
	now, err := s.serviceTime(ctx, client)
	if err != nil {
		return 0, err
	}
	s.abortAbandoned(ctx, client, now)
	var batch []string
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		orphans, err := o.Orphans(ctx, batch)
		batch = batch[:0]
		if err != nil || len(orphans) == 0 {
			return err
		}
		if err := s.Remove(ctx, orphans...); err != nil {
			return err
		}
		removed += len(orphans)
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(ctx) // ends the listing when this returns early
	defer cancel()
	for info := range client.Client.ListObjects(ctx, s.cfg.Bucket, minio.ListObjectsOptions{Prefix: s.cfg.Prefix + objectsDir + "/", Recursive: true}) {
		if info.Err != nil {
			return removed, info.Err
		}
		version := path.Base(info.Key)
		if !ValidVersion(version) || info.Key != s.key(version) || now.Sub(info.LastModified) < s.grace() {
			continue
		}
		if batch = append(batch, version); len(batch) == sweepBatch {
			if err := flush(); err != nil {
				return removed, err
			}
		}
	}
	return removed, flush()
}

func (s *S3) grace() time.Duration {
	if s.cfg.Grace > 0 {
		return s.cfg.Grace
	}
	return inFlight
}

// serviceTime is the service's own clock, by which it dates what it stores.
func (s *S3) serviceTime(ctx context.Context, client *minio.Core) (time.Time, error) {
	key := s.cfg.Prefix + sweepFile
	if err := s.writeText(ctx, client, key, "the last sweep began when this was written\n"); err != nil {
		return time.Time{}, err
	}
	info, err := client.StatObject(ctx, s.cfg.Bucket, key, minio.StatObjectOptions{})
	return info.LastModified, err
}

func (s *S3) writeText(ctx context.Context, client *minio.Core, key, text string) error {
	_, err := client.PutObject(ctx, s.cfg.Bucket, key, strings.NewReader(text), int64(len(text)), "", "", minio.PutObjectOptions{DisableMultipart: true})
	return err
}

// claim makes owner the owner of a bucket that has none. One of another owner
// is refused, unless there is no file in it.
func (s *S3) claim(ctx context.Context, client *minio.Core, owner string) error {
	key := s.cfg.Prefix + ownerFile
	body, _, _, err := client.GetObject(ctx, s.cfg.Bucket, key, minio.GetObjectOptions{})
	switch {
	case err == nil:
		defer body.Close()
		b, err := io.ReadAll(io.LimitReader(body, 4<<10))
		if err != nil || string(b) == owner {
			return err
		}
		page, err := client.ListObjectsV2(s.cfg.Bucket, s.cfg.Prefix+objectsDir+"/", "", "", "", 1)
		if err != nil {
			return err
		}
		if len(page.Contents) > 0 {
			return fmt.Errorf("%w: nothing was removed. If this is the same project after a restore or an upgrade, delete the object %s and start again",
				ErrOtherOwner, key)
		}
	case !isMissing(err):
		return err
	}
	return s.writeText(ctx, client, key, owner)
}

// abortAbandoned ends uploads in parts that a crash has left. It is no part of
// what a sweep promises: a service may not list them.
func (s *S3) abortAbandoned(ctx context.Context, client *minio.Core, now time.Time) {
	for u := range client.ListIncompleteUploads(ctx, s.cfg.Bucket, s.cfg.Prefix+objectsDir+"/", true) {
		if u.Err != nil {
			s.log.Debug("the unfinished uploads of the S3 bucket could not be listed", "error", u.Err)
			return
		}
		if now.Sub(u.Initiated) < abandonedParts {
			continue
		}
		if named, err := s.named(ctx, client, u.Key, u.UploadID); named || err != nil {
			continue
		}
		if err := client.AbortMultipartUpload(ctx, s.cfg.Bucket, u.Key, u.UploadID); err != nil {
			s.log.Debug("an unfinished upload in the S3 bucket could not be ended", "error", err)
		}
	}
}
