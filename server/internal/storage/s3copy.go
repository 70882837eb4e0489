package storage

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// copySource reads x-amz-copy-source: [/]bucket/key, percent-encoded or not.
func (c *call) copySource() (bucket, key string, err error) {
	source := c.r.Header.Get("X-Amz-Copy-Source")
	source, _, _ = strings.Cut(source, "?versionId=")
	if decoded, err := url.PathUnescape(source); err == nil {
		source = decoded
	}
	bucket, key, _ = strings.Cut(strings.TrimPrefix(source, "/"), "/")
	switch {
	case bucket == "" && source != "":
		return "", "", errInvalidBucketName()
	case key == "":
		return "", "", &Error{Status: 400, Name: "MissingParameter", Code: "MissingParameter", Message: "Missing Required Parameter CopySource"}
	}
	return bucket, key, nil
}

func (c *call) s3CopyObject() error {
	upsert, err := c.wantsReplace()
	if err != nil {
		return err
	}
	bucket, key, err := c.copySource()
	if err != nil {
		return err
	}
	t := target{bucket: bucket, source: key, toBucket: c.bucket, key: c.key}
	if err := t.check(); err != nil {
		return err
	}
	h := c.r.Header
	change := metadataChange{keep: true}
	switch h.Get("X-Amz-Metadata-Directive") {
	case "", "COPY":
	case "REPLACE":
		change = metadataChange{user: headerUserMetadata(h), drop: []string{"cacheControl", "mimetype"}, set: map[string]string{}}
		if change.user == nil {
			change.user = []byte("{}")
		}
		if v := h.Get("Content-Type"); v != "" {
			change.set["mimetype"] = v
		}
		if v := h.Get("Cache-Control"); v != "" {
			change.set["cacheControl"] = v
		}
	default:
		return errInvalidParameter("x-amz-metadata-directive")
	}
	if err := c.bucketExists(); err != nil {
		return err
	}
	o, err := c.copyTo(t, change, upsert, c.copyConditions)
	if err != nil {
		return notReplaced(err, upsert)
	}
	meta := readMetadata(o.Metadata)
	d := newXML("CopyObjectResult")
	d.some("ETag", meta.etag)
	d.text("LastModified", *o.UpdatedAt)
	return c.writeXML(d)
}

// copyConditions judges the conditions on a copy's source.
func (c *call) copyConditions(o *found) error {
	const prefix = "X-Amz-Copy-Source-"
	h := c.r.Header
	modified := o.modifiedAt().Truncate(time.Second)
	if tags := h.Get(prefix + "If-Match"); tags != "" {
		if !matchesETag(tags, o.meta.etag) {
			return errPrecondition()
		}
	} else if t, err := http.ParseTime(h.Get(prefix + "If-Unmodified-Since")); err == nil && modified.After(t) {
		return errPrecondition()
	}
	if tags := h.Get(prefix + "If-None-Match"); tags != "" {
		if matchesETag(tags, o.meta.etag) {
			return errPrecondition()
		}
	} else if t, err := http.ParseTime(h.Get(prefix + "If-Modified-Since")); err == nil && !modified.After(t) {
		return errPrecondition()
	}
	return nil
}
