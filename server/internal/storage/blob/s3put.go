package blob

import (
	"bytes"
	"context"
	"crypto/md5" // the ETag of the API is an MD5; nothing is protected by it
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	// patience is how long a request that changes the bucket may take after
	// nobody waits for it any more.
	patience = time.Minute
	// undoTimeout bounds what is done after a failure.
	undoTimeout = 10 * time.Second
)

// lasting is a context for requests that change the bucket, which goes on for a
// while after ctx has ended: when one is given up that was sent, the service may
// carry it out all the same, and later than what would undo it.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	long, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(patience)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-long.Done():
		}
	})
	return long, func() {
		stop()
		cancel()
	}
}

// Put implements Store. What fits into one part is one request; more are sent
// part by part, so that memory does not depend on the size. A request to the
// service that has begun is not given up with ctx, so that it is known what is
// there; bytes whose last request has no answer at all are left for the sweep
// where they cannot be removed.
func (s *S3) Put(ctx context.Context, version string, r io.Reader, limit int64) (Info, error) {
	if !ValidVersion(version) {
		return Info{}, fmt.Errorf("%q cannot name a version: it must be a lower case UUID", version)
	}
	client, err := s.open()
	if err != nil {
		return Info{}, err
	}
	parts := &partSource{ctx: ctx, r: r, limit: limit, size: max(minPart, limit/maxParts+1), sum: md5.New()}
	first, err := parts.next()
	if err != nil {
		return Info{}, err
	}
	long, done := lasting(ctx)
	defer done()
	if parts.ended {
		err = s.putWhole(long, client, version, first, parts.sum.Sum(nil))
	} else {
		err = s.putParts(long, client, version, parts, first)
	}
	if err != nil {
		return Info{}, err
	}
	return Info{Size: parts.read, MD5: hex.EncodeToString(parts.sum.Sum(nil))}, nil
}

// conditionally writes what must not be there yet. A service that knows no such
// condition is asked without it: versions are random.
func (s *S3) conditionally(write func(minio.PutObjectOptions) error) error {
	plain := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true}
	if s.unconditional.Load() {
		return write(plain)
	}
	o := plain
	o.SetMatchETagExcept("*")
	err := write(o)
	switch minio.ToErrorResponse(err).StatusCode {
	case http.StatusPreconditionFailed, http.StatusConflict:
		return ErrExists
	case http.StatusNotImplemented:
		s.unconditional.Store(true)
		return write(plain)
	}
	return err
}

func (s *S3) putWhole(ctx context.Context, client *minio.Core, version string, content, sum []byte) error {
	err := s.conditionally(func(o minio.PutObjectOptions) error {
		_, err := client.PutObject(ctx, s.cfg.Bucket, s.key(version), bytes.NewReader(content), int64(len(content)), "", "", o)
		return err
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrExists): // maybe since an earlier try of this request, whose answer was lost
		info, e := client.StatObject(ctx, s.cfg.Bucket, s.key(version), minio.StatObjectOptions{})
		if e == nil && strings.Trim(info.ETag, `"`) == hex.EncodeToString(sum) {
			return nil
		}
		return err
	}
	s.undo(ctx, client, version, err)
	return err
}

func (s *S3) putParts(ctx context.Context, client *minio.Core, version string, parts *partSource, part []byte) error {
	bucket, key := s.cfg.Bucket, s.key(version)
	id, err := client.NewMultipartUpload(ctx, bucket, key, minio.PutObjectOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return err
	}
	sent, err := s.sendParts(ctx, client, key, id, parts, part)
	if err == nil {
		err = s.conditionally(func(o minio.PutObjectOptions) error {
			_, err := client.CompleteMultipartUpload(ctx, bucket, key, id, sent, o)
			return err
		})
		if err == nil || s.completed(ctx, client, version, parts.read, err) {
			return nil
		}
		s.undo(ctx, client, version, err)
	}
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if e := client.AbortMultipartUpload(short, bucket, key, id); e != nil {
		s.log.Warn("the parts of an upload that failed could not be removed; a later sweep removes them", "error", e)
	}
	return err
}

// sendParts sends part and those that follow it.
func (s *S3) sendParts(ctx context.Context, client *minio.Core, key, id string, parts *partSource, part []byte) (sent []minio.CompletePart, err error) {
	for len(part) > 0 {
		p, err := client.PutObjectPart(ctx, s.cfg.Bucket, key, id, len(sent)+1, bytes.NewReader(part), int64(len(part)), minio.PutObjectPartOptions{})
		if err != nil {
			return nil, err
		}
		sent = append(sent, minio.CompletePart{PartNumber: p.PartNumber, ETag: p.ETag})
		if parts.ended {
			break
		}
		if part, err = parts.next(); err != nil {
			return nil, err
		}
	}
	return sent, nil
}

// completed tells whether parts that by err could not be put together were so
// by an earlier try of this request, whose answer was lost.
func (s *S3) completed(ctx context.Context, client *minio.Core, version string, size int64, err error) bool {
	if !errors.Is(err, ErrExists) && minio.ToErrorResponse(err).Code != "NoSuchUpload" {
		return false
	}
	info, err := client.StatObject(ctx, s.cfg.Bucket, s.key(version), minio.StatObjectOptions{})
	return err == nil && info.Size == size
}

// undo removes what a request that has failed with err may have stored. What the
// service itself has refused is not there.
func (s *S3) undo(ctx context.Context, client *minio.Core, version string, err error) {
	if status := minio.ToErrorResponse(err).StatusCode; status >= 400 && status < 500 || errors.Is(err, ErrExists) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if e := client.RemoveObject(ctx, s.cfg.Bucket, s.key(version), minio.RemoveObjectOptions{}); e != nil && !isMissing(e) {
		s.log.Warn("what an upload that failed may have left could not be removed; a later sweep removes it", "version", version, "error", e)
	}
}
