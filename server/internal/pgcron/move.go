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
// forward moves the clock.
func (s *Scheduler) Move(d time.Duration, forward func(time.Duration)) {
	s.turn.Lock()
	defer s.Wake()
	defer s.turn.Unlock()
	defer func() { s.after = s.cfg.Now() }()
	ctx, cancel := context.WithTimeout(s.ending, movePatience)
	defer cancel()
	start := s.cfg.Now()
	done := time.Duration(0)
	defer func() { forward(d - done) }()
	there, err := s.cfg.Present(ctx)
	if err != nil || !there {
		if err != nil {
			s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "the clock was moved and no job of pg_cron was run: the database cannot be asked", slog.Any("error", err))
		}
		return
	}
	err = s.pass(ctx, start, start.Add(d), func(at time.Time) {
		if step := at.Sub(start) - done; step > 0 {
			forward(step)
			done += step
		}
	})
	if err != nil {
		s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "the clock was moved and jobs of pg_cron that were due were not run", slog.Any("error", err))
	}
}

// pass runs what is due after start up to end; at brings the clock there.
func (s *Scheduler) pass(ctx context.Context, start, end time.Time, at func(time.Time)) error {
	st, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(ctx, st)
	turns, err := s.turns(ctx, st, start, end)
	if err != nil {
		return err
	}
	for _, t := range turns {
		if err := ctx.Err(); err != nil {
			return err
		}
		at(t.at)
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
