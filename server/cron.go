package server

import (
	"context"
	"errors"
	"time"

	"github.com/suparust/suparust/server/internal/control"
	"github.com/suparust/suparust/server/internal/pgcron"
	"github.com/suparust/suparust/server/internal/session"
)

// CronRun is what a run of a job of pg_cron has come to, as
// cron.job_run_details has it.
type CronRun = pgcron.Run

var errNoCron = errors.New("the database is served as it is found, and the jobs of a pg_cron there are its own to run")

// makeCron makes the scheduler of pg_cron's jobs, which opens no connection
// before there is a job.
func (s *Server) makeCron() {
	if s.cfg.plain() {
		return
	}
	s.cron = pgcron.New(pgcron.Config{
		Present: s.hasCron, ConnConfig: s.db.connect, Admin: bootstrapUser,
		Now: s.clock.Now, Paused: s.cfg.PauseCron, Logger: s.cfg.logger("cron"),
	})
}

func (s *Server) hasCron(ctx context.Context) (bool, error) {
	results, err := s.db.api.Do(ctx, nil, session.Options{ReadOnly: true}, session.Statement{SQL: pgcron.Presence})
	if err != nil {
		return false, err
	}
	return string(results[0].Rows[0][0]) == "t", nil
}

// gatedJobs are the scheduler's, when the database is not just replaced.
type gatedJobs struct{ *Server }

// Move implements jobs.
func (g gatedJobs) Move(d time.Duration, forward func(time.Duration) error) error {
	inside := g.gate.enter(g.ending)
	if inside == nil {
		return forward(d)
	}
	defer g.gate.leave(inside)
	return g.cron.Move(d, forward)
}

// Skip implements jobs.
func (g gatedJobs) Skip() { g.cron.Skip() }

// startCron has the clock and, where they are not paused, time run the jobs.
func (s *Server) startCron() {
	if s.cron == nil {
		return
	}
	s.clock.setJobs(gatedJobs{s})
	if !s.cfg.PauseCron {
		s.rest.Watch() // what it hears of tells of the first job
		s.cron.Start()
	}
}

func (s *Server) stopCron() {
	if s.cron == nil {
		return
	}
	s.clock.setJobs(nil)
	s.cron.Close()
}

// cronHeard has the scheduler look for jobs.
func (s *Server) cronHeard() {
	if s.cron != nil {
		s.cron.Wake()
	}
}

// RunCron runs the job of pg_cron of that name, or of that id where no name is,
// now and whether it is active or not, and returns when it has ended. That its
// command has failed is no error: the run says so.
func (s *Server) RunCron(ctx context.Context, name string) (*CronRun, error) {
	switch {
	case !s.serves():
		return nil, errNotServing
	case s.cron == nil:
		return nil, errNoCron
	}
	inside := s.gate.enter(ctx)
	if inside == nil {
		return nil, errors.New("the database is being restored or reset, and that takes its time: try again")
	}
	defer s.gate.leave(inside)
	return s.cron.RunJob(ctx, name)
}

// controlCron runs a job for the control API.
func (s *Server) controlCron(ctx context.Context, name string) (any, error) {
	run, err := s.RunCron(ctx, name)
	var none *pgcron.NoJobError
	if errors.As(err, &none) || errors.Is(err, pgcron.ErrNoJobs) || errors.Is(err, errNoCron) {
		return nil, control.NotFound{Message: err.Error()}
	}
	return run, err
}
