package control

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/suparust/suparust/server/internal/httpx"
)

// Fault is what requests are made to meet, so that a client's own retries and
// errors can be tested. A request meets the oldest fault that it matches.
type Fault struct {
	// Method is the method of the requests, "" any.
	Method string `json:"method,omitempty"`
	// Path is their path, or what stands above it: /rest/v1/notes, /storage/v1.
	Path string `json:"path"`
	// Skip lets so many of them pass first.
	Skip int `json:"skip,omitempty"`
	// Times is how many meet it; 0 is one, less than 0 is all of them.
	Times int `json:"times,omitempty"`

	// Delay has them wait first, and then go on as usual where nothing else is
	// asked for.
	Delay time.Duration `json:"-"`
	// Status answers them with that status and the Body, or a JSON that says
	// that it is on purpose; they are not carried out.
	Status int    `json:"status,omitempty"`
	Body   string `json:"body,omitempty"`
	// Header is added to that answer, such as Retry-After.
	Header map[string]string `json:"header,omitempty"`
	// Cut ends the connection with no answer; they are not carried out.
	Cut bool `json:"cut,omitempty"`
	// CutAfter carries them out, and ends the connection when so many bytes of
	// the answer's body are sent.
	CutAfter int64 `json:"cut_after,omitempty"`
	// LoseAnswer carries them out, and ends the connection with no answer.
	LoseAnswer bool `json:"lose_answer,omitempty"`
}

// faultJSON is a Fault as JSON has it, with its delay as text: "250ms".
type faultJSON struct {
	plainFault
	Delay string `json:"delay,omitempty"`
}

type plainFault Fault

func (f Fault) json() faultJSON {
	j := faultJSON{plainFault: plainFault(f)}
	if f.Delay != 0 {
		j.Delay = f.Delay.String()
	}
	return j
}

func (j faultJSON) fault() (Fault, error) {
	f := Fault(j.plainFault)
	if j.Delay != "" {
		var err error
		if f.Delay, err = time.ParseDuration(j.Delay); err != nil {
			return f, fault{fmt.Sprintf("%q is no duration such as 250ms or 2s", j.Delay)}
		}
	}
	return f, nil
}

// MarshalJSON writes the fault as the control API reads it.
func (f Fault) MarshalJSON() ([]byte, error) { return json.Marshal(f.json()) }

// Bounds of a fault.
const (
	maxFaults = 1000
	maxDelay  = 10 * time.Minute
)

// check says what is wrong with a fault.
func (f *Fault) check() error {
	ways := 0
	for _, asked := range []bool{f.Status != 0, f.Cut, f.CutAfter != 0, f.LoseAnswer} {
		if asked {
			ways++
		}
	}
	switch {
	case !strings.HasPrefix(f.Path, "/"):
		return fault{fmt.Sprintf("a fault needs a path that begins with /, such as /rest/v1/notes; %q does not", f.Path)}
	case ways == 0 && f.Delay == 0:
		return fault{"say what is to happen: delay, status, cut, cut_after or lose_answer"}
	case ways > 1:
		return fault{"only one of status, cut, cut_after and lose_answer can happen"}
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fault{fmt.Sprintf("a status is from 200 to 599, not %d", f.Status)}
	case f.Status == 0 && (f.Body != "" || len(f.Header) > 0):
		return fault{"body and header are those of the answer with a status: give the status"}
	case f.Delay < 0 || f.Delay > maxDelay:
		return fault{fmt.Sprintf("a delay is at most %s", maxDelay)}
	case f.CutAfter < 0 || f.Skip < 0:
		return fault{"skip and cut_after are not less than 0"}
	}
	return nil
}

// planned is a fault that waits for its requests.
type planned struct {
	Fault
	left int // how many requests have yet to meet it, less than 0 for all
	met  int // how many have
}

func (p *planned) matches(r *http.Request) bool {
	below, ok := strings.CutPrefix(r.URL.Path, strings.TrimSuffix(p.Path, "/"))
	return ok && (below == "" || below[0] == '/') && (p.Method == "" || strings.EqualFold(p.Method, r.Method))
}

// Faults are the faults that wait for their requests. The zero value has none;
// it is safe for concurrent use.
type Faults struct {
	some atomic.Bool // whether there is any: requests look at nothing else then
	mu   sync.Mutex
	list []*planned
}

// Add plans a fault.
func (f *Faults) Add(x Fault) error {
	if err := x.check(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) >= maxFaults {
		return fault{fmt.Sprintf("there are %d faults already: clear them first", maxFaults)}
	}
	left := x.Times
	if left == 0 {
		left = 1
	}
	f.list = append(f.list, &planned{Fault: x, left: left})
	f.some.Store(true)
	return nil
}

// Clear forgets all faults.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
	f.some.Store(false)
}

// planned lists the faults that wait, the oldest first.
func (f *Faults) planned() []planned {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]planned, len(f.list))
	for i, p := range f.list {
		list[i] = *p
	}
	return list
}

// meet is the fault that a request meets, nil for none.
func (f *Faults) meet(r *http.Request) *Fault {
	if !f.some.Load() {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, p := range f.list {
		if !p.matches(r) {
			continue
		}
		if p.Skip > 0 {
			p.Skip--
			continue
		}
		p.met++
		if p.left--; p.left == 0 {
			f.list = slices.Delete(f.list, i, i+1)
			f.some.Store(len(f.list) > 0)
		}
		p.left = max(p.left, -1)
		return &p.Fault
	}
	return nil
}

// Wrap makes the requests to next meet their faults.
func (f *Faults) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := f.meet(r)
		if x == nil {
			next.ServeHTTP(w, r)
			return
		}
		if x.Delay > 0 {
			select {
			case <-time.After(x.Delay):
			case <-r.Context().Done():
				panic(http.ErrAbortHandler) // nobody waits any more
			}
		}
		switch {
		case x.Cut:
			panic(http.ErrAbortHandler)
		case x.Status != 0:
			x.answer(w)
		case x.LoseAnswer:
			next.ServeHTTP(&cutWriter{ResponseWriter: w}, r)
			panic(http.ErrAbortHandler)
		case x.CutAfter > 0:
			c := &cutWriter{ResponseWriter: w, sends: true, left: x.CutAfter}
			next.ServeHTTP(c, r)
			if c.left <= 0 {
				panic(http.ErrAbortHandler)
			}
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// answer is that of a fault with a status.
func (f *Fault) answer(w http.ResponseWriter) {
	for name, value := range f.Header {
		w.Header().Set(name, value)
	}
	if f.Body == "" {
		writeProblem(w, f.Status, "a fault on purpose")
		return
	}
	if w.Header().Get("Content-Type") == "" && json.Valid([]byte(f.Body)) {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write([]byte(f.Body)) // a client that has gone misses nothing
}

// cutWriter sends the head and the first bytes of an answer, or nothing of it,
// and swallows the rest.
type cutWriter struct {
	http.ResponseWriter
	sends bool
	left  int64
}

func (c *cutWriter) WriteHeader(status int) {
	if c.sends {
		c.ResponseWriter.WriteHeader(status)
	}
}

func (c *cutWriter) Write(b []byte) (int, error) {
	if sent := min(int64(len(b)), c.left); c.sends && sent > 0 {
		n, err := c.ResponseWriter.Write(b[:sent])
		if c.left -= int64(n); err != nil {
			return n, err
		}
		if c.left <= 0 {
			_ = http.NewResponseController(c.ResponseWriter).Flush() // what cannot be sent is cut all the same
		}
	}
	return len(b), nil
}

// Flush is for handlers that stream.
func (c *cutWriter) Flush() {
	if c.sends {
		_ = http.NewResponseController(c.ResponseWriter).Flush()
	}
}

// Unwrap is for what is asked of the connection itself.
func (c *cutWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// listFaults is GET /faults.
func (h *Handler) listFaults(w http.ResponseWriter, _ *http.Request) error {
	type waiting struct {
		faultJSON
		Left int `json:"left"`
		Met  int `json:"met"`
	}
	list := []waiting{}
	for _, p := range h.cfg.Faults.planned() {
		list = append(list, waiting{p.json(), p.left, p.met})
	}
	return httpx.WriteJSON(w, http.StatusOK, map[string]any{"faults": list})
}

// addFault is POST /faults.
func (h *Handler) addFault(w http.ResponseWriter, r *http.Request) error {
	var j faultJSON
	if err := readBody(w, r, &j, `{"path": "/rest/v1/notes", "times": 2, "status": 503}`); err != nil {
		return err
	}
	f, err := j.fault()
	if err != nil {
		return err
	}
	if err := h.cfg.Faults.Add(f); err != nil {
		return err
	}
	return h.listFaults(w, r)
}

// clearFaults is DELETE /faults.
func (h *Handler) clearFaults(w http.ResponseWriter, _ *http.Request) error {
	h.cfg.Faults.Clear()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
