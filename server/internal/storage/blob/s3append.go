package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
)

// broken is a reader whose failure is taken for its end and kept.
type broken struct {
	ctx context.Context
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (b *broken) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, io.EOF
	}
	if b.err = b.ctx.Err(); b.err != nil {
		return 0, io.EOF
	}
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err, err = err, io.EOF
	}
	return n, err
}

// Append implements Uploads. Each part counts as soon as it is in the record,
// whatever becomes of those after it.
func (u *S3Uploads) Append(ctx context.Context, version string, offset int64, r io.Reader, limit int64) (end int64, err error) {
	client, err := u.open(version)
	if err != nil {
		return 0, err
	}
	rec, err := u.read(ctx, client, version)
	if err != nil {
		return 0, err
	}
	if rec.Whole != nil || rec.size() != offset {
		return rec.size(), ErrOffset
	}
	if rec.PartSize == 0 {
		rec.PartSize = max(minPart, (offset+limit)/maxParts+1)
	}
	var tail []byte
	if rec.Tail != "" {
		if tail, _, err = u.get(ctx, client, u.dir(version)+rec.Tail, rec.TailSize); err != nil {
			return offset, err
		}
	}
	before, in := *rec, &broken{ctx: ctx, r: r}
	err = u.grow(ctx, client, version, rec, io.MultiReader(bytes.NewReader(tail), in), limit+int64(len(tail)))
	if errors.Is(err, ErrTooLarge) {
		before.etag = rec.etag
		if before.size() != rec.size() {
			err = errors.Join(err, u.write(ctx, client, version, &before))
		}
		return offset, err
	}
	if err == nil && before.Tail != rec.Tail {
		if e := u.removeTail(ctx, client, version, before.Tail); e != nil {
			u.store.log.Debug("the former last bytes of an upload could not be removed; they are with the upload", "version", version, "error", e)
		}
	}
	if err == nil && in.err != nil {
		err = &ReadError{Err: in.err}
	}
	return rec.size(), err
}

// abandon ends an S3 upload that no record names. Where that cannot be known
// now, a sweep will.
func (u *S3Uploads) abandon(ctx context.Context, client *minio.Core, version, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	key := u.store.key(version)
	if named, err := u.store.named(ctx, client, key, id); named || err != nil {
		return
	}
	if err := client.AbortMultipartUpload(ctx, u.store.cfg.Bucket, key, id); err != nil {
		u.store.log.Debug("an S3 upload that was begun in vain could not be ended; a later sweep does", "version", version, "error", err)
	}
}

// grow brings what r yields into parts and a tail. When it fails the record is
// that of the last part that counts.
func (u *S3Uploads) grow(ctx context.Context, client *minio.Core, version string, rec *s3Record, r io.Reader, limit int64) error {
	sum, err := rec.sum()
	if err != nil {
		return err
	}
	parts := &partSource{ctx: context.WithoutCancel(ctx), r: r, limit: limit, size: rec.PartSize, sum: sum}
	for {
		next := *rec // what the record will be
		part, err := parts.next()
		if err != nil {
			return err
		}
		next.Tail, next.TailSize = "", 0
		if int64(len(part)) == next.PartSize {
			if err = u.putPart(ctx, client, version, &next, part); err == nil {
				err = next.keepSum(sum)
			}
		} else if len(part) > 0 {
			err = u.putTail(ctx, client, version, &next, part)
		}
		if err == nil {
			err = u.write(ctx, client, version, &next)
		}
		if err != nil {
			if rec.Multipart == "" && next.Multipart != "" {
				u.abandon(ctx, client, version, next.Multipart)
			}
			return err
		}
		*rec = next
		if parts.ended {
			return nil
		}
	}
}
