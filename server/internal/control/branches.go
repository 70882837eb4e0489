package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/suparust/suparust/server/internal/httpx"
)

// BranchRequest says what a branch begins with and how long it lives.
type BranchRequest struct {
	// From is "project", the migrations and seeds, or "current", what the
	// server holds now; "" is the project. Snapshot names a snapshot instead.
	From     string
	Snapshot string
	// Lease is how long the branch lives without being renewed; 0 does not
	// bound it.
	Lease time.Duration
	// SQLClock has now() of SQL go by the branch's clock.
	SQLClock bool
}

// Branch is a server of its own that was made from another.
type Branch struct {
	ID string `json:"id"`
	Instance
	ControlURL   string     `json:"control_url"`
	ControlToken string     `json:"control_token"`
	Created      time.Time  `json:"created"`
	Expires      *time.Time `json:"expires,omitempty"` // nil when it is held by a connection
}

// Branches makes and ends branches.
type Branches interface {
	Create(ctx context.Context, r BranchRequest) (Branch, error)
	List() []Branch
	// Renew gives a branch another lease; ok is false when there is none of
	// the id.
	Renew(id string, lease time.Duration) (b Branch, ok bool)
	// End ends a branch and returns when nothing of it is left.
	End(ctx context.Context, id string) (ok bool, err error)
}

// Refusal is why something cannot be done as it was asked for.
type Refusal struct{ Message string }

func (r Refusal) Error() string { return r.Message }

// NotFound says that there is nothing of a name.
type NotFound struct{ Message string }

func (n NotFound) Error() string { return n.Message }

// Bounds of a lease.
const (
	defaultLease = 10 * time.Minute
	maxLease     = 24 * time.Hour
)

type branchBody struct {
	From     string `json:"from"`
	Snapshot string `json:"snapshot"`
	Lease    string `json:"lease"`
	Hold     bool   `json:"hold"`
	SQLClock bool   `json:"sql_clock"`
}

func parseLease(text string) (time.Duration, error) {
	if text == "" {
		return defaultLease, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > maxLease {
		return 0, fault{fmt.Sprintf("%q is no lease: it is a duration such as 10m, at most %s", text, maxLease)}
	}
	return d, nil
}

// createBranch is POST /branches.
func (h *Handler) createBranch(w http.ResponseWriter, r *http.Request) error {
	var b branchBody
	if err := readBody(w, r, &b, `{"from": "project", "lease": "10m"}`); err != nil {
		return err
	}
	lease, err := parseLease(b.Lease)
	switch {
	case err != nil:
		return err
	case b.Hold && b.Lease != "":
		return fault{"a branch lives as long as its lease or, with hold, as the connection that made it: give one of the two"}
	case b.Hold:
		lease = 0
	}
	if b.From != "" && b.From != "project" && b.From != "current" || b.From != "" && b.Snapshot != "" {
		return fault{`a branch begins from "project", from "current", or with the name of a snapshot`}
	}
	if h.cfg.Anywhere && !fromLoopback(r) {
		return fault{"a branch is a server on free ports of loopback of this machine, which nobody else reaches: make it from here, or start another server there"}
	}
	branch, err := h.cfg.Branches.Create(r.Context(), BranchRequest{From: b.From, Snapshot: b.Snapshot, Lease: lease, SQLClock: b.SQLClock})
	if err != nil {
		return refused(err)
	}
	if !b.Hold {
		return httpx.WriteJSON(w, http.StatusCreated, branch)
	}
	return h.hold(w, r, branch)
}

// fromLoopback tells that a request comes from this machine.
func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// hold answers with a line that describes the branch, and ends the branch when
// the client has gone.
func (h *Handler) hold(w http.ResponseWriter, r *http.Request, branch Branch) error {
	defer func() { _, _ = h.cfg.Branches.End(context.WithoutCancel(r.Context()), branch.ID) }() // who asked for it has gone
	line, err := json.Marshal(branch)
	if err != nil {
		return err
	}
	c := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	// an answer that takes its time: blanks are sent now and then, so that it
	// is not taken for one that stands still
	_, err = w.Write(append(line, '\n'))
	tick := time.NewTicker(holdBeat)
	defer tick.Stop()
	for err == nil {
		if err = c.Flush(); err != nil {
			break
		}
		select {
		case <-tick.C:
			_, err = w.Write([]byte(" "))
		case <-r.Context().Done():
			return nil
		case <-h.ended.Done():
			return nil
		}
	}
	return nil // the client has gone
}

// holdBeat is how often a held answer shows that it lives.
const holdBeat = 15 * time.Second

// listBranches is GET /branches.
func (h *Handler) listBranches(w http.ResponseWriter, _ *http.Request) error {
	return httpx.WriteJSON(w, http.StatusOK, map[string]any{"branches": append([]Branch{}, h.cfg.Branches.List()...)})
}

// renewBranch is POST /branches/{id}/renew.
func (h *Handler) renewBranch(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Lease string `json:"lease"`
	}
	if err := readBody(w, r, &b, `{"lease": "10m"}`); err != nil {
		return err
	}
	lease, err := parseLease(b.Lease)
	if err != nil {
		return err
	}
	branch, ok := h.cfg.Branches.Renew(r.PathValue("id"), lease)
	if !ok {
		return noBranch(w, r)
	}
	return httpx.WriteJSON(w, http.StatusOK, branch)
}

// endBranch is DELETE /branches/{id}.
func (h *Handler) endBranch(w http.ResponseWriter, r *http.Request) error {
	ok, err := h.cfg.Branches.End(r.Context(), r.PathValue("id"))
	switch {
	case err != nil:
		return err
	case !ok:
		return noBranch(w, r)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func noBranch(w http.ResponseWriter, r *http.Request) error {
	writeProblem(w, http.StatusNotFound, fmt.Sprintf("there is no branch %q: it was ended, or its lease is over", r.PathValue("id")))
	return nil
}
