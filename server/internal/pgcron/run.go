package pgcron

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"
)

const running = "running"

// startTimeout bounds the way to a job's database, endTimeout that from it.
const (
	startTimeout = 10 * time.Second
	endTimeout   = time.Second
)

// errCanceled ends the run of a job that was unscheduled or is no longer active.
var errCanceled = errors.New("job canceled")

// run runs a job once, whatever its schedule says. A command that fails is no
// error: the run says so. The job is held by whoever asks; see hold.
func (s *Scheduler) run(ctx context.Context, st *store, j *Job) (*Run, error) {
	r := &Run{JobID: j.ID, JobName: j.Name, Database: j.Database, User: j.User, Command: j.Command, Status: running}
	var err error
	// what is noted is noted, whatever becomes of the run: its end may not cut
	// the connection that other runs are noted over
	if r.ID, err = st.begin(context.WithoutCancel(ctx), j); err != nil {
		return nil, fmt.Errorf("note a run of the job %s: %w", j.label(), err)
	}
	r.Start = s.cfg.Now()
	r.Message, err = s.execute(ctx, st, j, r)
	r.Status, r.End = Succeeded, s.cfg.Now()
	if err != nil {
		r.Status, r.Message = Failed, err.Error()
		s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "a job of pg_cron has failed", slog.Int64("job", j.ID), slog.String("name", j.Name), slog.String("error", r.Message))
	}
	if err := s.noteEnd(context.WithoutCancel(ctx), st, r); err != nil {
		return r, fmt.Errorf("note the end of a run of the job %s: %w", j.label(), err)
	}
	return r, nil
}

// noteEnd writes the end of a run, over a new connection where that of the
// store is lost.
func (s *Scheduler) noteEnd(ctx context.Context, st *store, r *Run) error {
	err := st.note(ctx, r)
	if err == nil || s.ending.Err() != nil {
		return err
	}
	other, openErr := s.open(ctx)
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	defer s.close(ctx, other)
	return other.note(ctx, r)
}

// execute sends the command over a connection of the job's role and returns
// what its last statement says. The error's text is for people, as pg_cron
// writes it.
func (s *Scheduler) execute(ctx context.Context, st *store, j *Job, r *Run) (message string, err error) {
	defer func() {
		if err != nil && errors.Is(context.Cause(ctx), errCanceled) {
			err = errCanceled
		}
	}()
	conn, err := s.login(ctx, j)
	if err != nil {
		s.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "a job of pg_cron has no connection", slog.Int64("job", j.ID), slog.Any("error", err))
		return "", errors.New("connection failed")
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		_ = conn.Close(closing) // its work is done, or it is lost
	}()
	r.PID, r.Start = conn.PID(), s.cfg.Now()
	if err := st.note(context.WithoutCancel(ctx), r); err != nil {
		return "", err
	}
	conn.Frontend().Send(&pgproto3.Query{String: j.Command})
	if err := conn.Frontend().Flush(); err != nil {
		return "", errors.New("connection lost")
	}
	return results(ctx, conn, j.Command)
}

func (s *Scheduler) login(ctx context.Context, j *Job) (*pgconn.PgConn, error) {
	full, err := s.cfg.ConnConfig(j.User)
	if err != nil {
		return nil, err
	}
	cfg := full.Config.Copy()
	cfg.Database = j.Database
	cfg.RuntimeParams["application_name"] = "pg_cron"
	cfg.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: endTimeout}
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return pgconn.ConnectConfig(ctx, cfg)
}

// results reads what the statements of a command answer; the last of them is
// what counts, or the first that fails.
func results(ctx context.Context, conn *pgconn.PgConn, command string) (message string, err error) {
	rows, message := -1, "0 rows"
	for {
		m, received := conn.ReceiveMessage(ctx)
		if received != nil {
			var fatal *pgconn.PgError
			if err == nil && errors.As(received, &fatal) {
				err = fmt.Errorf("%s:  %s\n", fatal.Severity, fatal.Message) //nolint:revive // it ends as libpq's do
			} else if err == nil {
				err = errors.New("connection lost")
			}
			return "", err
		}
		switch m := m.(type) {
		case *pgproto3.RowDescription:
			rows = 0
		case *pgproto3.DataRow:
			rows++
		case *pgproto3.CommandComplete:
			switch {
			case rows == 1:
				message = "1 row"
			case rows >= 0:
				message = fmt.Sprintf("%d rows", rows)
			default:
				message = string(m.CommandTag)
			}
			rows = -1
		case *pgproto3.ErrorResponse:
			err = errors.New(describe(m, command))
		case *pgproto3.CopyInResponse, *pgproto3.CopyOutResponse, *pgproto3.CopyBothResponse:
			return "", errors.New("COPY not supported")
		case *pgproto3.ReadyForQuery:
			return message, err
		}
	}
}
