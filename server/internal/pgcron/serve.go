package pgcron

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// The pauses between attempts to reach the database.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// lookTimeout bounds how long it takes to learn which jobs there are: whoever
// moves the clock waits for it.
const lookTimeout = 10 * time.Second

// server runs jobs when they are due.
type server struct {
	*Scheduler
	st      *store // nil while there is no job, or no way to them
	idle    bool   // there is no job: what was due before is none's
	jobs    []*Job
	known   map[int64]*Job // the same by their ids; guarded by mu
	slots   chan struct{}  // bounds the runs
	runs    sync.WaitGroup
	started bool // jobs of @reboot have had their turn
}

// serve runs jobs until ctx ends.
func (s *Scheduler) serve(ctx context.Context) {
	v := &server{Scheduler: s, idle: true}
	defer v.disconnect(ctx)
	defer v.runs.Wait()
	pause, look := firstPause, true
	for {
		var wait <-chan time.Time
		err := v.act(ctx, look)
		switch {
		case err != nil && ctx.Err() == nil:
			s.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "the scheduler of pg_cron cannot work and tries again", slog.Any("error", err))
			v.disconnect(ctx)
			wait = time.After(pause)
			pause = min(2*pause, lastPause)
		case err == nil:
			pause = firstPause
			if v.st != nil {
				wait = time.After(v.rest())
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-s.woken:
			look = true
		case <-wait:
			look = err != nil
		}
	}
}

// act starts the jobs that are due. It reads them anew where that is asked for,
// and before any is run.
func (v *server) act(ctx context.Context, look bool) error {
	v.turn.Lock()
	defer v.turn.Unlock()
	now := v.cfg.Now()
	if look || len(v.jobs) == 0 || v.anyDue(now) {
		bounded, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		if err := v.look(bounded); err != nil {
			return err
		}
		if v.st == nil {
			v.idle = true
			v.started = true
			return nil
		}
		if v.idle {
			v.idle, v.after = false, now
		}
		if err := v.st.lead(bounded); err != nil {
			return err
		}
		v.startDue(ctx, now)
	}
	if now.After(v.after) || v.after.Sub(now) > 3*time.Hour { // a clock that goes back by less is waited for
		v.after = now
	}
	return nil
}

// look reads the jobs. Where there is none the connection is closed.
func (v *server) look(ctx context.Context) (err error) {
	if v.st == nil {
		there, err := v.cfg.Present(ctx)
		if err != nil || !there {
			return err
		}
		if v.st, err = v.open(ctx); err != nil {
			return err
		}
		v.slots = make(chan struct{}, v.st.settings.maxRunning)
	}
	if v.jobs, err = v.st.jobs(ctx); err != nil {
		return err
	}
	active, known := map[int64]bool{}, map[int64]*Job{}
	for _, j := range v.jobs {
		active[j.ID], known[j.ID] = j.Active, j
		if !j.valid {
			v.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "a job of pg_cron has a schedule that is none and never runs", slog.Int64("job", j.ID), slog.String("name", j.Name))
		}
	}
	v.mu.Lock()
	v.known = known
	busy := len(v.owed) > 0
	for id := range v.owed {
		if !active[id] {
			v.owed[id] = 0
		}
	}
	for id, h := range v.held {
		if busy = busy || h.scheduled; h.scheduled && !active[id] {
			h.cancel(errCanceled)
		}
	}
	v.mu.Unlock()
	if len(v.jobs) == 0 && !busy {
		v.disconnect(ctx)
	}
	return nil
}

func (v *server) disconnect(ctx context.Context) {
	if v.st != nil {
		v.close(ctx, v.st)
	}
	v.st, v.jobs = nil, nil
}

// startDue starts what has come due. Another server on the database may be the
// one that does; then this one is ready to.
func (v *server) startDue(ctx context.Context, now time.Time) {
	for _, j := range v.jobs {
		runs := v.due(j, now)
		if !v.started && j.due.OnStart() {
			runs = 1
		}
		if runs > 0 && j.Active && j.valid && v.st.leads && !v.st.settings.idle {
			v.launch(ctx, j, runs)
		}
	}
	v.started = true
}

// due counts the runs of a job that have come due since those before.
func (v *server) due(j *Job, now time.Time) int {
	c := &v.st.settings
	after, now := v.after.In(c.location), now.In(c.location)
	if j.due.Seconds() > 0 {
		if j.due.Next(after, c.both).After(now) {
			return 0
		}
		return 1
	}
	return j.due.Passed(minuteOf(after), minuteOf(now), c.both)
}

func (v *server) anyDue(now time.Time) bool {
	for _, j := range v.jobs {
		if v.due(j, now) > 0 {
			return true
		}
	}
	return false
}

// rest is how long there is nothing to do: a minute at most, for the machine's
// clock may be set.
func (v *server) rest() time.Duration {
	now := v.cfg.Now().In(v.st.settings.location)
	next := minuteAfter(now)
	for _, j := range v.jobs {
		if at := j.due.Next(now, v.st.settings.both); j.Active && !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return max(next.Sub(now), time.Millisecond)
}

// launch has a job run as often as it is due, one run after the other. A job of
// an interval waits once at most.
func (v *server) launch(ctx context.Context, j *Job, runs int) {
	v.mu.Lock()
	owed, seenTo := v.owed[j.ID]
	if j.due.Seconds() == 0 || owed < 2 {
		v.owed[j.ID] = owed + runs
	}
	v.mu.Unlock()
	if seenTo {
		return
	}
	st, slots := v.st, v.slots
	v.runs.Go(func() {
		ctx, h, err := v.take(ctx, j.ID, true)
		if err != nil {
			v.giveUp(j.ID)
			return // the server ends
		}
		defer v.leave(j.ID, h)
		for v.owes(j.ID) {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				v.giveUp(j.ID)
				return
			}
			_, err := v.run(ctx, st, v.newest(j))
			<-slots
			if err != nil && ctx.Err() == nil {
				v.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "a run of a job of pg_cron could not be noted", slog.Any("error", err))
				v.giveUp(j.ID)
				return
			}
			v.paid(j.ID)
		}
	})
}

// owes tells whether the job has a run to make. When it has none nobody sees to
// it any more.
func (v *server) owes(job int64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.owed[job] > 0 {
		return true
	}
	delete(v.owed, job)
	return false
}

// paid says that a run has ended. The job may have been unscheduled meanwhile.
func (v *server) paid(job int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.owed[job] = max(v.owed[job]-1, 0)
}

// giveUp says that nobody sees to the job any more.
func (v *server) giveUp(job int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.owed, job)
}

// newest is the job as it was last read: it may have waited for its turn.
func (v *server) newest(j *Job) *Job {
	v.mu.Lock()
	defer v.mu.Unlock()
	if known := v.known[j.ID]; known != nil {
		return known
	}
	return j
}
