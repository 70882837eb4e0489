package pgnet

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/httpx"
)

// Config of a Worker.
type Config struct {
	// Connect opens a connection to the project's database.
	Connect func(context.Context) (*pgx.Conn, error)
	// Transport is the way to the addresses; nil is one of the worker's own.
	Transport http.RoundTripper
	// Calls receives when a request may be in the queue soon.
	Calls <-chan struct{}
	// Stays keeps a connection open from the start, where no call can come.
	Stays  bool
	Logger *slog.Logger
}

const (
	maxSending = 64               // requests under way at once
	idleLimit  = 10 * time.Second // until the connection is given up
	retryFirst = 50 * time.Millisecond
	retryMost  = 5 * time.Second
	closeLimit = 2 * time.Second // for what a worker that ends has to write
)

// Worker sends the requests of one database.
type Worker struct {
	cfg  Config
	via  http.RoundTripper
	idle time.Duration

	ctx      context.Context
	end      context.CancelFunc
	running  sync.WaitGroup
	senders  sync.WaitGroup
	call     chan struct{} // from inside the server
	finished chan struct{} // there is something unsaved

	// what the sessions know of those before them
	read    settings
	problem error // of the settings

	mu      sync.Mutex
	served  bool               // there was a session with our extension
	cut     context.CancelFunc // ends the session
	over    chan struct{}      // closed when it has ended
	paused  chan struct{}      // closed when there may be another; nil when there may be
	state   int                // counts the databases that were replaced
	sending map[*request]context.CancelFunc
	unsaved []*response
}

// New makes a worker. It does nothing before Start.
func New(c Config) *Worker {
	w := &Worker{cfg: c, via: c.Transport, idle: idleLimit, call: make(chan struct{}, 1), finished: make(chan struct{}, 1),
		sending: map[*request]context.CancelFunc{}}
	if w.via == nil {
		w.via = httpx.NewTransport()
	}
	if w.cfg.Logger == nil {
		w.cfg.Logger = slog.New(slog.DiscardHandler)
	}
	w.ctx, w.end = context.WithCancel(context.Background())
	return w
}

// Start has the worker wait for calls.
func (w *Worker) Start() { w.running.Go(w.run) }

// Call has the worker look into the queue.
func (w *Worker) Call() {
	select {
	case w.call <- struct{}{}:
	default:
	}
}

// Close puts back what is under way and waits until nothing is left of the
// worker.
func (w *Worker) Close() {
	w.end()
	w.running.Wait()
	w.senders.Wait()
	if t, ok := w.via.(*http.Transport); ok && w.cfg.Transport == nil {
		t.CloseIdleConnections()
	}
}

// Replaced is called before the database becomes another one. What is under way
// is forgotten, for it belongs to the one that was; nothing is done before
// resume is called.
func (w *Worker) Replaced() (resume func()) {
	w.mu.Lock()
	paused := make(chan struct{})
	w.paused = paused
	served, over := w.served, w.over
	w.drop()
	if w.cut != nil {
		w.cut()
	}
	w.mu.Unlock()
	if over != nil {
		<-over
	}
	return sync.OnceFunc(func() {
		w.mu.Lock()
		w.paused = nil
		w.mu.Unlock()
		close(paused)
		if served { // its state may have something in the queue
			w.Call()
		}
	})
}

// drop forgets what is under way. It is called with mu held.
func (w *Worker) drop() {
	w.state++
	for r, cancel := range w.sending {
		cancel()
		delete(w.sending, r)
	}
	w.unsaved = nil
}

// run has a session whenever one is wanted.
func (w *Worker) run() {
	defer func() {
		if err := w.leaveBehind(); err != nil {
			w.cfg.Logger.Error("requests of pg_net that were under way are lost", "error", err)
		}
	}()
	wanted, pause := w.cfg.Stays, retryFirst
	for {
		if !wanted {
			select {
			case <-w.cfg.Calls:
			case <-w.call:
			case <-w.finished: // sent by a session that ended before
				if !w.unsavedLeft() {
					continue
				}
			case <-w.ctx.Done():
				return
			}
		}
		ctx, ok := w.enter()
		if !ok {
			return
		}
		began := time.Now()
		err := w.session(ctx)
		cut := ctx.Err() != nil
		w.leave()
		switch {
		case w.ctx.Err() != nil:
			return
		case err == nil, cut:
			wanted, pause = w.cfg.Stays, retryFirst
			continue
		case errors.Is(err, errRestart):
			wanted = true
			continue
		case isRefused(err):
			w.cfg.Logger.Error("the requests of pg_net cannot be sent", "error", err)
			wanted = false
			continue
		}
		w.cfg.Logger.Debug("pg_net's worker lost its connection and connects again", "error", err)
		if time.Since(began) > retryMost {
			pause = retryFirst
		}
		wanted = true
		select {
		case <-time.After(pause):
		case <-w.ctx.Done():
			return
		}
		pause = min(2*pause, retryMost)
	}
}

func (w *Worker) unsavedLeft() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.unsaved) > 0
}

// enter waits until there may be a session and begins one.
func (w *Worker) enter() (context.Context, bool) {
	for {
		w.mu.Lock()
		paused := w.paused
		if paused == nil && w.ctx.Err() == nil {
			ctx, cut := context.WithCancel(w.ctx)
			w.cut, w.over = cut, make(chan struct{})
			w.mu.Unlock()
			return ctx, true
		}
		w.mu.Unlock()
		select {
		case <-paused:
		case <-w.ctx.Done():
			return nil, false
		}
	}
}

func (w *Worker) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut()
	close(w.over)
	w.cut, w.over = nil, nil
}

// send sends a request beside the session, and beyond it when the connection is
// lost.
func (w *Worker) send(r *request) {
	ctx, cancel := context.WithCancel(w.ctx)
	w.mu.Lock()
	w.sending[r] = cancel
	state := w.state
	w.mu.Unlock()
	w.senders.Go(func() {
		defer cancel()
		res, canceled := w.try(ctx, r)
		if canceled {
			return // who did it knows what becomes of it
		}
		w.mu.Lock()
		if w.state == state {
			delete(w.sending, r)
			w.unsaved = append(w.unsaved, res)
		}
		w.mu.Unlock()
		w.tell()
	})
}

// try sends a request. A transport that panics fails this one only.
func (w *Worker) try(ctx context.Context, r *request) (res *response, canceled bool) {
	defer func() {
		if p := recover(); p != nil {
			w.cfg.Logger.Error("the transport of pg_net's requests panicked", "panic", p)
			text := errReceive.Error()
			res, canceled = &response{queue: r.queue, id: r.id, errorMsg: &text}, false
		}
	}()
	return send(ctx, w.via, r)
}
