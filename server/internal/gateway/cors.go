package gateway

import (
	"io"
	"net/http"
	"slices"
	"strings"
)

// Headers that browsers may read and send. The lists are the union of what
// the clients of REST, Auth, Storage and Functions use: "*" does not cover
// Authorization, and clients look for the names.
const (
	exposedHeaders = "Content-Encoding, Content-Location, Content-Range, Content-Type, Content-Profile, Date, ETag, " +
		"Link, Location, Preference-Applied, Proxy-Status, Range-Unit, Server, Server-Timing, Transfer-Encoding, " +
		"Accept-Ranges, Content-Disposition, X-Transformations, X-Request-Id, X-Total-Count, X-Supabase-Api-Version, X-Relay-Error, X-Sb-Error-Code, " +
		"Tus-Resumable, Tus-Version, Tus-Max-Size, Tus-Extension, Upload-Offset, Upload-Length, Upload-Defer-Length, Upload-Expires, Upload-Metadata"
	allowedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
	allowedHeaders = "authorization, x-client-info, apikey, content-type, x-supabase-api-version, accept, accept-language, " +
		"content-language, accept-profile, content-profile, prefer, range, x-client-ip, x-upsert, x-metadata, cache-control, " +
		"x-retry-count, x-region, tus-resumable, upload-length, upload-offset, upload-metadata, x-signature"
)

// PostgREST's own.
const (
	plainExposed = "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, Range-Unit"
	plainMethods = "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD"
)

// The values that every answer shares; nothing writes into them.
var anyOrigin, exposed, plainlyExposed, allowed = []string{"*"}, []string{exposedHeaders}, []string{plainExposed}, []string{"true"}

// isPlain tells that a request gets PostgREST's own headers.
func (g *Gateway) isPlain(r *http.Request) bool { return g.plain != nil && g.plain(r) }

// writeCORS lets the page of a request's origin read the answer, and tells
// whether it may. Requests of other origins are served all the same.
func (g *Gateway) writeCORS(h http.Header, r *http.Request) bool {
	exposed := exposed
	if g.isPlain(r) {
		exposed = plainlyExposed
	}
	var origins []string
	if g.origins != nil {
		origins = g.origins(r)
	}
	if len(origins) == 0 {
		h["Access-Control-Allow-Origin"] = anyOrigin
		if g.cookies != nil && g.cookies(r) {
			h["Access-Control-Allow-Credentials"] = allowed
		}
		h["Access-Control-Expose-Headers"] = exposed
		return true
	}
	h.Set("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if !slices.Contains(origins, origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h["Access-Control-Allow-Credentials"] = allowed
	h["Access-Control-Expose-Headers"] = exposed
	return true
}

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

func (g *Gateway) answerPreflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if asked := r.Header.Get("Access-Control-Request-Headers"); g.isPlain(r) {
		h.Set("Access-Control-Allow-Methods", plainMethods)
		h.Set("Access-Control-Allow-Headers", plainlyAllowed(asked))
	} else {
		h.Set("Access-Control-Allow-Methods", allowedMethods)
		h.Set("Access-Control-Allow-Headers", allowedFor(asked))
	}
	h.Set("Access-Control-Max-Age", "86400")
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
}

// maxAsked bounds the headers that a preflight is answered about.
const maxAsked = 100

var knownHeaders = strings.Split(allowedHeaders, ", ")

// allowedFor is the list of known headers with those that the client asks for.
func allowedFor(asked string) string {
	all := slices.Clone(knownHeaders)
	for name := range strings.SplitSeq(asked, ",") {
		if len(all) == len(knownHeaders)+maxAsked {
			break
		}
		name = strings.ToLower(strings.TrimSpace(name))
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return strings.Join(all, ", ")
}

// plainlyAllowed is what a client asks for between the headers that are always
// allowed.
func plainlyAllowed(asked string) string {
	all := []string{"Authorization"}
	for name := range strings.SplitSeq(asked, ",") {
		if name = strings.TrimSpace(name); name != "" && len(all) <= maxAsked {
			all = append(all, name)
		}
	}
	return strings.Join(append(all, "Accept", "Accept-Language", "Content-Language"), ", ")
}

// statusWriter remembers what was answered, for the access log. It passes
// ReadFrom on, so that files are still sent by the kernel.
type statusWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

func (w *statusWriter) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := io.Copy(w.ResponseWriter, r)
	w.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) statusCode() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
