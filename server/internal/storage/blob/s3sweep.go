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
// than an hour, by the service's own clock, is looked at again when it is not,
// so that what a crash has left just before a start does not wait for the next.
func (s *S3) Sweep(ctx context.Context, o SweepOptions) (removed int, err error) {
	if o.Orphans == nil {
		return 0, nil
	}
	removed, young, err := s.sweepOld(ctx, o)
	if err != nil || len(young) == 0 {
		return removed, err
	}
	wait := time.NewTimer(s.grace() + time.Second) // which is what ages are told by
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return removed, ctx.Err()
	}
	if _, err := s.claimed(ctx, o); err != nil { // the database may be another by now
		return removed, err
	}
	more, err := s.removeOrphans(ctx, o, young)
	return removed + more, err
}

// claimed is the open store, which is the database's own.
func (s *S3) claimed(ctx context.Context, o SweepOptions) (*minio.Core, error) {
	client, err := s.open()
	if err != nil {
		return nil, err
	}
	owner, err := o.Owner(ctx)
	if err != nil {
		return nil, err
	}
	return client, s.claim(ctx, client, owner)
}

// sweepOld removes what belongs to nothing and is old enough. Young are versions
// that are not, a bounded number.
func (s *S3) sweepOld(ctx context.Context, o SweepOptions) (removed int, young []string, err error) {
	client, err := s.claimed(ctx, o)
	if err != nil {
		return 0, nil, err
	}
	now, err := s.serviceTime(ctx, client)
	if err != nil {
		return 0, nil, err
	}
	s.abortAbandoned(ctx, client, now)
	var batch []string
	flush := func() error {
		n, err := s.removeOrphans(ctx, o, batch)
		removed, batch = removed+n, batch[:0]
		return err
	}
	ctx, cancel := context.WithCancel(ctx) // ends the listing when this returns early
	defer cancel()
	for info := range client.Client.ListObjects(ctx, s.cfg.Bucket, minio.ListObjectsOptions{Prefix: s.cfg.Prefix + objectsDir + "/", Recursive: true}) {
		if info.Err != nil {
			return removed, nil, info.Err
		}
		version := path.Base(info.Key)
		switch {
		case !ValidVersion(version) || info.Key != s.key(version):
			continue
		case now.Sub(info.LastModified) < s.grace():
			if len(young) < sweepBatch {
				young = append(young, version)
			}
			continue
		}
		if batch = append(batch, version); len(batch) == sweepBatch {
			if err := flush(); err != nil {
				return removed, nil, err
			}
		}
	}
	return removed, young, flush()
}

// removeOrphans removes those of versions that belong to nothing.
func (s *S3) removeOrphans(ctx context.Context, o SweepOptions, versions []string) (removed int, err error) {
	if len(versions) == 0 {
		return 0, nil
	}
	orphans, err := o.Orphans(ctx, versions)
	if err != nil || len(orphans) == 0 {
		return 0, err
	}
	if err := s.Remove(ctx, orphans...); err != nil {
		return 0, err
	}
	return len(orphans), ctx.Err()
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
