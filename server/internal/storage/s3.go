package storage

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// S3Config is about the S3 protocol, under /s3.
type S3Config struct {
	Disabled bool
	// AccessKeyID and SecretAccessKey are the credentials that act as
	// service_role; empty ones are none.
	AccessKeyID, SecretAccessKey string
	// SessionSecrets are the secrets, one of which signs a request that brings
	// a user's token as its session token: the keys for anonymous access.
	SessionSecrets func() []string
	// Region is where buckets are, "" is local. EnforceRegion refuses
	// signatures for another.
	Region        string
	EnforceRegion bool
	// Prefix is the public path before /s3, which clients sign; "" is
	// /storage/v1.
	Prefix string
	// PublicHost is the host that clients sign, where a proxy changes it.
	PublicHost string
	// ForwardedHeader believes the host of a Forwarded header, HostHeader that
	// of the header it names.
	ForwardedHeader bool
	HostHeader      string
}

func (s S3Config) complete() S3Config {
	if s.Region == "" {
		s.Region = DefaultS3Region
	}
	if s.Prefix == "" {
		s.Prefix = "/storage/v1"
	}
	s.Prefix = strings.TrimRight(s.Prefix, "/")
	return s
}

// DefaultS3Region is the region of buckets when nothing else is said.
const DefaultS3Region = "local"

// s3Route is one operation of the protocol. Which one a request asks for is
// decided by its method, by whether its path names a bucket and a key, by
// parameters of the query and by a header.
type s3Route struct {
	method    string
	level     int      // 0 for none, 1 for a bucket, 2 for an object
	query     []string // all of which must be there; name=value asks for a value
	header    string
	operation string
	serve     func(*call) error
}

// s3Routes in the order of precedence.
var s3Routes = []s3Route{
	{"GET", 0, nil, "", "storage.s3.bucket.list", (*call).s3ListBuckets},

	{"PUT", 1, nil, "", "storage.s3.bucket.create", (*call).s3CreateBucket},
	{"HEAD", 1, nil, "", "storage.s3.bucket.head", (*call).s3HeadBucket},
	{"DELETE", 1, nil, "", "storage.s3.bucket.delete", (*call).s3DeleteBucket},
	{"GET", 1, []string{"location"}, "", "storage.s3.bucket.get_location", (*call).s3BucketLocation},
	{"GET", 1, []string{"versioning"}, "", "storage.s3.bucket.get_versioning", (*call).s3BucketVersioning},
	{"GET", 1, []string{"uploads"}, "", "storage.s3.upload.list_multipart", (*call).s3ListUploads},
	{"GET", 1, []string{"versions"}, "", "storage.s3.object.list", (*call).s3ListVersions},
	{"GET", 1, []string{"list-type=2"}, "", "storage.s3.object.list", (*call).s3ListObjectsV2},
	{"GET", 1, nil, "", "storage.s3.object.list", (*call).s3ListObjects},
	{"POST", 1, []string{"delete"}, "", "storage.s3.object.delete_many", (*call).s3DeleteObjects},
	{"POST", 1, nil, "", "storage.s3.upload", (*call).s3PostObject},

	{"PUT", 2, []string{"partNumber", "uploadId"}, "X-Amz-Copy-Source", "storage.s3.upload.part_copy", (*call).s3CopyPart},
	{"PUT", 2, []string{"partNumber", "uploadId"}, "", "storage.s3.upload.part", (*call).s3UploadPart},
	{"PUT", 2, nil, "X-Amz-Copy-Source", "storage.s3.object.copy", (*call).s3CopyObject},
	{"PUT", 2, nil, "", "storage.s3.upload", (*call).s3PutObject},
	{"HEAD", 2, nil, "", "storage.s3.object.info", (*call).s3HeadObject},
	{"GET", 2, []string{"tagging"}, "", "storage.s3.object.get_tagging", (*call).s3ObjectTagging},
	{"GET", 2, []string{"uploadId"}, "", "storage.s3.upload.list_parts", (*call).s3ListParts},
	{"GET", 2, nil, "", "storage.s3.object.get", (*call).s3GetObject},
	{"POST", 2, []string{"uploadId"}, "", "storage.s3.upload.complete_multipart", (*call).s3CompleteUpload},
	{"POST", 2, []string{"uploads"}, "", "storage.s3.upload.create_multipart", (*call).s3CreateUpload},
	{"DELETE", 2, []string{"uploadId"}, "", "storage.s3.upload.abort_multipart", (*call).s3AbortUpload},
	{"DELETE", 2, nil, "", "storage.s3.object.delete", (*call).s3DeleteObject},
}

// subresources are parameters that ask for another operation than the plain
// one. Where there is none for them, doing the plain one would be wrong: it
// would delete an object whose tags are to be deleted.
var subresources = []string{
	"accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption", "intelligent-tiering", "inventory",
	"legal-hold", "lifecycle", "location", "logging", "metrics", "notification", "object-lock", "ownershipControls", "policy",
	"policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select", "tagging", "torrent",
	"uploadId", "uploads", "versioning", "versions", "website",
}

func (rt *s3Route) matches(r *http.Request, level int, q url.Values) bool {
	if rt.method != r.Method || rt.level != level || rt.header != "" && r.Header[rt.header] == nil {
		return false
	}
	for _, want := range rt.query {
		name, value, valued := strings.Cut(want, "=")
		if !q.Has(name) || valued && q.Get(name) != value {
			return false
		}
	}
	return true
}

// isS3 reports whether a request is the protocol's.
func (h *Handler) isS3(r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, "/s3")
	return ok && (rest == "" || rest[0] == '/') && !h.s3.Disabled
}

// serveS3 answers a request of the protocol.
func (h *Handler) serveS3(w http.ResponseWriter, r *http.Request) {
	c := &call{h: h, w: w, r: r}
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/s3")
	decoded, err := url.PathUnescape(path)
	if err != nil || !utf8.ValidString(decoded) {
		(&badURLError{path: r.URL.EscapedPath()}).write(w)
		return
	}
	var has bool
	c.bucket, c.key, has = strings.Cut(strings.TrimPrefix(decoded, "/"), "/")
	level := 0
	switch {
	case has && c.key != "":
		level = 2
	case c.bucket != "":
		level = 1
	}
	q := r.URL.Query()
	i := slices.IndexFunc(s3Routes, func(rt s3Route) bool { return rt.matches(r, level, q) })
	if i < 0 {
		notFound(w, r)
		return
	}
	rt := &s3Routes[i]
	c.operation = rt.operation
	if err := c.serveS3(rt, q); err != nil {
		c.logDenied(err)
		c.s3Fail(err)
	}
}

func (c *call) serveS3(rt *s3Route, q url.Values) error {
	if err := c.authenticateS3(q); err != nil {
		return err
	}
	for _, name := range subresources {
		if q.Has(name) && !slices.Contains(rt.query, name) {
			return errNotImplemented()
		}
	}
	return rt.serve(c)
}

func errNotImplemented() *Error {
	return &Error{Status: http.StatusNotImplemented, Name: "NotImplemented", Code: "NotImplemented",
		Message: "A header or query you provided implies functionality that is not implemented."}
}
