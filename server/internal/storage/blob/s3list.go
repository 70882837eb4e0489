package blob

import (
	"context"
	"errors"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"
)

// seenUpload is an upload as it was when its record had an ETag.
type seenUpload struct {
	etag   string
	upload Upload
}

// maxSeen bounds how many uploads are remembered.
const maxSeen = 10_000

// List implements Uploads. Records that are what they were are not read again.
func (u *S3Uploads) List(ctx context.Context, visit func(version string, up Upload) error) error {
	client, err := u.store.open()
	if err != nil {
		return err
	}
	u.mu.Lock()
	before := u.seen
	u.mu.Unlock()
	seen := map[string]seenUpload{}
	var loose looseTails
	ctx, cancel := context.WithCancel(ctx) // ends the listing when this returns early
	defer cancel()
	prefix := u.store.cfg.Prefix + uploadsDir
	for info := range client.Client.ListObjects(ctx, u.store.cfg.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if info.Err != nil {
			return info.Err
		}
		version, name, _ := strings.Cut(strings.TrimPrefix(info.Key, prefix), "/")
		if !ValidVersion(version) {
			continue
		}
		if "/"+name != recordName {
			loose.see(version, info)
			continue
		}
		loose.record = version // which comes before the tails
		known, ok := before[version]
		if !ok || known.etag != info.ETag {
			r, err := u.read(ctx, client, version)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				u.store.log.Warn("an upload is left out: it cannot be read", "version", version, "error", err)
				continue
			}
			known = seenUpload{r.etag, r.upload()}
		}
		if len(seen) < maxSeen {
			seen[version] = known
		}
		if err := visit(version, known.upload); err != nil {
			return err
		}
	}
	u.mu.Lock()
	u.seen = seen
	u.mu.Unlock()
	return u.removeLoose(ctx, client, loose.found)
}

// looseTails finds tails without a record, in a list by name.
type looseTails struct {
	record string
	found  []minio.ObjectInfo
}

func (l *looseTails) see(version string, info minio.ObjectInfo) {
	if l.record != version && len(l.found) < maxLeftovers { // the next time finds the rest
		l.found = append(l.found, info)
	}
}

// removeLoose removes tails that a crash has left, when they are old by the
// service's clock.
func (u *S3Uploads) removeLoose(ctx context.Context, client *minio.Core, found []minio.ObjectInfo) error {
	if len(found) == 0 {
		return nil
	}
	now, err := u.store.serviceTime(ctx, client)
	if err != nil {
		return err
	}
	for _, info := range found {
		if now.Sub(info.LastModified) < abandoned {
			continue
		}
		if err := client.RemoveObject(ctx, u.store.cfg.Bucket, info.Key, minio.RemoveObjectOptions{}); err != nil && !isMissing(err) {
			return err
		}
	}
	return nil
}

// named tells whether a record names the S3 upload of this id to the key of an
// object.
func (s *S3) named(ctx context.Context, client *minio.Core, key, id string) (bool, error) {
	r, err := NewS3Uploads(s).read(ctx, client, path.Base(key))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && r.Multipart == id, err
}
