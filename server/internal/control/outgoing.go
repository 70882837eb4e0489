package control

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// HTTPAnswer is what requests of the server to others are answered with, in the
// place of those others. The newest that a request matches answers it.
type HTTPAnswer struct {
	// Method is the method of the requests, "" any.
	Method string `json:"method,omitempty"`
	// URL is their address, in which * stands for anything; without a ? in it the
	// query does not matter.
	URL string `json:"url"`
	// Times is how many it answers, 0 is all of them.
	Times int `json:"times,omitempty"`

	// Status of the answer, 0 is 200.
	Status int               `json:"status,omitempty"`
	Header map[string]string `json:"header,omitempty"`
	// Body of the answer: a text is sent as it is, anything else as JSON.
	Body any `json:"body,omitempty"`
}

// HTTPRequest is a request of the server to others.
type HTTPRequest struct {
	ID      string      `json:"id"`
	Created time.Time   `json:"created"`
	Method  string      `json:"method"`
	URL     string      `json:"url"`
	Header  http.Header `json:"header"`
	Body    string      `json:"body"`
	// Answered tells that an HTTPAnswer answered it; else it went out.
	Answered bool `json:"answered"`
}

// JSON decodes the body.
func (r *HTTPRequest) JSON(into any) error { return json.Unmarshal([]byte(r.Body), into) }

// HTTPFilter chooses requests; an empty field chooses all.
type HTTPFilter struct {
	Method string
	URL    string // as HTTPAnswer has it
	After  string // those that came after the one with this id
}

// Bounds of what is kept.
const (
	maxAnswers  = 1000
	maxRequests = 200      // the newest
	maxKeptBody = 64 << 10 // of one
)

// check says what is wrong with an answer.
func (a *HTTPAnswer) check() error {
	switch {
	case a.URL != "*" && !strings.HasPrefix(a.URL, "http://") && !strings.HasPrefix(a.URL, "https://"):
		return fault{fmt.Sprintf("an answer needs the URL of the requests, such as https://hooks.example.com/*; %q is none", a.URL)}
	case a.Status != 0 && (a.Status < 200 || a.Status > 599):
		return fault{fmt.Sprintf("a status is from 200 to 599, not %d", a.Status)}
	case a.Times < 0:
		return fault{"times is not less than 0: leave it out to answer all"}
	}
	return nil
}

// matches tells whether a request is one of those that a method and a URL with
// * name.
func matches(method, pattern string, r *HTTPRequest) bool {
	if method != "" && !strings.EqualFold(method, r.Method) {
		return false
	}
	url := r.URL
	if !strings.Contains(pattern, "?") {
		url, _, _ = strings.Cut(url, "?")
	}
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(url, parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// canned is an answer that waits for its requests.
type canned struct {
	HTTPAnswer
	met int // how many requests have met it
}

// Outgoing stands between the server and everyone whom it asks by HTTP. From
// the first answer on it keeps the requests. It is safe for concurrent use.
type Outgoing struct {
	next http.RoundTripper
	on   atomic.Bool // requests are looked at

	mu       sync.Mutex
	answers  []*canned     // the oldest first
	requests []HTTPRequest // the oldest first
	changed  chan struct{}
}

// NewOutgoing makes one; next is the way to the others.
func NewOutgoing(next http.RoundTripper) *Outgoing {
	return &Outgoing{next: next, changed: make(chan struct{})}
}

// Answer answers requests from now on.
func (o *Outgoing) Answer(a HTTPAnswer) error {
	if err := a.check(); err != nil {
		return err
	}
	if _, _, err := a.content(); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.answers) >= maxAnswers {
		return fault{fmt.Sprintf("there are %d answers already: forget them first", maxAnswers)}
	}
	o.answers = append(o.answers, &canned{HTTPAnswer: a})
	o.on.Store(true)
	return nil
}

// Clear forgets the answers and the requests.
func (o *Outgoing) Clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers, o.requests = nil, nil
	o.on.Store(false)
}

// Requests are those that f chooses, the newest first.
func (o *Outgoing) Requests(f HTTPFilter) []HTTPRequest {
	found, _ := o.find(f)
	return found
}

// Wait is Requests as soon as there is one. It fails only when ctx ends first.
func (o *Outgoing) Wait(ctx context.Context, f HTTPFilter) ([]HTTPRequest, error) {
	for {
		found, changed := o.find(f)
		if len(found) > 0 {
			return found, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (o *Outgoing) find(f HTTPFilter) (found []HTTPRequest, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	pattern := f.URL
	if pattern == "" {
		pattern = "*"
	}
	found = []HTTPRequest{}
	for _, r := range slices.Backward(o.requests) {
		if f.After != "" && r.ID == f.After {
			break
		}
		if matches(f.Method, pattern, &r) {
			found = append(found, r)
		}
	}
	return found, o.changed
}

// RoundTrip answers the request, or hands it on.
func (o *Outgoing) RoundTrip(r *http.Request) (*http.Response, error) {
	if !o.on.Load() {
		return o.next.RoundTrip(r)
	}
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		if closeErr := r.Body.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return nil, err
		}
	}
	if a := o.meet(r, body); a != nil {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return a.response(r)
	}
	on := r.Clone(r.Context())
	if r.Body != nil {
		on.Body = io.NopCloser(bytes.NewReader(body))
	}
	return o.next.RoundTrip(on)
}

// CloseIdleConnections is for http.Client's.
func (o *Outgoing) CloseIdleConnections() {
	if c, ok := o.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// meet keeps the request, and returns the answer that it meets, nil for none.
func (o *Outgoing) meet(r *http.Request, body []byte) *HTTPAnswer {
	seen := HTTPRequest{ID: rand.Text(), Created: time.Now().UTC(), Method: r.Method, URL: r.URL.String(), Header: r.Header.Clone(),
		Body: strings.ToValidUTF8(string(body[:min(len(body), maxKeptBody)]), "\uFFFD")}
	o.mu.Lock()
	defer o.mu.Unlock()
	var met *HTTPAnswer
	for i, a := range slices.Backward(o.answers) {
		if matches(a.Method, a.URL, &seen) {
			met, seen.Answered = &a.HTTPAnswer, true
			if a.met++; a.met == a.Times {
				o.answers = slices.Delete(o.answers, i, i+1)
			}
			break
		}
	}
	o.requests = append(o.requests, seen)
	o.requests = slices.Delete(o.requests, 0, max(0, len(o.requests)-maxRequests))
	close(o.changed)
	o.changed = make(chan struct{})
	return met
}

// content is the body of the answer, and its type.
func (a *HTTPAnswer) content() (body []byte, kind string, err error) {
	switch b := a.Body.(type) {
	case nil:
		return nil, "", nil
	case string:
		body = []byte(b)
	case []byte:
		body = b
	default:
		if body, err = json.Marshal(b); err != nil {
			return nil, "", fault{fmt.Sprintf("the body of an answer: %v", err)}
		}
		return body, "application/json", nil
	}
	kind = "text/plain; charset=utf-8"
	if json.Valid(body) {
		kind = "application/json"
	}
	return body, kind, nil
}

func (a *HTTPAnswer) response(r *http.Request) (*http.Response, error) {
	body, kind, err := a.content()
	if err != nil {
		return nil, err
	}
	status := a.Status
	if status == 0 {
		status = http.StatusOK
	}
	head := http.Header{}
	if kind != "" {
		head.Set("Content-Type", kind)
	}
	for name, value := range a.Header {
		head.Set(name, value)
	}
	return &http.Response{Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: head, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
}
