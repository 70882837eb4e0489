package pgcron

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Config of a Scheduler.
type Config struct {
	// Present answers the query Presence. It is asked often, so that it should
	// open no connection of its own.
	Present func(context.Context) (bool, error)
	// ConnConfig leads to the database as a role; jobs run as theirs.
	ConnConfig func(user string) (*pgx.ConnConfig, error)
	// Admin is the role that sees the jobs of all.
	Admin string
	// Now is the clock that jobs are due by.
	Now func() time.Time
	// Paused runs no job because time passes: only Move and RunJob do.
	Paused bool
	Logger *slog.Logger
}

// Scheduler runs the jobs of one database. While the database has none it has
// no connection there.
type Scheduler struct {
	cfg Config

	mu   sync.Mutex
	held map[int64]*hold // jobs that run, by id
	owed map[int64]int   // runs that are due and have not ended, of the jobs that somebody sees to

	turn  sync.Mutex // of who starts jobs because they are due
	after time.Time  // what was due up to then has been run

	woken  chan struct{}
	ending context.Context // over with Close
	end    context.CancelFunc
	work   sync.WaitGroup
}

// hold is a job that runs: no other run of it does meanwhile.
type hold struct {
	cancel    context.CancelCauseFunc
	ended     chan struct{}
	scheduled bool // it was due, and nobody asked for it
}

// New makes a Scheduler. It does no I/O.
func New(c Config) *Scheduler {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Scheduler{cfg: c, held: map[int64]*hold{}, owed: map[int64]int{}, woken: make(chan struct{}, 1), after: c.Now()}
	s.ending, s.end = context.WithCancel(context.Background())
	return s
}

// Start begins to run jobs when they are due, unless the scheduler is paused.
func (s *Scheduler) Start() {
	if !s.cfg.Paused {
		s.work.Go(func() { s.serve(s.ending) })
	}
}

// Wake says that the jobs, or the connections to the database, may no longer be
// what they were.
func (s *Scheduler) Wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// Skip says that the clock was set: what was due before its time is not made up
// for.
func (s *Scheduler) Skip() {
	s.turn.Lock()
	s.after = s.cfg.Now()
	s.turn.Unlock()
	s.Wake()
}

// Close cancels the runs under way and waits for their end.
func (s *Scheduler) Close() {
	s.end()
	s.work.Wait()
}

func (s *Scheduler) open(ctx context.Context) (*store, error) {
	st, err := openStore(ctx, func(ctx context.Context) (*pgx.Conn, error) {
		cfg, err := s.cfg.ConnConfig(s.cfg.Admin)
		if err != nil {
			return nil, err
		}
		cfg.RuntimeParams["application_name"] = "pg_cron scheduler"
		return pgx.ConnectConfig(ctx, cfg)
	})
	if err == nil && st.problem != nil {
		s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "settings of pg_cron are not used", slog.Any("error", st.problem))
	}
	return st, err
}

func (s *Scheduler) close(ctx context.Context, st *store) {
	if err := st.close(); err != nil {
		s.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "the connection of pg_cron's scheduler", slog.Any("error", err))
	}
}

// take makes the job the caller's until leave; of one that runs it waits for
// the end.
func (s *Scheduler) take(ctx context.Context, job int64, scheduled bool) (context.Context, *hold, error) {
	for {
		s.mu.Lock()
		other := s.held[job]
		if other == nil {
			h := &hold{ended: make(chan struct{}), scheduled: scheduled}
			ctx, h.cancel = context.WithCancelCause(ctx)
			s.held[job] = h
			s.mu.Unlock()
			return ctx, h, nil
		}
		s.mu.Unlock()
		select {
		case <-other.ended:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("the job %d still runs: %w", job, ctx.Err())
		}
	}
}

func (s *Scheduler) leave(job int64, h *hold) {
	s.mu.Lock()
	delete(s.held, job)
	s.mu.Unlock()
	h.cancel(nil)
	close(h.ended)
}

// once runs a job when it runs nowhere else here.
func (s *Scheduler) once(ctx context.Context, st *store, j *Job) (*Run, error) {
	ctx, h, err := s.take(ctx, j.ID, false)
	if err != nil {
		return nil, err
	}
	defer s.leave(j.ID, h)
	return s.run(ctx, st, j)
}

// ErrNoJobs says that the database has no jobs that a Scheduler runs.
var ErrNoJobs = errors.New("the database has no pg_cron of the server's: create extension pg_cron")

// NoJobError is a name that is no job's, or that of several.
type NoJobError struct{ message string }

func (e *NoJobError) Error() string { return e.message }

// RunJob runs the job of that name, or of that id where no name is, now, active
// or not, and waits for its end. One that runs already is waited for first.
func (s *Scheduler) RunJob(ctx context.Context, name string) (*Run, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ending, cancel)()
	there, err := s.cfg.Present(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("look for the jobs of pg_cron: %w", err)
	case !there:
		return nil, ErrNoJobs
	}
	st, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close(ctx, st)
	jobs, err := st.jobs(ctx)
	if err != nil {
		return nil, err
	}
	j, err := named(jobs, name)
	if err != nil {
		return nil, err
	}
	return s.once(ctx, st, j)
}

// shownNames bounds how many jobs are named to who asked for another.
const shownNames = 20

func named(jobs []*Job, name string) (*Job, error) {
	var found []*Job
	for _, match := range []func(*Job) bool{
		func(j *Job) bool { return j.Name == name && name != "" },
		func(j *Job) bool { return fmt.Sprint(j.ID) == name },
	} {
		for _, j := range jobs {
			if match(j) {
				found = append(found, j)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return nil, &NoJobError{fmt.Sprintf("several roles have a job %q: name it by its id, %d or another", name, found[0].ID)}
		}
	}
	var labels []string
	for _, j := range jobs[:min(len(jobs), shownNames)] {
		labels = append(labels, j.label())
	}
	if len(labels) == 0 {
		return nil, &NoJobError{fmt.Sprintf("there is no job %q: none was scheduled", name)}
	}
	return nil, &NoJobError{fmt.Sprintf("there is no job %q: there are %s", name, strings.Join(labels, ", "))}
}
