package pgnet

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// errRestart says that net.worker_restart asked for another session, or that this
// one has a setting that may be no more.
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
	queue, err := begin(talk, conn)
	if err != nil {
		return err
	}
	if queue == 0 && w.cfg.Stays {
		w.cfg.Stays = false
		return nil
	}
	for failed := false; ; {
		if queue == 0 {
			if queue, err = w.appears(ctx, talk, conn); queue == 0 {
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
		found, lost := findQueue(talk, conn)
		if lost != nil {
			return lost
		}
		switch {
		case found == 0: // it was dropped, with those who wait for responses
			w.mu.Lock()
			w.drop()
			w.mu.Unlock()
		case failed && found == queue: // it is there, but not as it should be
			return err
		}
		failed, queue = found == queue, found
	}
	if (err == nil || errors.Is(err, errRestart)) && w.ctx.Err() != nil {
		return w.finish(talk, conn)
	}
	return err
}

// leaveBehind is finish where no session could do it.
func (w *Worker) leaveBehind() error {
	w.senders.Wait()
	if w.room() == maxSending {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	conn, err := w.cfg.Connect(ctx)
	if err != nil {
		return err
	}
	return errors.Join(w.finish(ctx, conn), conn.Close(ctx))
}

// appears waits until the extension is there: who has called may have created
// it in a transaction that is not over yet.
func (w *Worker) appears(ctx, talk context.Context, conn *pgx.Conn) (queue uint32, err error) {
	for more := true; more && queue == 0 && ctx.Err() == nil; {
		what, err := w.wait(ctx, conn, w.idle)
		if err != nil || ctx.Err() != nil {
			return 0, err
		}
		if what == heardNothing {
			if more, err = undecided(talk, conn); err != nil {
				return 0, err
			}
		}
		if queue, err = findQueue(talk, conn); err != nil {
			return 0, err
		}
	}
	return queue, nil
}

// serve takes requests and writes responses until there is nothing to do for a
// while.
func (w *Worker) serve(ctx, talk context.Context, conn *pgx.Conn) error {
	idleSince := time.Now()
	full := false
	for look, last := true, false; ctx.Err() == nil; {
		err := w.save(talk, conn)
		if err != nil {
			return err
		}
		if look {
			if full, err = w.look(ctx, talk, conn); err != nil {
				return err
			}
			if last && w.room() == maxSending {
				return nil
			}
		}
		last = false
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
			look, idleSince = false, time.Now()
			if w.cfg.Stays || w.room() < maxSending {
				continue
			}
			more, err := awaited(talk, conn)
			if err != nil {
				return err
			}
			look, last = !more, !more // what was committed a moment ago is there now
		}
	}
	return nil
}

// look sends what is in the queue, as far as there is room, and deletes the
// responses whose time is over. full tells that there may be more than room.
func (w *Worker) look(ctx, talk context.Context, conn *pgx.Conn) (full bool, err error) {
	read, err := readSettings(talk, conn)
	if err != nil {
		return false, err
	}
	if read.session && read != w.read {
		w.read = read
		return false, errRestart // what the next session has still is the server's
	}
	ttl, most, problem, err := read.limits(talk, conn)
	if err != nil {
		return false, err
	}
	if problem != nil && (w.problem == nil || problem.Error() != w.problem.Error()) {
		w.cfg.Logger.Warn("settings of pg_net are not used", "error", problem)
	}
	w.problem = problem
	for more := true; more && ctx.Err() == nil; {
		room := w.room()
		if room == 0 {
			return true, nil
		}
		list, err := take(talk, conn, min(room, most))
		if err != nil {
			return false, err
		}
		for _, r := range list {
			w.send(r)
		}
		expired, err := expire(talk, conn, ttl, most)
		if err != nil {
			return false, err
		}
		more = expired || len(list) > 0
	}
	return false, nil
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
		if err := store(ctx, conn, r); isRefused(err) {
			// a trigger of the project's may be why, or the table is not there
			queue, lost := findQueue(ctx, conn)
			switch {
			case lost != nil:
				return lost
			case queue == 0:
				return err
			}
			w.cfg.Logger.Error("a response of pg_net cannot be stored", "id", r.id, "error", err)
		} else if err != nil {
			return err
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
	list := slices.Collect(maps.Keys(w.sending))
	w.mu.Unlock()
	for _, r := range list {
		if err := putBack(ctx, conn, r); err != nil {
			return err
		}
		w.mu.Lock()
		delete(w.sending, r)
		w.mu.Unlock()
	}
	return nil
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
