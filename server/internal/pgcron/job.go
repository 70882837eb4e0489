package pgcron

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // for cron.timezone, where the machine has no zones

	"github.com/jackc/pgx/v5"
)

// Job is a row of cron.job.
type Job struct {
	ID                          int64
	Name                        string // "" has none
	Schedule, Command, Database string
	User                        string
	Active                      bool

	due   Schedule
	valid bool // the schedule can be read: one that was written past cron.schedule may not
}

// label names the job for people.
func (j *Job) label() string {
	if j.Name != "" {
		return j.Name
	}
	return strconv.FormatInt(j.ID, 10)
}

// Run is what cron.job_run_details says of a run that has ended.
type Run struct {
	ID       int64     `json:"runid"`
	JobID    int64     `json:"jobid"`
	JobName  string    `json:"jobname,omitempty"`
	PID      uint32    `json:"job_pid"`
	Database string    `json:"database"`
	User     string    `json:"username"`
	Command  string    `json:"command"`
	Status   string    `json:"status"` // Succeeded or Failed
	Message  string    `json:"return_message"`
	Start    time.Time `json:"start_time"`
	End      time.Time `json:"end_time"`
}

// How a run ends.
const (
	Succeeded = "succeeded"
	Failed    = "failed"
)

// settings are pg_cron's own, which a database may have.
type settings struct {
	location   *time.Location // of the schedules
	maxRunning int
	both       bool // a day has to match the month's and the week's field
	silent     bool // nothing is written into cron.job_run_details
	idle       bool // no job is launched
}

// defaultRunning is how many jobs run at once where nobody says so, and
// maxRunning the most.
const (
	defaultRunning = 32
	maxRunning     = 100
)

// store is a connection that may read and write all of the schema cron. The
// settings of the database are those at its begin.
type store struct {
	mu       sync.Mutex
	conn     *pgx.Conn
	settings settings
	problem  error // of the settings
	leads    bool  // the scheduler that has it is the one that runs the jobs
}

// noteTimeout bounds what is written about a run.
const noteTimeout = 10 * time.Second

// Presence is the query whether a database has the tables that this package
// works on, and not those of the real pg_cron, which has a scheduler of its own.
const Presence = `select exists (select from pg_catalog.pg_proc p
	join pg_catalog.pg_namespace n on n.oid = p.pronamespace join pg_catalog.pg_language l on l.oid = p.prolang
	where n.nspname = 'cron' and p.proname = 'job_cache_invalidate' and l.lanname = 'plpgsql')`

func openStore(ctx context.Context, connect func(context.Context) (*pgx.Conn, error)) (*store, error) {
	conn, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &store{conn: conn}
	if err := s.readSettings(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *store) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn.Close(ctx)
}

func (s *store) readSettings(ctx context.Context) error {
	const query = `select coalesce(current_setting('cron.timezone', true), ''), coalesce(current_setting('cron.max_running_jobs', true), ''),
		coalesce(current_setting('cron.match_dom_and_dow', true), ''), coalesce(current_setting('cron.log_run', true), ''),
		coalesce(current_setting('cron.launch_active_jobs', true), '')`
	var zone, running, both, log, launch string
	if err := s.conn.QueryRow(ctx, query).Scan(&zone, &running, &both, &log, &launch); err != nil {
		return fmt.Errorf("read the settings of pg_cron: %w", err)
	}
	c := &s.settings
	c.maxRunning = defaultRunning
	var problems []error
	note := func(name string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
	}
	var err error
	if c.location, err = time.LoadLocation(cmp.Or(zone, "UTC")); err != nil {
		c.location = time.UTC
		note("cron.timezone", err)
	}
	if n, err := strconv.Atoi(cmp.Or(running, strconv.Itoa(defaultRunning))); err == nil {
		c.maxRunning = min(max(n, 1), maxRunning)
	} else {
		note("cron.max_running_jobs", err)
	}
	for _, b := range []struct {
		name, text string
		otherwise  bool
		set        func(on bool)
	}{
		{"cron.match_dom_and_dow", both, false, func(on bool) { c.both = on }},
		{"cron.log_run", log, true, func(on bool) { c.silent = !on }},
		{"cron.launch_active_jobs", launch, true, func(on bool) { c.idle = !on }},
	} {
		on, err := setting(b.text, b.otherwise)
		b.set(on)
		note(b.name, err)
	}
	s.problem = errors.Join(problems...)
	return nil
}

// setting reads a boolean of PostgreSQL's.
func setting(text string, otherwise bool) (bool, error) {
	switch strings.ToLower(text) {
	case "":
		return otherwise, nil
	case "on", "true", "yes", "1", "t", "y":
		return true, nil
	case "off", "false", "no", "0", "f", "n":
		return false, nil
	}
	return otherwise, fmt.Errorf("%q is neither on nor off", text)
}

// jobs reads all jobs, in the order of their ids.
func (s *store) jobs(ctx context.Context) ([]*Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, err := s.conn.Query(ctx, `select jobid, coalesce(jobname, ''), schedule, command, database, username, active from cron.job order by jobid`)
	if err == nil {
		var jobs []*Job
		jobs, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Job, error) {
			j := &Job{}
			err := row.Scan(&j.ID, &j.Name, &j.Schedule, &j.Command, &j.Database, &j.User, &j.Active)
			var invalid error
			j.due, invalid = Parse(j.Schedule)
			j.valid = invalid == nil
			return j, err
		})
		if err == nil {
			return jobs, nil
		}
	}
	return nil, fmt.Errorf("read the jobs of pg_cron: %w", err)
}

// leaderLock is held by the one of several servers on a database whose
// scheduler runs the jobs.
const leaderLock int64 = 0x53555041_43524f4e // "SUPACRON"

// lead tries to become the one that runs the jobs, as long as the store is
// open. Runs that the one before it has not ended have failed.
func (s *store) lead(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leads {
		return nil
	}
	var leads bool
	if err := s.conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", leaderLock).Scan(&leads); err != nil || !leads {
		return err
	}
	if _, err := s.conn.Exec(ctx, `update cron.job_run_details set status = 'failed', return_message = 'server restarted'
		where status in ('starting', 'connecting', 'sending', 'running')`); err != nil {
		return err
	}
	s.leads = true
	return nil
}

// begin notes that a run of j starts and gives it its id.
func (s *store) begin(ctx context.Context, j *Job) (run int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settings.silent {
		err = s.conn.QueryRow(ctx, "select nextval('cron.runid_seq')").Scan(&run)
	} else {
		err = s.conn.QueryRow(ctx, `insert into cron.job_run_details (jobid, database, username, command, status)
			values ($1, $2, $3, $4, 'starting') returning runid`, j.ID, j.Database, j.User, j.Command).Scan(&run)
	}
	return run, err
}

// note writes what a run has come to.
func (s *store) note(ctx context.Context, r *Run) error {
	if s.settings.silent {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	var pid *int32
	if r.PID != 0 {
		p := int32(r.PID)
		pid = &p
	}
	var end *time.Time
	if !r.End.IsZero() {
		end = &r.End
	}
	var message *string
	if r.Status != running {
		message = &r.Message
	}
	_, err := s.conn.Exec(ctx, `update cron.job_run_details set status = $2, return_message = $3, job_pid = $4, start_time = $5, end_time = $6 where runid = $1`,
		r.ID, r.Status, message, pid, r.Start, end)
	return err
}
