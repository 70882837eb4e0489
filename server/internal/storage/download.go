package storage

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/storage/blob"
)

// download answers an object to a caller with a token, or to anyone out of a
// public bucket.
func (c *call) download() error {
	return c.sendByPath(c.findReadable)
}

// downloadPublic answers an object out of a public bucket.
func (c *call) downloadPublic() error {
	if c.r.Method == http.MethodHead {
		return c.sendByPath(c.findInPublic)
	}
	return c.sendByPath(c.findToSend)
}

// sendByPath is send for the routes that need no token in the query. There a
// HEAD takes the query of the info routes: a transformation, which changes
// nothing, but must be one.
func (c *call) sendByPath(find finder) error {
	if c.r.Method == http.MethodHead {
		if _, err := c.queryTransform(); err != nil {
			return err
		}
	}
	return c.send(find, "")
}

// errGone is a row whose bytes are not there, such as one that SQL made.
func errGone() *Error {
	return &Error{Status: 404, Name: "Not found", Code: "NoSuchKey", Message: "The resource was not found"}
}

// send answers the object that find returns: with its bytes, a part of them,
// or none when the client has them or asks by HEAD. expires replaces the
// stored cache control.
func (c *call) send(find finder, expires string) error {
	if names := parseQuery(c.r.URL.RawQuery)["download"]; len(names) > 1 && c.r.Method == http.MethodGet {
		return errValidation("querystring/download must be string")
	}
	return c.sendWith(find, func(o *found) error { return c.sendFound(o, expires) })
}

// sendWith hands the object that find returns to send.
func (c *call) sendWith(find finder, send func(*found) error) error {
	const tries = 3
	for try := 1; ; try++ {
		o, err := find(sentColumns)
		if err != nil {
			return err
		}
		err = send(o)
		// replaced between the row and the bytes: the row tells the new version
		if !errors.Is(err, blob.ErrNotFound) {
			return err
		}
		if try == tries {
			return withCause(errGone(), err)
		}
	}
}

func (c *call) sendFound(o *found, expires string) error {
	h := c.w.Header()
	if notModified(c.r.Header, o.meta.etag, o.meta.modified) {
		c.objectHeaders(h, o, expires)
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	size := o.meta.size
	if c.r.Method == http.MethodHead {
		c.objectHeaders(h, o, expires)
		if t, err := c.queryTransform(); err == nil {
			t.tell(h, c.h.images.ImageLimits)
		}
		if size >= 0 {
			h.Set("Content-Length", strconv.FormatInt(size, 10))
		}
		c.w.WriteHeader(http.StatusOK)
		return nil
	}
	return c.sendBytes(o, func() { c.objectHeaders(h, o, expires) })
}

// sendBytes answers with the bytes of o, or with the part of them that the
// request asks for; headers sets those of the object.
func (c *call) sendBytes(o *found, headers func()) error {
	h, size := c.w.Header(), o.meta.size
	part, partial, err := c.wantedRange(o)
	if err != nil {
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		return err
	}
	length := int64(blob.ToEnd)
	if partial {
		length = part.length()
	}
	f, err := c.h.blobs.Open(c.ctx(), o.version, part.first, length)
	if err != nil {
		return err
	}
	defer f.Close()
	headers()
	status, body := http.StatusOK, io.Reader(f)
	if partial {
		status = http.StatusPartialContent
		h.Set("Content-Range", part.contentRange(size))
		size = part.length()
	}
	if size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(size, 10))
		body = io.LimitReader(f, size)
	}
	c.w.WriteHeader(status)
	// the kernel copies where it can; an error here is the client going away,
	// or bytes that are missing, which a length unfulfilled tells the client
	_, _ = io.Copy(c.w, body)
	return nil
}

func (c *call) wantedRange(o *found) (byteRange, bool, error) {
	header := c.r.Header.Get("Range")
	if header == "" || o.meta.size < 0 || !rangeStillFits(c.r.Header, o.meta.etag, o.meta.modified) {
		return byteRange{}, false, nil
	}
	return parseRange(header, o.meta.size)
}

// objectHeaders are the headers of an object's bytes.
func (c *call) objectHeaders(h http.Header, o *found, expires string) {
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", servedType(o.meta.mimetype))
	c.cacheHeaders(h, o, expires)
	robots := "none"
	if o.meta.robots != "" && checkRobots(o.meta.robots) == nil {
		robots = o.meta.robots
	}
	h.Set("X-Robots-Tag", robots)
	if d, ok := disposition(parseQuery(c.r.URL.RawQuery)); ok {
		h.Set("Content-Disposition", d)
	}
}

// cacheHeaders are what a cache needs of an object.
func (c *call) cacheHeaders(h http.Header, o *found, expires string) {
	if o.meta.etag != "" {
		h.Set("ETag", o.meta.etag)
	}
	if !o.meta.modified.IsZero() {
		h.Set("Last-Modified", o.meta.modified.Format(http.TimeFormat))
	}
	if expires != "" {
		h.Set("Expires", expires)
		return
	}
	cache := o.meta.cacheControl
	if tags := c.knownTags(); tags != "" {
		has, head := matchesETag(tags, o.meta.etag), c.r.Method == http.MethodHead
		if c.h.sMaxAge > 0 && (has || !head) {
			cache += ", s-maxage=" + strconv.Itoa(c.h.sMaxAge)
		}
		switch {
		case has:
		case head:
			cache += ", must-revalidate"
		default:
			cache += ", stale-while-revalidate=30"
		}
		cache = strings.TrimPrefix(cache, ", ")
	}
	if cache != "" {
		h.Set("Cache-Control", cache)
	}
}

// knownTags are the ETags that the client, or a cache before the server, has.
func (c *call) knownTags() string {
	for _, name := range c.h.etags {
		if v := c.r.Header.Get(name); v != "" {
			return v
		}
	}
	return ""
}

// servedType is the type that an object is served as. HTML is plain text, so
// that no page of a user's runs under the project's origin.
func servedType(mime string) string {
	switch {
	case mime == "":
		return defaultType
	case strings.Contains(strings.ToLower(mime), "text/html"):
		return "text/plain"
	default:
		return mime
	}
}

// disposition is the header that ?download asks for.
func disposition(q url.Values) (string, bool) {
	if !q.Has("download") {
		return "", false
	}
	name := q.Get("download")
	if name == "" {
		return "attachment;", true
	}
	enc := encodeComponent(name)
	return "attachment; filename=" + enc + "; filename*=UTF-8''" + enc, true
}

// encodeComponent is encodeURIComponent.
func encodeComponent(s string) string {
	s = strings.ReplaceAll(url.QueryEscape(strings.ToValidUTF8(s, "\uFFFD")), "+", "%20")
	return componentUnescaper.Replace(s)
}

var componentUnescaper = strings.NewReplacer("%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")

// expiry is a token's expiry as an HTTP date.
func expiry(exp float64) string {
	return time.Unix(int64(exp), 0).UTC().Format(http.TimeFormat)
}
