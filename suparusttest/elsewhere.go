package suparusttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/suparust/suparust/server"
)

// elsewhere is a server that runs in another process.
type elsewhere struct {
	api *server.ControlAccess // nil when it was not given
}

// errNoControl is the answer to who asks for a power of a server whose control
// API was not given.
var errNoControl = errors.New("the server runs elsewhere, and does this through its control API alone: start it with `suparust start --control` and hand Attach the option WithControl, with the URL and the token that `suparust status` shows")

// call asks the control API.
func (e elsewhere) call(ctx context.Context, method, path string, body, into any) error {
	if e.api == nil {
		return errNoControl
	}
	return e.api.Call(ctx, method, path, body, into)
}

func (e elsewhere) post(ctx context.Context, path string, body any) error {
	return e.call(ctx, http.MethodPost, path, body, nil)
}

func (e elsewhere) access() *server.ControlAccess { return e.api }

func (e elsewhere) instance(ctx context.Context) (i server.Instance, err error) {
	return i, e.call(ctx, http.MethodGet, "/", nil, &i)
}

func (e elsewhere) lastRequests(ctx context.Context) ([]server.RequestRecord, error) {
	if e.api == nil {
		return nil, nil
	}
	list, err := e.api.Requests(ctx)
	return shownRequests(list), err
}

func (e elsewhere) databaseLog(ctx context.Context, lines int) (string, error) {
	if e.api == nil {
		return "", nil
	}
	return e.api.DatabaseLog(ctx, lines)
}

func (e elsewhere) now(ctx context.Context) (time.Time, error) {
	var clock struct{ Now time.Time }
	err := e.call(ctx, http.MethodGet, "/clock", nil, &clock)
	return clock.Now, err
}

func (e elsewhere) advance(ctx context.Context, d time.Duration) error {
	return e.post(ctx, "/clock", map[string]string{"advance": d.String()})
}

func (e elsewhere) setClock(ctx context.Context, t time.Time) error {
	return e.post(ctx, "/clock", map[string]time.Time{"set": t})
}

func (e elsewhere) messages(ctx context.Context, f server.MailFilter) ([]Message, error) {
	if e.api == nil {
		return nil, errNoControl
	}
	return e.api.Messages(ctx, f, "", 0)
}

// beat is how long one request waits for a message or the like: the control API
// lets none wait longer than a minute.
const beat = 30 * time.Second

func (e elsewhere) awaitMessage(ctx context.Context, f server.MailFilter, match func(Message) bool) (Message, error) {
	if e.api == nil {
		return Message{}, errNoControl
	}
	for after := ""; ; {
		list, err := e.api.Messages(ctx, f, after, beat)
		switch {
		case ctx.Err() != nil:
			return Message{}, ctx.Err()
		case err != nil:
			return Message{}, err
		}
		for _, m := range list {
			if match(m) {
				return m, nil
			}
		}
		if len(list) > 0 {
			after = list[0].ID
		}
	}
}

func (e elsewhere) clearMessages(ctx context.Context) error {
	return e.call(ctx, http.MethodDelete, "/mail", nil, nil)
}

func (e elsewhere) mailURL(ctx context.Context) (string, error) {
	i, err := e.instance(ctx)
	if err == nil && i.MailURL == "" {
		err = errors.New("the server's mailbox has no port: it is turned off by SUPARUST_MAIL_ENABLED or local_smtp.enabled")
	}
	return i.MailURL, err
}

func (e elsewhere) answerHTTP(ctx context.Context, a HTTPAnswer) error {
	return e.post(ctx, "/http", a)
}

func (e elsewhere) httpRequests(ctx context.Context, f server.HTTPFilter) ([]HTTPRequest, error) {
	if e.api == nil {
		return nil, errNoControl
	}
	return e.api.HTTPRequests(ctx, f, 0)
}

func (e elsewhere) awaitHTTP(ctx context.Context, f server.HTTPFilter) ([]HTTPRequest, error) {
	if e.api == nil {
		return nil, errNoControl
	}
	for {
		list, err := e.api.HTTPRequests(ctx, f, beat)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil || len(list) > 0:
			return list, err
		}
	}
}

func (e elsewhere) clearHTTP(ctx context.Context) error {
	return e.call(ctx, http.MethodDelete, "/http", nil, nil)
}

func (e elsewhere) fault(ctx context.Context, f Fault) error { return e.post(ctx, "/faults", f) }

func (e elsewhere) clearFaults(ctx context.Context) error {
	return e.call(ctx, http.MethodDelete, "/faults", nil, nil)
}

func (e elsewhere) disconnect(ctx context.Context) error {
	return e.post(ctx, "/database/disconnect", nil)
}

func (e elsewhere) runCron(ctx context.Context, name string) (*CronRun, error) {
	run := &CronRun{}
	return run, e.call(ctx, http.MethodPost, "/cron/"+url.PathEscape(name)+"/run", nil, run)
}

func (e elsewhere) save(ctx context.Context, name string) (*Snapshot, bool, error) {
	var info server.SnapshotInfo
	err := e.call(ctx, http.MethodPost, "/snapshot", map[string]string{"name": name}, &info)
	return &Snapshot{name: info.Name}, true, err
}

func (e elsewhere) find(ctx context.Context, name string) (*Snapshot, error) {
	var list struct{ Snapshots []server.SnapshotInfo }
	if err := e.call(ctx, http.MethodGet, "/snapshots", nil, &list); err != nil {
		return nil, err
	}
	var names []string
	for _, info := range list.Snapshots {
		if info.Name == name {
			return &Snapshot{name: name}, nil
		}
		names = append(names, info.Name)
	}
	return nil, fmt.Errorf("%w of the name %s; there are: %s", server.ErrNoSnapshot, name, cmp.Or(strings.Join(names, ", "), "none"))
}

func (e elsewhere) remove(ctx context.Context, n *Snapshot) error {
	return e.call(ctx, http.MethodDelete, "/snapshots/"+url.PathEscape(n.name), nil, nil)
}

func (e elsewhere) restore(ctx context.Context, n *Snapshot) error {
	if n.name == "" {
		return errOtherHandles
	}
	return e.post(ctx, "/restore", map[string]string{"name": n.name})
}

func (e elsewhere) resets(ctx context.Context) (bool, error) {
	if e.api == nil {
		return false, nil
	}
	i, err := e.instance(ctx)
	return i.Resets, err
}

func (e elsewhere) reset(ctx context.Context) error { return e.post(ctx, "/reset", nil) }

func (e elsewhere) mark(ctx context.Context, _ *pgxpool.Pool) (bool, error) {
	return true, e.post(ctx, "/mark", nil)
}
