// Package control answers what only tests ask of a server: to move its clock,
// to wait for a mail, to fail on purpose, to open a session without a
// password. Whoever may call it can be anyone, so that it has a token of its
// own, answers on loopback alone, and only where it is switched on.
package control

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/mail"
)

// Clock is the clock that is moved.
type Clock interface {
	Now() time.Time
	Advance(d time.Duration) error
	Set(t time.Time) error
}

// Instance is what a client needs to use a server.
type Instance struct {
	URL            string `json:"url"`
	AnonKey        string `json:"anon_key"`
	ServiceRoleKey string `json:"service_role_key"`
	PublishableKey string `json:"publishable_key"`
	SecretKey      string `json:"secret_key"`
	JWTSecret      string `json:"jwt_secret"`
	DatabaseURL    string `json:"database_url"`
	MailURL        string `json:"mail_url,omitempty"`
	// Resets tells that the server can be brought back to what it was.
	Resets bool `json:"resets"`
}

// Config of a Handler; all of it is required.
type Config struct {
	// Token is what requests bring as Authorization: Bearer.
	Token string
	// Anywhere answers requests that name the machine in any way: the API
	// listens where others reach it.
	Anywhere bool
	Clock    Clock
	Mail     *mail.Box
	// Faults are those that requests are made to meet.
	Faults *Faults
	// HTTP is what the server asks of others.
	HTTP *Outgoing
	// Recent are the last requests to the APIs.
	Recent *Recent
	// DatabaseLog is the end of PostgreSQL's log, so many lines.
	DatabaseLog func(lines int) (string, error)
	// Instance describes the server.
	Instance func() (Instance, error)
	// Disconnect ends every connection to the database and returns how many
	// there were.
	Disconnect func(ctx context.Context) (int, error)
	// ResetAuth forgets every user and message.
	ResetAuth func(ctx context.Context) error
	Branches  Branches
	Snapshots Snapshots
	// RunCron runs a job of pg_cron and returns what is answered of it; NotFound
	// says that there is none.
	RunCron func(ctx context.Context, name string) (any, error)
	// Session opens a session and returns what is answered of it. r is the request
	// that asks. NotFound says that there is no such user, a Refusal that they may
	// have none.
	Session func(r *http.Request, user SessionUser) (any, error)
}

// Handler serves the control API below its prefix.
type Handler struct {
	cfg   Config
	token [sha256.Size]byte
	inner http.Handler
	ended context.Context // over after Close
	end   context.CancelFunc
}

// route is an operation of the API: openapi.json describes each.
type route struct {
	method, path string
	handler      http.Handler
}

// New makes a Handler. It does no I/O.
func New(c Config) *Handler {
	h := &Handler{cfg: c, token: sha256.Sum256([]byte(c.Token))}
	h.ended, h.end = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	for _, r := range h.routes() {
		mux.Handle(r.method+" "+r.path, r.handler)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, http.StatusNotFound, r.Method+" "+r.URL.Path+" is none of the control API's operations: GET /openapi.json lists them")
	})
	h.inner = h.fromHere(h.authorized(mux))
	return h
}

func (h *Handler) routes() []route {
	own := func(f httpx.HandlerFunc) http.Handler { return httpx.Handle(f, refuse) }
	return []route{
		{"GET", "/{$}", own(h.instance)},
		{"GET", "/openapi.json", own(describe)},
		{"GET", "/clock", own(h.clock)},
		{"POST", "/clock", own(h.moveClock)},
		{"GET", "/mail", own(h.messages)},
		{"DELETE", "/mail", own(h.clearMail)},
		{"GET", "/faults", own(h.listFaults)},
		{"POST", "/faults", own(h.addFault)},
		{"DELETE", "/faults", own(h.clearFaults)},
		{"GET", "/http", own(h.listAnswers)},
		{"POST", "/http", own(h.addAnswer)},
		{"DELETE", "/http", own(h.clearHTTP)},
		{"GET", "/http/requests", own(h.listRequests)},
		{"GET", "/requests", own(h.listRecords)},
		{"GET", "/database/log", own(h.databaseLog)},
		{"POST", "/database/disconnect", own(h.disconnect)},
		{"POST", "/auth/reset", own(h.resetAuth)},
		{"POST", "/auth/session", own(h.openSession)},
		{"POST", "/cron/{name}/run", own(h.runCron)},
		{"GET", "/snapshots", own(h.listSnapshots)},
		{"DELETE", "/snapshots/{name}", own(h.deleteSnapshot)},
		{"POST", "/snapshot", own(h.saveSnapshot)},
		{"POST", "/restore", own(h.restoreSnapshot)},
		{"POST", "/reset", own(h.reset)},
		{"POST", "/mark", own(h.mark)},
		{"GET", "/branches", own(h.listBranches)},
		{"POST", "/branches", own(h.createBranch)},
		{"POST", "/branches/{id}/renew", own(h.renewBranch)},
		{"DELETE", "/branches/{id}", own(h.endBranch)},
	}
}

// Close ends the answers that take as long as somebody waits for them.
func (h *Handler) Close() { h.end() }

// maxWait bounds how long a request may wait for something.
const maxWait = time.Minute

// wait has some wait for what is asked for, for as long as the parameter wait
// says. When the time is over, or the server ends, it has found nothing.
func (h *Handler) wait(r *http.Request, some func(ctx context.Context) error) error {
	wait := r.URL.Query().Get("wait")
	d, err := time.ParseDuration(wait)
	if err != nil || d < 0 {
		return fault{fmt.Sprintf("%q is no duration such as 5s", wait)}
	}
	ctx, cancel := context.WithTimeout(r.Context(), min(d, maxWait))
	defer cancel()
	defer context.AfterFunc(h.ended, cancel)()
	if err := some(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

//go:embed openapi.json
var openAPI []byte

// describe is GET /openapi.json.
func describe(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(openAPI)
	return err
}

// fromHere refuses what a page of the web makes the browser of this machine
// ask, by a name that leads to loopback or from an origin of its own.
func (h *Handler) fromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if u, err := url.Parse(origin); !h.cfg.Anywhere && !httpx.Here(r.Host) || origin != "" && (err != nil || !httpx.Here(u.Host)) {
			writeProblem(w, http.StatusForbidden,
				"the control API is for this machine alone: ask http://127.0.0.1 or http://localhost, not from a page of another host")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// authorized lets requests with the token pass. What is compared are digests,
// which are of one length.
func (h *Handler) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(token)))
		if !strings.EqualFold(scheme, "bearer") || subtle.ConstantTimeCompare(got[:], h.token[:]) != 1 {
			writeProblem(w, http.StatusUnauthorized,
				"the control API has a token of its own: send Authorization: Bearer with that of SUPARUST_CONTROL_TOKEN, which suparust status shows too")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.inner.ServeHTTP(w, r) }

// fault is a request that cannot be carried out as it stands.
type fault struct{ message string }

func (f fault) Error() string { return f.message }

func refuse(w http.ResponseWriter, _ *http.Request, err error) {
	status := http.StatusInternalServerError
	var f fault
	var none NotFound
	var long *httpx.TooLargeError
	switch {
	case errors.As(err, &f):
		status = http.StatusBadRequest
	case errors.As(err, &long):
		status = http.StatusRequestEntityTooLarge
	case errors.As(err, &none):
		status = http.StatusNotFound
	}
	writeProblem(w, status, err.Error())
}

func writeProblem(w http.ResponseWriter, status int, message string) {
	_ = httpx.WriteJSON(w, status, map[string]any{"code": status, "message": message}) // plain values always encode
}

// instance is GET /.
func (h *Handler) instance(w http.ResponseWriter, _ *http.Request) error {
	i, err := h.cfg.Instance()
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, i)
}

// disconnect is POST /database/disconnect.
func (h *Handler) disconnect(w http.ResponseWriter, r *http.Request) error {
	n, err := h.cfg.Disconnect(r.Context())
	if err != nil {
		return refused(err)
	}
	return httpx.WriteJSON(w, http.StatusOK, map[string]int{"connections": n})
}
