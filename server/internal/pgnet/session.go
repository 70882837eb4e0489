package pgnet

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// errRestart says that net.worker_restart asked for another session.
var errRestart = errors.New("the worker is to begin anew")

// session is one connection's life. It ends without an error when there is
// nothing left to do, or nothing that is ours to do.
func (w *Worker) session(ctx context.Context) (err error) {
	// What is being said to PostgreSQL is cut off when the database is replaced,
	// and a little later than the rest when the server ends.
	talk, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	defer context.AfterFunc(ctx, func() {
		if w.ctx.Err() == nil {
			hangUp()
			return
		}
		time.AfterFunc(closeLimit, hangUp)
	})()

	conn, err := w.cfg.Connect(talk)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing) // nothing of it is pending
	}()
	ours, err := begin(talk, conn)
	if err != nil {
		return err
	}
	if !ours && w.cfg.Stays {
		w.cfg.Stays = false
		return nil
	}
	for failed := false; ; {
		if !ours {
			if ours, err = w.appears(ctx, talk, conn); !ours {
				return err
			}
		}
		w.mu.Lock()
		w.served = true
		w.mu.Unlock()

		err = w.serve(ctx, talk, conn)
		if !isGone(err) {
			break
		}
		// the extension was dropped, with those who wait for responses
		w.mu.Lock()
		w.drop()
		w.mu.Unlock()
		var lost error
		if ours, lost = isOurs(talk, conn); lost != nil {
			return lost
		}
		if ours && failed { // it is there, but not as it should be
			return err
		}
		failed = ours
	}
	if (err == nil || errors.Is(err, errRestart)) && w.ctx.Err() != nil {
		return w.finish(talk, conn)
	}
	return err
}

// appears waits until the extension is there: who has called may have created
// it in a transaction that is not over yet.
func (w *Worker) appears(ctx, talk context.Context, conn *pgx.Conn) (ours bool, err error) {
	for more := true; more && !ours && ctx.Err() == nil; {
		what, err := w.wait(ctx, conn, w.idle)
		if err != nil || ctx.Err() != nil {
			return false, err
		}
		if what == heardNothing {
			if more, err = undecided(talk, conn); err != nil {
				return false, err
			}
		}
		if ours, err = isOurs(talk, conn); err != nil {
			return false, err
		}
	}
	return ours, nil
}

// serve takes requests and writes responses until there is nothing to do for a
// while.
func (w *Worker) serve(ctx, talk context.Context, conn *pgx.Conn) error {
	idleSince := time.Now()
	for look := true; ctx.Err() == nil; {
		if err := w.save(talk, conn); err != nil {
			return err
		}
		full := false
		for look && ctx.Err() == nil {
			room := w.room()
			if full = room == 0; full {
				break
			}
			list, err := take(talk, conn, room)
			if err != nil {
				return err
			}
			for _, r := range list {
				w.send(r)
			}
			look = len(list) > 0
		}
		what, err := w.wait(ctx, conn, w.idle-time.Since(idleSince))
		if err != nil || ctx.Err() != nil {
			return err
		}
		switch what {
		case heardRestart:
			return errRestart
		case heardCall:
			look, idleSince = true, time.Now()
		case heardAnswer:
			look, idleSince = full, time.Now()
		case heardNothing:
			idleSince = time.Now()
			if w.cfg.Stays || w.room() < maxSending {
				continue
			}
			more, err := awaited(talk, conn)
			if err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// room is how many more requests may be under way.
func (w *Worker) room() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(0, maxSending-len(w.sending)-len(w.unsaved))
}

// save writes down what has come.
func (w *Worker) save(ctx context.Context, conn *pgx.Conn) error {
	for {
		w.mu.Lock()
		if len(w.unsaved) == 0 {
			w.mu.Unlock()
			return nil
		}
		r, state := w.unsaved[0], w.state
		w.mu.Unlock()
		if err := store(ctx, conn, r); err != nil && !isRefused(err) {
			return err
		} else if isGone(err) {
			return err
		} else if err != nil {
			w.cfg.Logger.Error("a response of pg_net cannot be stored", "id", r.id, "error", err)
		}
		w.mu.Lock()
		if w.state == state {
			w.unsaved = w.unsaved[1:]
		}
		w.mu.Unlock()
	}
}

// finish leaves nothing behind when the server ends: answers that have come are
// written down, and requests that were not answered go back into the queue.
func (w *Worker) finish(ctx context.Context, conn *pgx.Conn) error {
	w.senders.Wait() // the server's end has canceled them
	if err := w.save(ctx, conn); err != nil {
		return err
	}
	w.mu.Lock()
	var list []*request
	for r := range w.sending {
		list = append(list, r)
	}
	w.mu.Unlock()
	return putBack(ctx, conn, list)
}

// What wait hears.
type heard int

const (
	heardNothing heard = iota
	heardCall
	heardAnswer
	heardRestart
)

// wait listens on the connection and inside the server for as long as limit.
func (w *Worker) wait(ctx context.Context, conn *pgx.Conn, limit time.Duration) (heard, error) {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	inside := make(chan heard, 1)
	go func() {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		defer stop()
		select {
		case <-w.finished:
			inside <- heardAnswer
		case <-w.cfg.Calls:
			inside <- heardCall
		case <-w.call:
			inside <- heardCall
		case <-timer.C:
			inside <- heardNothing
		case <-waiting.Done():
			inside <- heardNothing
		}
	}()
	n, err := conn.WaitForNotification(waiting)
	stop()
	what := <-inside
	switch {
	case err == nil && n.Payload == payloadRestart:
		return heardRestart, nil
	case err == nil:
		return heardCall, nil // whatever else there was is looked at, too
	case conn.IsClosed():
		return 0, err
	}
	return what, nil
}

// tell has wait hear of an answer.
func (w *Worker) tell() {
	select {
	case w.finished <- struct{}{}:
	default:
	}
}
