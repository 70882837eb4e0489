package storage

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (c *call) s3PutObject() error {
	upsert, err := c.wantsReplace()
	if err != nil {
		return err
	}
	if err := c.s3Body(); err != nil {
		return err
	}
	h := c.r.Header
	in := content{
		body: c.r.Body, mime: h.Get("Content-Type"), cacheControl: h.Get("Cache-Control"), user: headerUserMetadata(h),
		declared: c.decodedLength(),
	}
	if in.mime == "" {
		in.mime = defaultType
	}
	if in.cacheControl == "" {
		in.cacheControl = "no-cache"
	}
	if strings.HasSuffix(c.key, "/") && in.declared != nil && *in.declared == 0 {
		c.key += placeholder // how the platform keeps an empty folder
	}
	done, err := c.storeContent(in, grant{settings: c.asUser(), owner: c.owner(), upsert: upsert})
	if err != nil {
		return notReplaced(err, upsert)
	}
	c.w.Header().Set("ETag", done.etag)
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// wantsReplace reads the conditions of a write.
func (c *call) wantsReplace() (bool, error) {
	switch {
	case c.r.Header.Get("If-Match") != "":
		return false, errNotImplemented()
	case c.r.Header.Get("If-None-Match") == "*":
		return false, nil
	case c.r.Header.Get("If-None-Match") != "":
		return false, errNotImplemented()
	}
	return true, nil
}

// notReplaced is the answer where an object is there that a write must not
// replace.
func notReplaced(err error, upsert bool) error {
	var e *Error
	if !upsert && errors.As(err, &e) && e.Status == http.StatusConflict && e.Name == "Duplicate" {
		return errPrecondition()
	}
	return err
}

func errPrecondition() *Error {
	return &Error{Status: http.StatusPreconditionFailed, Name: "PreconditionFailed", Code: "PreconditionFailed",
		Message: "At least one of the pre-conditions you specified did not hold"}
}

// s3Find finds the object of the path under the caller's role. A folder is
// found by the placeholder that it was stored as.
func (c *call) s3Find(cols columns) (*found, error) {
	if err := checkKey(c.key); err != nil {
		return nil, err
	}
	o, err := c.findAs(c.asUserReading(), cols, c.bucket, c.key)
	if err == nil && o == nil && strings.HasSuffix(c.key, "/") {
		o, err = c.findAs(c.asUserReading(), cols, c.bucket, c.key+placeholder)
	}
	if err == nil && o == nil {
		return nil, errNoSuchKey()
	}
	return o, err
}

func (c *call) s3HeadObject() error {
	o, err := c.s3Find(allColumns)
	if err != nil {
		return err
	}
	h := c.w.Header()
	c.s3Headers(h, o)
	if done, err := c.s3Conditions(o); done || err != nil {
		return err
	}
	if !o.created.IsZero() {
		h.Set("Created-At", apiTime(o.created))
	}
	if o.meta.size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(o.meta.size, 10))
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func (c *call) s3GetObject() error {
	override, err := c.responseHeaders()
	if err != nil {
		return err
	}
	return c.sendWith(c.s3Find, func(o *found) error {
		if done, err := c.s3Conditions(o); done || err != nil {
			return err
		}
		return c.sendBytes(o, func() {
			h := c.w.Header()
			c.s3Headers(h, o)
			for name, values := range override {
				h[name] = values
			}
		})
	})
}

// modifiedAt is when the object's row was last written, by the second.
func (o *found) modifiedAt() time.Time {
	if !o.updated.IsZero() {
		return o.updated
	}
	return o.meta.modified
}

// s3Conditions judges the request's conditions. done means that the answer is
// written.
func (c *call) s3Conditions(o *found) (done bool, err error) {
	h := c.r.Header
	modified := o.modifiedAt()
	if tags := h.Get("If-Match"); tags != "" {
		if !matchesETag(tags, o.meta.etag) {
			return false, errPrecondition()
		}
	} else if t, err := http.ParseTime(h.Get("If-Unmodified-Since")); err == nil && modified.Truncate(time.Second).After(t) {
		return false, errPrecondition()
	}
	if !notModified(h, o.meta.etag, modified) {
		return false, nil
	}
	c.s3Headers(c.w.Header(), o)
	c.w.Header().Del("Content-Length")
	c.w.WriteHeader(http.StatusNotModified)
	return true, nil
}

// s3Headers are the headers of an object.
func (c *call) s3Headers(h http.Header, o *found) {
	h.Set("Accept-Ranges", "bytes")
	if o.meta.mimetype != "" {
		h.Set("Content-Type", o.meta.mimetype)
	} else {
		h.Set("Content-Type", defaultType)
	}
	if o.meta.cacheControl != "" {
		h.Set("Cache-Control", o.meta.cacheControl)
	}
	if o.meta.etag != "" {
		h.Set("ETag", o.meta.etag)
	}
	if t := o.modifiedAt(); !t.IsZero() {
		h.Set("Last-Modified", t.Format(http.TimeFormat))
	}
	var user map[string]any
	if json.Unmarshal(o.user, &user) != nil {
		return
	}
	missing, room, left := 0, maxUserHeaders, maxUserNames
	for _, name := range slices.Sorted(maps.Keys(user)) {
		value, ok := user[name].(string)
		if !ok || !validHeader(name, value) || left == 0 || len(name)+len(value) > room {
			missing++ // what no header can carry is counted
			continue
		}
		h["x-amz-meta-"+strings.ToLower(name)] = []string{value} // boto3 keeps the case of names
		room, left = room-len(name)-len(value), left-1
	}
	if missing > 0 {
		h.Set("X-Amz-Missing-Meta", strconv.Itoa(missing))
	}
}

// maxHeaderValue is how long a value may be, and maxUserHeaders how long those
// of user metadata with their names, maxUserNames of them: clients do not read
// answers with more, Node.js with 16 KiB and Python with 100 headers.
const (
	maxHeaderValue = 8 << 10
	maxUserHeaders = 10 << 10
	maxUserNames   = 64
)

// validHeader reports whether a header can have this name and value.
func validHeader(name, value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return isToken(name) && len(value) <= maxHeaderValue && textproto.TrimString(value) == value
}

// overridable are the headers that a query may replace, by parameter.
var overridable = map[string]string{
	"response-content-disposition": "Content-Disposition", "response-content-type": "Content-Type",
	"response-cache-control": "Cache-Control", "response-content-encoding": "Content-Encoding",
	"response-content-language": "Content-Language",
}

// responseHeaders are those that the query asks for.
func (c *call) responseHeaders() (http.Header, error) {
	h := http.Header{}
	q := c.r.URL.Query()
	for param, name := range overridable {
		if v := q.Get(param); v != "" && validHeader(name, v) {
			h.Set(name, v)
		}
	}
	if v := q.Get("response-expires"); v != "" {
		t, err := http.ParseTime(v)
		if err != nil {
			if t, err = time.Parse(time.RFC3339, v); err != nil {
				return nil, errInvalidParameter("response-expires")
			}
		}
		h.Set("Expires", t.UTC().Format(http.TimeFormat))
	}
	return h, nil
}

func (c *call) s3ObjectTagging() error {
	if _, err := c.s3Find(sentColumns); err != nil {
		return err
	}
	d := newXML("Tagging")
	d.text("TagSet", "")
	return c.writeXML(d)
}

func (c *call) s3DeleteObject() error {
	if c.r.Header.Get("If-Match") != "" {
		return errNotImplemented()
	}
	err := c.removeObject()
	var e *Error
	if errors.As(err, &e) && e.Code == "NoSuchKey" && strings.HasSuffix(c.key, "/") {
		c.key += placeholder
		err = c.removeObject()
	}
	if errors.As(err, &e) && (e.Code == "NoSuchKey" || e.Code == "InvalidKey") {
		err = c.bucketExists() // deleting what is not there is no error
	}
	if err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

type deleteRequest struct {
	Quiet  bool            `xml:"Quiet"`
	Object []deletedObject `xml:"Object"`
}

type deletedObject struct {
	Key *string `xml:"Key"`
}

func (c *call) s3DeleteObjects() error {
	var in deleteRequest
	if err := c.readXML(&in); err != nil {
		return err
	}
	if len(in.Object) == 0 {
		return errInvalidRequest("Body, Delete must have required property 'Object'")
	}
	if len(in.Object) > maxS3Page {
		return errInvalidRequest("Body, Delete, Object must NOT have more than 1000 items")
	}
	keys := make([]string, 0, len(in.Object))
	for _, o := range in.Object {
		if o.Key == nil {
			return errInvalidRequest("Body, Delete, Object must have required property 'Key'")
		}
		if storable(*o.Key) {
			keys = append(keys, *o.Key)
			if strings.HasSuffix(*o.Key, "/") {
				keys = append(keys, *o.Key+placeholder)
			}
		}
	}
	if err := c.bucketExists(); err != nil {
		return err
	}
	res, err := c.query(c.ctx(), c.asUser(), sql(
		`delete from storage.objects where bucket_id = $1 and name = any ($2::text[]) returning version`, c.bucket, keys))
	if err != nil {
		return err
	}
	c.removeBytes(versions(res[0], 0)...)
	// what is still there was hidden from the caller
	left, err := c.query(c.ctx(), c.asService(), sql(
		`select name from storage.objects where bucket_id = $1 and name = any ($2::text[])`, c.bucket, keys))
	if err != nil {
		return err
	}
	hidden := map[string]bool{}
	for _, r := range left[0] {
		hidden[r.text(0)] = true
		if folder, ok := strings.CutSuffix(r.text(0), "/"+placeholder); ok {
			hidden[folder+"/"] = true
		}
	}
	d := newXML("DeleteResult")
	for _, o := range in.Object {
		if !hidden[*o.Key] && !in.Quiet {
			d.inner("Deleted", "Key", *o.Key)
		}
	}
	for _, o := range in.Object {
		if hidden[*o.Key] {
			d.open("Error")
			d.text("Key", *o.Key)
			d.text("Code", "AccessDenied")
			d.text("Message", "Access Denied")
			d.close("Error")
		}
	}
	return c.writeXML(d)
}
