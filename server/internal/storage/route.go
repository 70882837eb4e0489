package storage

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/suparust/suparust/server/internal/httpx"
)

// auth says what a route demands of the token.
type auth int

const (
	authNone     auth = iota // the token is not looked at
	authOptional             // no token, or a bad one, is a caller who is not signed in
	authRequired             // a good token
	authService              // a good token of service_role
)

// route is one entry of the table. In its pattern ":" is one segment, which
// may be at most maxSegment long, and "*" the rest of the path, empty or not.
type route struct {
	methods   string // with a space after each
	pattern   string
	operation string // storage.operation, which policies can ask for
	auth      auth
	serve     func(*call) error
}

const maxSegment = 2500

// routes in the order of precedence: those with more fixed segments first.
var routes = []route{
	{"GET HEAD ", "status", "", authNone, (*call).status},
	{"GET HEAD ", "version", "", authNone, (*call).version},

	{"GET ", "health", "", authService, (*call).health},
	{"DELETE ", "cdn", "storage.cdn.purge_tenant_cache", authService, (*call).purge},
	{"DELETE ", "cdn/:", "storage.cdn.purge_bucket_cache", authService, (*call).purge},
	{"DELETE ", "cdn/:/*", "storage.cdn.purge_object_cache", authService, (*call).purgeObject},

	{"POST ", "bucket", "storage.bucket.create", authRequired, (*call).createBucket},
	{"GET HEAD ", "bucket", "storage.bucket.list", authRequired, (*call).listBuckets},
	{"GET HEAD ", "bucket/:", "storage.bucket.get", authRequired, (*call).getBucket},
	{"PUT ", "bucket/:", "storage.bucket.update", authRequired, (*call).updateBucket},
	{"DELETE ", "bucket/:", "storage.bucket.delete", authRequired, (*call).deleteBucket},
	{"POST ", "bucket/:/empty", "storage.bucket.empty", authService, (*call).emptyBucket},

	{"POST ", "object/copy", "storage.object.copy", authRequired, (*call).copyObject},
	{"POST ", "object/move", "storage.object.move", authRequired, (*call).moveObject},
	{"POST ", "object/list/:", "storage.object.list", authRequired, (*call).listObjects},
	{"POST ", "object/list-v2/:", "storage.object.list_v2", authRequired, (*call).listObjectsV2},
	{"POST ", "object/upload/sign/:/*", "storage.object.sign_upload_url", authRequired, (*call).signUpload},
	{"PUT ", "object/upload/sign/:/*", "storage.object.upload_signed", authNone, (*call).uploadSigned},
	{"POST ", "object/sign/:/*", "storage.object.sign", authRequired, (*call).signObject},
	{"POST ", "object/sign/:", "storage.object.sign_many", authRequired, (*call).signObjects},
	{"GET HEAD ", "object/sign/:/*", "storage.object.get_signed", authNone, (*call).downloadSigned},

	{"GET HEAD ", "object/info/public/:/*", "storage.object.info_public", authNone, (*call).infoPublic},
	{"GET HEAD ", "object/info/authenticated/:/*", "object.get_authenticated_info", authRequired, (*call).info},
	{"GET HEAD ", "object/info/:/*", "object.get_authenticated_info", authOptional, (*call).info},
	{"OPTIONS ", "upload/resumable", "storage.tus.options", authNone, resumable(false, (*tusCall).uploadOptions)},
	{"OPTIONS ", "upload/resumable/*", "storage.tus.options", authNone, resumable(false, (*tusCall).uploadOptions)},
	{"POST ", "upload/resumable/sign", "storage.tus.upload.create_signed", authNone, resumable(true, (*tusCall).createUpload)},
	{"POST ", "upload/resumable/sign/*", "storage.tus.upload.create_signed", authNone, resumable(true, (*tusCall).createUpload)},
	{"PATCH ", "upload/resumable/sign/*", "storage.tus.upload.part_signed", authNone, resumable(true, (*tusCall).patchUpload)},
	{"PUT ", "upload/resumable/sign/*", "storage.tus.upload.part_signed", authNone, resumable(true, (*tusCall).noSuchMethod)},
	{"HEAD ", "upload/resumable/sign/*", "storage.tus.upload.get_signed", authNone, resumable(true, (*tusCall).headUpload)},
	{"DELETE ", "upload/resumable/sign/*", "storage.tus.upload.delete_signed", authNone, resumable(true, (*tusCall).deleteUpload)},
	{"POST ", "upload/resumable", "storage.tus.upload.create", authRequired, resumable(false, (*tusCall).createUpload)},
	{"POST ", "upload/resumable/*", "storage.tus.upload.create", authRequired, resumable(false, (*tusCall).createUpload)},
	{"PATCH ", "upload/resumable/*", "storage.tus.upload.part", authRequired, resumable(false, (*tusCall).patchUpload)},
	{"PUT ", "upload/resumable/*", "storage.tus.upload.part", authRequired, resumable(false, (*tusCall).noSuchMethod)},
	{"HEAD ", "upload/resumable/*", "storage.tus.upload.get", authRequired, resumable(false, (*tusCall).headUpload)},
	{"DELETE ", "upload/resumable/*", "storage.tus.upload.delete", authRequired, resumable(false, (*tusCall).deleteUpload)},

	{"GET ", "object/public/:/*", "storage.object.get_public", authNone, (*call).downloadPublic},
	{"HEAD ", "object/public/:/*", "storage.object.info_public", authNone, (*call).downloadPublic},
	{"GET ", "object/authenticated/:/*", "storage.object.get_authenticated", authRequired, (*call).download},
	{"HEAD ", "object/authenticated/:/*", "object.head_authenticated_info", authRequired, (*call).download},

	{"GET HEAD ", "render/image/authenticated/:/*", "storage.render.image_authenticated", authRequired, (*call).renderImage},
	{"GET HEAD ", "render/image/public/:/*", "storage.render.image_public", authNone, (*call).renderPublic},
	{"GET HEAD ", "render/image/sign/:/*", "storage.render.image_sign", authNone, (*call).renderSigned},

	{"GET ", "object/:/*", "storage.object.get_authenticated", authOptional, (*call).download},
	{"HEAD ", "object/:/*", "object.head_authenticated_info", authOptional, (*call).download},
	{"POST ", "object/:/*", "storage.object.upload", authRequired, (*call).upload},
	{"PUT ", "object/:/*", "storage.object.upload_update", authRequired, (*call).uploadUpdate},
	{"DELETE ", "object/:/*", "storage.object.delete", authRequired, (*call).deleteObject},
	{"DELETE ", "object/:", "storage.object.delete_many", authRequired, (*call).deleteObjects},
}

// route finds the entry for a request. It is nil for an unknown route.
func (h *Handler) route(w http.ResponseWriter, r *http.Request) (*call, *route, *badURLError) {
	path := r.URL.EscapedPath()
	if decoded, err := url.PathUnescape(path); err != nil || !utf8.ValidString(decoded) {
		return nil, nil, &badURLError{path: path}
	}
	trimmed := strings.TrimPrefix(path, "/")
	if tooLong(trimmed) {
		return nil, nil, &badURLError{path: path, long: true}
	}
	for i := range routes {
		rt := &routes[i]
		if !strings.Contains(rt.methods, r.Method+" ") {
			continue
		}
		bucket, key, ok := match(rt.pattern, trimmed)
		if !ok || !h.images.Enabled && strings.HasPrefix(rt.pattern, renderPrefix) {
			continue
		}
		c := &call{h: h, w: w, r: r, operation: rt.operation}
		c.bucket, _ = url.PathUnescape(bucket) // proved valid above
		c.key, _ = url.PathUnescape(key)
		return c, rt, nil
	}
	return nil, nil, nil
}

// match compares an escaped path with a pattern and returns what stands for
// ":" and "*".
func match(pattern, path string) (segment, rest string, ok bool) {
	for {
		p, morePattern, wants := strings.Cut(pattern, "/")
		s, morePath, has := strings.Cut(path, "/")
		switch {
		case p == "*":
			return segment, path, true
		case p == ":" && len(s) <= maxSegment:
			segment = s
		case p != s:
			return "", "", false
		}
		switch {
		case wants && has:
			pattern, path = morePattern, morePath
		case wants:
			return "", "", false
		default:
			// "/bucket/" is "/bucket": only there is the slash optional
			return segment, "", !has || morePath == "" && pattern == "bucket"
		}
	}
}

// notFound answers an unknown route, and a method that a route does not have.
func notFound(w http.ResponseWriter, r *http.Request) {
	target := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	msg := "Route " + r.Method + ":" + target + " not found"
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	second, _, _ := strings.Cut(rest, "/")
	switch {
	case first == "object", first == "bucket", first == "vector", first == "cdn", first == "render" && second == "image":
		_ = httpx.WriteJSONType(w, http.StatusNotFound, "application/json",
			errorBody{StatusCode: "404", Error: "Not Found", Message: msg, Code: "InvalidRequest"}) // plain strings always encode
	default:
		_ = httpx.WriteJSONType(w, http.StatusNotFound, jsonType, struct {
			Message    string `json:"message"`
			Error      string `json:"error"`
			StatusCode int    `json:"statusCode"`
		}{msg, "Not Found", http.StatusNotFound})
	}
}

// badURLError is a path that does not decode, or that has too long a part.
type badURLError struct {
	path string
	long bool
}

// badURLBody is the body for such a path.
type badURLBody struct {
	Error      string `json:"error"`
	Code       string `json:"code"`
	Message    string `json:"message"`
	StatusCode int    `json:"statusCode"`
}

func (e *badURLError) body() badURLBody {
	if e.long {
		return badURLBody{"Bad Request", "FST_ERR_MAX_PARAM_LENGTH", "'" + e.path + "' is exceeding the max param length", http.StatusRequestURITooLong}
	}
	return badURLBody{"Bad Request", "FST_ERR_BAD_URL", "'" + e.path + "' is not a valid url component", http.StatusBadRequest}
}

func (e *badURLError) write(w http.ResponseWriter) {
	body := e.body()
	_ = httpx.WriteJSONType(w, body.StatusCode, "application/json", body) // plain strings always encode
}

// BadURL is the body that answers a path which is no URL: net/http reads no
// request for one, so that a Handler does not see it.
func BadURL(path string) any { return (&badURLError{path: path}).body() }

// tooLong reports whether a path has a segment that no route takes, in the
// place of a bucket.
func tooLong(path string) bool {
	word, rest, _ := strings.Cut(path, "/")
	segment, _, _ := strings.Cut(rest, "/")
	return (word == "bucket" || word == "object") && len(segment) > maxSegment
}

// status answers that the service is up.
func (c *call) status() error {
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// health tells whether the database answers.
func (c *call) health() error {
	_, err := c.query(c.ctx(), c.asService(), sql(`select id from storage.buckets limit 1`))
	return writeJSON(c.w, struct {
		Healthy bool `json:"healthy"`
	}{err == nil})
}

// purge has nothing to do: there is no cache between the server and its
// clients that it knows of.
func (c *call) purge() error { return writeJSON(c.w, message{"success"}) }

func (c *call) purgeObject() error {
	if c.key == "" {
		return errValidation("params/* must NOT have fewer than 1 characters")
	}
	return c.purge()
}

// apiVersion is the release of the API that this package speaks.
const apiVersion = "1.11.2"

func (c *call) version() error {
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = c.w.Write([]byte(apiVersion))
	return nil
}
