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
	jobs, err := st.jobs(ctx)
	if err != nil || st.settings.idle {
		return err
	}
	p := &plan{Scheduler: s, settings: &st.settings, end: w.start.Add(d), runs: map[int64]int{}, told: map[int64]bool{}}
	p.make(ctx, jobs, w.start)
	for len(p.turns) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		t := p.turns[0]
		if !w.to(t.at) {
			return w.err
		}
		if _, err := s.once(ctx, st, t.job); err != nil {
			return err
		}
		p.runs[t.job.ID]++
		p.turns = p.turns[1:]
		if jobs, err = st.jobs(ctx); err != nil { // the job may have changed them, itself among them
			return err
		}
		if !p.fits(jobs) {
			p.make(ctx, jobs, t.at)
		}
	}
	return nil
}

// plan are the runs that are due while the clock is moved.
type plan struct {
	*Scheduler
	settings *settings
	end      time.Time
	jobs     map[int64]*Job
	turns    []turnOf // those that are left
	runs     map[int64]int
	told     map[int64]bool // jobs whose runs are too many
}

// make plans what is due after a time, and what is left of that time.
func (p *plan) make(ctx context.Context, jobs []*Job, after time.Time) {
	p.jobs = map[int64]*Job{}
	for _, j := range jobs {
		if j.Active && j.valid {
			p.jobs[j.ID] = j
		}
	}
	p.turns = slices.DeleteFunc(p.turns, func(t turnOf) bool {
		now := p.jobs[t.job.ID]
		return now == nil || now.Schedule != t.job.Schedule || t.at.After(after)
	})
	location := p.settings.location
	for _, j := range p.jobs {
		times, cut := j.due.Due(after.In(location), p.end.In(location), p.settings.both, mostRuns-p.runs[j.ID])
		if cut && !p.told[j.ID] {
			p.told[j.ID] = true
			p.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "the clock was moved past more runs of a job of pg_cron than are made up for: only the last are",
				slog.Int64("job", j.ID), slog.String("name", j.Name), slog.Int("runs", mostRuns))
		}
		for _, at := range times {
			p.turns = append(p.turns, turnOf{at, j})
		}
	}
	slices.SortFunc(p.turns, func(a, b turnOf) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.job.ID, b.job.ID)) })
}

// fits tells whether the plan is still that of the jobs. What they do may have
// changed.
func (p *plan) fits(jobs []*Job) bool {
	active := 0
	for _, j := range jobs {
		if !j.Active || !j.valid {
			continue
		}
		active++
		known := p.jobs[j.ID]
		if known == nil || known.Schedule != j.Schedule {
			return false
		}
		*known = *j
	}
	return active == len(p.jobs)
}
