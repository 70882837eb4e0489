package storage

import (
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
)

// s3PostObject takes an upload by a form of a browser.
func (c *call) s3PostObject() error {
	if c.s3.form == nil {
		return errInvalidRequest("POST requires exactly one file upload per request")
	}
	f := c.s3.form
	c.key = f.fields["key"]
	if strings.HasSuffix(c.key, "${filename}") {
		c.key = strings.TrimSuffix(c.key, "${filename}") + path.Base(f.filename)
	}
	in := content{body: f.file, mime: f.fields["content-type"], cacheControl: f.fields["cache-control"], user: amzMetadata(
		func(yield func(name, value string)) {
			for name, value := range f.fields {
				yield(name, value)
			}
		})}
	if in.mime == "" {
		in.mime = defaultType
	}
	if in.cacheControl == "" {
		in.cacheControl = "no-cache"
	}
	if c.formLength != nil {
		in.body = &ranged{r: f.file, lengthRange: *c.formLength}
	}
	done, err := c.storeContent(in, grant{settings: c.asUser(), owner: c.owner(), upsert: true})
	if err != nil {
		return err
	}
	c.w.Header().Set("ETag", done.etag)
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// ranged is a file whose length a policy bounds.
type ranged struct {
	r    io.Reader
	read int64
	lengthRange
}

// Read implements io.Reader.
func (b *ranged) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.read += int64(n)
	switch {
	case b.read > b.most:
		return n, errTooLarge("object")
	case errors.Is(err, io.EOF) && b.read < b.least:
		return n, &Error{Status: 400, Name: "EntityTooSmall", Code: "EntityTooSmall",
			Message: "Your proposed upload is smaller than the minimum allowed size"}
	}
	return n, err
}
