package mail

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	netmail "net/mail"
	"net/textproto"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HandlerConfig is what a Handler is made of.
type HandlerConfig struct {
	Box     *Box
	Version string
	// Origins are further origins whose pages may use the API, such as
	// http://localhost:3000; * stands for all. Without any, only pages of the
	// mailbox itself may, as with Mailpit.
	Origins []string
}

// Handler serves a Box over HTTP: Mailpit's API, Inbucket's, and a page for
// people.
type Handler struct {
	HandlerConfig
	started time.Time
	routes  *http.ServeMux
}

// The bounds of a request.
const (
	maxBody      = 5 << 20 // Mailpit's
	maxWait      = 60 * time.Second
	defaultLimit = 50
)

// NewHandler makes a Handler.
func NewHandler(c HandlerConfig) *Handler {
	h := &Handler{HandlerConfig: c, started: time.Now(), routes: http.NewServeMux()}
	for pattern, fn := range map[string]http.HandlerFunc{
		"GET /api/v1/messages":                   h.listMessages,
		"PUT /api/v1/messages":                   h.setRead,
		"DELETE /api/v1/messages":                h.deleteMessages,
		"GET /api/v1/search":                     h.search,
		"DELETE /api/v1/search":                  h.deleteSearch,
		"GET /api/v1/tags":                       h.tags,
		"GET /api/v1/info":                       h.info,
		"GET /api/v1/message/{id}":               h.message,
		"GET /api/v1/message/{id}/headers":       h.headers,
		"GET /api/v1/message/{id}/raw":           h.raw,
		"GET /api/v1/message/{id}/part/{partID}": h.part,
		"OPTIONS /api/v1/":                       h.options,
		"GET /api/v1/mailbox/{name}":             h.inbucketList,
		"DELETE /api/v1/mailbox/{name}":          h.inbucketPurge,
		"GET /api/v1/mailbox/{name}/{id}":        h.inbucketShow,
		"PATCH /api/v1/mailbox/{name}/{id}":      h.inbucketSeen,
		"DELETE /api/v1/mailbox/{name}/{id}":     h.inbucketDelete,
		"GET /api/v1/mailbox/{name}/{id}/source": h.inbucketSource,
		"GET /livez":                             h.alive,
		"GET /readyz":                            h.alive,
		"GET /view/":                             h.view,
		"GET /mailbox.js":                        h.script,
		"GET /{$}":                               h.index,
	} {
		h.routes.HandleFunc(pattern, fn)
	}
	return h
}

// ServeHTTP serves a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	header := w.Header()
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", pagePolicy)
	if strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/view/") {
		if !h.allowed(r) {
			http.Error(w, "Blocked due to CORS violation", http.StatusForbidden)
			return
		}
		header.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		header.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, PUT, OPTIONS")
		header.Set("Access-Control-Allow-Headers", "*")
	}
	h.routes.ServeHTTP(w, r)
}

// allowed reports whether the page that asks may: mails hold secrets, and any
// page that a developer opens can reach a port of theirs.
func (h *Handler) allowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	return strings.EqualFold(u.Host, r.Host) || slices.ContainsFunc(h.Origins, func(o string) bool {
		_, host, ok := strings.Cut(o, "://")
		if !ok {
			host = o
		}
		return o == "*" || strings.EqualFold(strings.TrimSuffix(host, "/"), u.Host)
	})
}

func (h *Handler) options(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
}

func (h *Handler) alive(http.ResponseWriter, *http.Request) {}

// page is the part of a list that a request asks for.
type page struct {
	start, limit int
	before       time.Time
}

func pageOf(r *http.Request) page {
	q := r.URL.Query()
	p := page{limit: defaultLimit}
	if n, err := strconv.Atoi(q.Get("start")); err == nil && n > 0 {
		p.start = n
	}
	if n, err := strconv.Atoi(q.Get("limit")); err == nil && n >= 0 {
		p.limit = n
	}
	if t, ok := parseTime(clean(q.Get("before")), time.Local); ok {
		p.before = t
	}
	return p
}

func (p page) matches(m *Message) bool { return p.before.IsZero() || m.Created.Before(p.before) }

func (p page) of(list []Message) []Message {
	if p.start >= len(list) {
		return []Message{}
	}
	list = list[p.start:]
	return list[:min(len(list), p.limit)]
}

// found are the messages for which match is true. With wait=5s in the query
// it stands by, that long at most, until there is one.
func (h *Handler) found(r *http.Request, match func(*Message) bool) []Message {
	wait := waitOf(r)
	if wait == 0 {
		return h.Box.Select(match)
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	list, err := h.Box.WaitSelect(ctx, match)
	if err != nil {
		return []Message{}
	}
	return list
}

// waitOf reads wait=5s; a plain number is seconds.
func waitOf(r *http.Request) time.Duration {
	v := r.URL.Query().Get("wait")
	d, err := time.ParseDuration(v)
	if err != nil {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || n != n || n > maxWait.Seconds() {
			n = 0
		}
		d = time.Duration(n * float64(time.Second))
	}
	return min(max(d, 0), maxWait)
}

func zoneOf(r *http.Request) *time.Location {
	if name := r.URL.Query().Get("tz"); name != "" {
		if loc, err := time.LoadLocation(name); err == nil {
			return loc
		}
	}
	return time.Local
}

// query is the search of a request; ok is false when there is none.
func query(r *http.Request) (match func(*Message) bool, ok bool) {
	q := strings.TrimSpace(r.URL.Query().Get("query"))
	if q == "" {
		return func(*Message) bool { return true }, false
	}
	return parseSearch(q, zoneOf(r)), true
}

// summaries is the envelope of a list.
type summaries struct {
	Total          int       `json:"total"`
	Unread         int       `json:"unread"`
	Count          int       `json:"count"`
	MessagesCount  int       `json:"messages_count"`
	MessagesUnread int       `json:"messages_unread"`
	Start          int       `json:"start"`
	Tags           []string  `json:"tags"`
	Messages       []summary `json:"messages"`
}

func (h *Handler) summaries(list []Message, start, count, unread int) summaries {
	stats := h.Box.Stats()
	s := summaries{
		Total: stats.Total, Unread: stats.Unread, Count: len(list), MessagesCount: count, MessagesUnread: unread,
		Start: start, Tags: tagNames(stats), Messages: make([]summary, len(list)),
	}
	for i := range list {
		s.Messages[i] = summarize(&list[i])
	}
	return s
}

func tagNames(s Stats) []string {
	names := make([]string, 0, len(s.Tags))
	for t := range s.Tags {
		names = append(names, t)
	}
	slices.Sort(names)
	return names
}

func unread(list []Message) (n int) {
	for i := range list {
		if !list[i].Read {
			n++
		}
	}
	return n
}

func (h *Handler) listMessages(w http.ResponseWriter, r *http.Request) {
	p := pageOf(r)
	list := h.found(r, p.matches)
	stats := h.Box.Stats()
	if p.limit > 0 { // none is no limit here
		list = p.of(list)
	}
	writeJSON(w, h.summaries(list, p.start, stats.Total, stats.Unread))
}

func (h *Handler) search(w http.ResponseWriter, r *http.Request) {
	match, ok := query(r)
	if !ok {
		refuse(w, "Error: no search query")
		return
	}
	p := pageOf(r)
	list := h.found(r, func(m *Message) bool { return p.matches(m) && match(m) })
	writeJSON(w, h.summaries(p.of(list), p.start, len(list), unread(list)))
}

func (h *Handler) deleteSearch(w http.ResponseWriter, r *http.Request) {
	match, ok := query(r)
	if !ok {
		refuse(w, "Error: no search query")
		return
	}
	h.Box.DeleteSelect(match)
	writeOK(w)
}

func (h *Handler) setRead(w http.ResponseWriter, r *http.Request) {
	var p struct {
		Read   bool
		IDs    []string
		Search string
	}
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		refuse(w, err.Error())
		return
	}
	switch {
	case len(p.IDs) > 0 && p.Search != "":
		refuse(w, "You may specify either IDs or a search query, not both")
		return
	case p.Search != "":
		h.Box.SetRead(p.Read, parseSearch(p.Search, zoneOf(r)))
	default:
		h.Box.SetRead(p.Read, func(m *Message) bool { return len(p.IDs) == 0 || slices.Contains(p.IDs, m.ID) })
	}
	writeOK(w)
}

// deleteMessages deletes everything when the body names nothing or is no JSON,
// as Mailpit does.
func (h *Handler) deleteMessages(w http.ResponseWriter, r *http.Request) {
	var p struct{ IDs []string }
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		p.IDs = nil
	}
	h.Box.Delete(p.IDs...)
	writeOK(w)
}

func (h *Handler) tags(w http.ResponseWriter, _ *http.Request) { writeJSON(w, tagNames(h.Box.Stats())) }

// pick is the message of the path: an id, or latest, which a query narrows
// down and wait=5s stands by for.
func (h *Handler) pick(r *http.Request, id string) (Message, bool) {
	if id != "latest" {
		return h.Box.Peek(id)
	}
	match, _ := query(r)
	list := h.found(r, match)
	if len(list) == 0 {
		return Message{}, false
	}
	return list[0], true
}

// picked is pick for a handler; without a message it answers.
func (h *Handler) picked(w http.ResponseWriter, r *http.Request) (Message, bool) {
	id := r.PathValue("id")
	m, ok := h.pick(r, id)
	switch {
	case ok:
	case id == "latest":
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "Message not found")
	default:
		notFound(w)
	}
	return m, ok
}

func (h *Handler) message(w http.ResponseWriter, r *http.Request) {
	m, ok := h.picked(w, r)
	if !ok {
		return
	}
	h.Box.SetRead(true, func(x *Message) bool { return x.ID == m.ID })
	writeJSON(w, detail(&m))
}

func (h *Handler) headers(w http.ResponseWriter, r *http.Request) {
	m, ok := h.picked(w, r)
	if !ok {
		return
	}
	header, err := m.fields()
	if err != nil {
		refuse(w, err.Error())
		return
	}
	writeJSON(w, header)
}

// fields are the header fields as they were written.
func (m *Message) fields() (textproto.MIMEHeader, error) {
	r, err := netmail.ReadMessage(strings.NewReader(string(m.Raw)))
	if err != nil {
		return nil, err
	}
	return textproto.MIMEHeader(r.Header), nil
}

func (h *Handler) raw(w http.ResponseWriter, r *http.Request) {
	m, ok := h.picked(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if r.URL.Query().Get("dl") == "1" {
		w.Header().Set("Content-Disposition", `attachment; filename="`+m.ID+`.eml"`)
	}
	_, _ = w.Write(m.Raw) // to a client that may have gone
}

func (h *Handler) part(w http.ResponseWriter, r *http.Request) {
	m, ok := h.picked(w, r)
	if !ok {
		return
	}
	id := r.PathValue("partID")
	content, contentType, ok := m.Part(id)
	if !ok {
		notFound(w)
		return
	}
	name := ""
	for _, a := range append(slices.Clone(m.Inline), m.Attachments...) {
		if a.PartID == id {
			name = a.FileName
		}
	}
	w.Header().Set("Content-Security-Policy", mailPolicy) // a part may be a page
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Disposition", `inline; filename="`+url.PathEscape(name)+`"`)
	_, _ = w.Write(content) // to a client that may have gone
}

func (h *Handler) info(w http.ResponseWriter, _ *http.Request) {
	stats := h.Box.Stats()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	var info struct {
		Version, LatestVersion string
		Database               string
		DatabaseSize           int
		Messages, Unread       int
		Tags                   map[string]int
		RuntimeStats           struct {
			Uptime                                                    uint64
			Memory                                                    uint64
			MessagesDeleted                                           uint64
			SMTPAccepted, SMTPAcceptedSize, SMTPRejected, SMTPIgnored uint64
		}
	}
	info.Version, info.LatestVersion = h.Version, h.Version
	info.Database, info.DatabaseSize = "memory", stats.Bytes
	info.Messages, info.Unread, info.Tags = stats.Total, stats.Unread, stats.Tags
	info.RuntimeStats.Uptime = uint64(time.Since(h.started).Seconds())
	info.RuntimeStats.Memory = mem.Sys - mem.HeapReleased
	info.RuntimeStats.MessagesDeleted = stats.Deleted
	writeJSON(w, info)
}

func writeOK(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, "ok") // to a client that may have gone
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // to a client that may have gone
}

// refuse is Mailpit's error: text, with status 400.
func refuse(w http.ResponseWriter, message string) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, message) // to a client that may have gone
}

func notFound(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, "404 page not found") // to a client that may have gone
}
