package storage

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// seedCacheControl is what the platform's clients send where nothing else is
// asked for.
const seedCacheControl = "max-age=3600"

// Seed makes the object key of bucket hold the size bytes of f, and reports
// whether it had to: one with the same bytes and type is left as it is. The
// limits of the bucket hold here, too.
func (h *Handler) Seed(ctx context.Context, bucket, key string, f io.ReadSeeker, size int64) (changed bool, err error) {
	kind, sum, err := describe(f, key)
	if err != nil {
		return false, err
	}
	u := &url.URL{Path: "/object/" + bucket + "/" + key}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), io.NopCloser(f))
	if err != nil {
		return false, err
	}
	r.ContentLength = size
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Cache-Control", seedCacheControl)
	c := &call{h: h, r: r, operation: "storage.object.upload", bucket: bucket, key: key}
	o, err := c.findAs(c.asReader(), sentColumns, bucket, key)
	if err != nil {
		return false, err
	}
	if o != nil && o.meta.etag == `"`+sum+`"` && o.meta.mimetype == kind && o.meta.cacheControl == seedCacheControl {
		if there, err := c.h.blobs.Has(c.ctx(), o.version); err != nil || there {
			return false, err
		}
	}
	_, err = c.store(grant{settings: c.asService(), upsert: true})
	var e *Error
	if errors.As(err, &e) && e.Status < 500 {
		return false, errors.New(e.Message)
	}
	return err == nil, err
}

// describe tells the type of a file, by its beginning and for texts by its
// name, and its MD5.
func describe(f io.ReadSeeker, name string) (kind, sum string, err error) {
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", "", err
	}
	kind = http.DetectContentType(head[:n])
	if strings.Contains(kind, "text/plain") {
		if byName := mime.TypeByExtension(path.Ext(name)); byName != "" {
			kind = byName
		}
	}
	h := md5.New()
	h.Write(head[:n])
	if _, err := io.Copy(h, f); err != nil {
		return "", "", err
	}
	_, err = f.Seek(0, io.SeekStart)
	return kind, hex.EncodeToString(h.Sum(nil)), err
}
