package pgcron

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"
)

// mostRuns is how often one job runs because the clock was moved once, and
// movePatience how long that waits for all of them.
const (
	mostRuns     = 60
	movePatience = time.Minute
)

// turnOf is a job at a time that it is due.
type turnOf struct {
	at  time.Time
	job *Job
}

// Move brings the clock forward by d. On the way it stands still at each time
// that jobs are due, runs them, one after the other in the order of their ids,
// and waits for their end. Of a job that is due more than 60 times the last 60
// are run; what is not done in a minute is left out, and the log says so.
// forward moves the clock, and its error is Move's.
func (s *Scheduler) Move(d time.Duration, forward func(time.Duration) error) error {
	s.turn.Lock()
	defer s.Wake()
	defer s.turn.Unlock()
	ctx, cancel := context.WithTimeout(s.ending, movePatience)
	defer cancel()
	way := &way{start: s.cfg.Now(), forward: forward}
	err := s.pass(ctx, way, d)
	if way.err == nil {
		way.to(way.start.Add(d))
	}
	s.after = s.cfg.Now()
	if err != nil && way.err == nil && s.ending.Err() == nil {
		s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "the clock was moved, and jobs of pg_cron that were due have not been run", slog.Any("error", err))
	}
	return way.err
}

// way is how far the clock was moved.
type way struct {
	start   time.Time
	done    time.Duration
	forward func(time.Duration) error
	err     error
}

func (w *way) to(t time.Time) bool {
	if step := t.Sub(w.start) - w.done; step > 0 && w.err == nil {
		if w.err = w.forward(step); w.err == nil {
			w.done += step
		}
	}
	return w.err == nil
}

// pass runs what is due in the d after the start of the way.
func (s *Scheduler) pass(ctx context.Context, w *way, d time.Duration) error {
	there, err := s.cfg.Present(ctx)
	if err != nil || !there {
		return err
	}
	st, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(ctx, st)
	turns, err := s.turns(ctx, st, w.start, w.start.Add(d))
	if err != nil {
		return err
	}
	for _, t := range turns {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !w.to(t.at) {
			return w.err
		}
		if _, err := s.once(ctx, st, t.job); err != nil {
			return err
		}
	}
	return nil
}

// turns are the runs that are due, in the order of their times.
func (s *Scheduler) turns(ctx context.Context, st *store, start, end time.Time) ([]turnOf, error) {
	jobs, err := st.jobs(ctx)
	if err != nil || st.settings.idle {
		return nil, err
	}
	var turns []turnOf
	for _, j := range jobs {
		if !j.Active || !j.valid {
			continue
		}
		times, cut := j.due.Due(start.In(st.settings.location), end.In(st.settings.location), st.settings.both, mostRuns)
		if cut {
			s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "the clock was moved past more runs of a job of pg_cron than are made up for: only the last are",
				slog.Int64("job", j.ID), slog.String("name", j.Name), slog.Int("runs", mostRuns))
		}
		for _, at := range times {
			turns = append(turns, turnOf{at, j})
		}
	}
	slices.SortStableFunc(turns, func(a, b turnOf) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.job.ID, b.job.ID)) })
	return turns, nil
}
