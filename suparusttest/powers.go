package suparusttest

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/suparust/suparust/server"
)

// powers are what a server does for tests alone. One in this process does it by
// its own methods, one that runs elsewhere by its control API.
type powers interface {
	// access is how the control API is reached, nil when it is not.
	access() *server.ControlAccess

	// lastRequests are the last ones to the APIs, the oldest first.
	lastRequests(ctx context.Context) ([]server.RequestRecord, error)
	// databaseLog is the end of PostgreSQL's log; "" where it is not known.
	databaseLog(ctx context.Context, lines int) (string, error)

	now(ctx context.Context) (time.Time, error)
	advance(ctx context.Context, d time.Duration) error
	setClock(ctx context.Context, t time.Time) error

	messages(ctx context.Context, f server.MailFilter) ([]Message, error)
	// awaitMessage returns the newest message that f chooses and for which match
	// is true, as soon as there is one. It fails with ctx's error when that ends.
	awaitMessage(ctx context.Context, f server.MailFilter, match func(Message) bool) (Message, error)
	clearMessages(ctx context.Context) error
	mailURL(ctx context.Context) (string, error)

	answerHTTP(ctx context.Context, a HTTPAnswer) error
	httpRequests(ctx context.Context, f server.HTTPFilter) ([]HTTPRequest, error)
	// awaitHTTP is httpRequests as soon as there is one. It fails with ctx's error
	// when that ends.
	awaitHTTP(ctx context.Context, f server.HTTPFilter) ([]HTTPRequest, error)
	clearHTTP(ctx context.Context) error

	fault(ctx context.Context, f Fault) error
	clearFaults(ctx context.Context) error
	disconnect(ctx context.Context) error

	// runCron runs a job of pg_cron, whose command may fail all the same.
	runCron(ctx context.Context, name string) (*CronRun, error)

	// save saves a snapshot; restarted tells that connections to the database
	// may have ended.
	save(ctx context.Context, name string) (n *Snapshot, restarted bool, err error)
	find(ctx context.Context, name string) (*Snapshot, error)
	remove(ctx context.Context, n *Snapshot) error
	restore(ctx context.Context, n *Snapshot) error

	// resets tells whether reset works: it goes back to the state after the
	// start, or at the last mark.
	resets(ctx context.Context) (bool, error)
	reset(ctx context.Context) error
	mark(ctx context.Context, pool *pgxpool.Pool) (restarted bool, err error)
}

// here is a server of this process.
type here struct {
	srv    *server.Server
	last   *server.RecentRequests
	shared bool // its PostgreSQL is not its own
}

func (h here) access() *server.ControlAccess { return h.srv.ControlAccess() }

func (h here) lastRequests(context.Context) ([]server.RequestRecord, error) {
	return shownRequests(h.last.List()), nil
}

func (h here) databaseLog(_ context.Context, lines int) (string, error) {
	if h.srv.Cluster() == nil {
		return "", nil
	}
	return h.srv.Cluster().LogTail(lines), nil
}

func (h here) now(context.Context) (time.Time, error) { return h.srv.Clock().Now(), nil }

func (h here) advance(_ context.Context, d time.Duration) error {
	return h.srv.Clock().Advance(d)
}

func (h here) setClock(_ context.Context, t time.Time) error {
	return h.srv.Clock().Set(t)
}

func (h here) messages(_ context.Context, f server.MailFilter) ([]Message, error) {
	return h.srv.Mail().List(f), nil
}

func (h here) awaitMessage(ctx context.Context, f server.MailFilter, match func(Message) bool) (Message, error) {
	found, err := h.srv.Mail().WaitSelect(ctx, func(m *Message) bool { return f.Matches(m) && match(*m) })
	if err != nil {
		return Message{}, err
	}
	return found[0], nil
}

func (h here) clearMessages(context.Context) error {
	h.srv.Mail().Delete()
	return nil
}

func (h here) mailURL(context.Context) (string, error) { return h.srv.MailURL() }

// outgoing is what stands between the server and everyone whom it asks.
func (h here) outgoing() (o *server.Outgoing, err error) {
	if o = h.srv.Outgoing(); o == nil {
		err = errControlOff
	}
	return o, err
}

func (h here) answerHTTP(_ context.Context, a HTTPAnswer) error {
	o, err := h.outgoing()
	if err != nil {
		return err
	}
	return o.Answer(a)
}

func (h here) httpRequests(_ context.Context, f server.HTTPFilter) ([]HTTPRequest, error) {
	o, err := h.outgoing()
	if err != nil {
		return nil, err
	}
	return o.Requests(f), nil
}

func (h here) awaitHTTP(ctx context.Context, f server.HTTPFilter) ([]HTTPRequest, error) {
	o, err := h.outgoing()
	if err != nil {
		return nil, err
	}
	return o.Wait(ctx, f)
}

func (h here) clearHTTP(context.Context) error {
	o, err := h.outgoing()
	if err == nil {
		o.Clear()
	}
	return err
}

func (h here) fault(_ context.Context, f Fault) error { return h.srv.Fault(f) }

func (h here) clearFaults(context.Context) error {
	h.srv.ClearFaults()
	return nil
}

func (h here) disconnect(ctx context.Context) error {
	_, err := h.srv.Disconnect(ctx)
	return err
}

func (h here) runCron(ctx context.Context, name string) (*CronRun, error) {
	return h.srv.RunCron(ctx, name)
}

var (
	errControlOff   = errors.New("the server has no control API: WithConfig turned Config.Control off, or made it listen beyond loopback without a Config.ControlAddr")
	errShared       = errors.New("the test shares its PostgreSQL with others, and only a whole one can be saved, restored, reset and copied: leave out WithSharedCluster")
	errOtherHandles = errors.New("the snapshot was taken through another server's handle: take it through this one, or save it under a name")
)

// whole fails where the PostgreSQL is not the server's own.
func (h here) whole() error {
	if h.shared {
		return errShared
	}
	return nil
}

func (h here) save(ctx context.Context, name string) (*Snapshot, bool, error) {
	if err := h.whole(); err != nil {
		return nil, false, err
	}
	n, err := h.srv.Snapshot(ctx, name)
	if err != nil {
		return nil, false, err
	}
	return &Snapshot{of: n, name: name}, n.Restarted(), nil
}

func (h here) find(_ context.Context, name string) (*Snapshot, error) {
	if err := h.whole(); err != nil {
		return nil, err
	}
	n, err := h.srv.OpenSnapshot(name)
	return &Snapshot{of: n, name: name}, err
}

func (h here) remove(_ context.Context, n *Snapshot) error { return n.of.Remove() }

func (h here) restore(ctx context.Context, n *Snapshot) error {
	if err := h.whole(); err != nil {
		return err
	}
	if n.of == nil {
		return errOtherHandles
	}
	return h.srv.RestoreSnapshot(ctx, n.of)
}

func (h here) resets(context.Context) (bool, error) { return h.srv.Resets(), nil }

func (h here) reset(ctx context.Context) error {
	if err := h.whole(); err != nil {
		return err
	}
	return h.srv.Reset(ctx)
}

func (h here) mark(ctx context.Context, pool *pgxpool.Pool) (restarted bool, err error) {
	err = pool.AcquireFunc(ctx, func(c *pgxpool.Conn) (err error) {
		restarted, err = h.srv.Mark(ctx, c.Conn())
		return err
	})
	return restarted, err
}
