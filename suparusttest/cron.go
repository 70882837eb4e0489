package suparusttest

import (
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
)

// CronRun is what a run of a job of pg_cron has come to, as
// cron.job_run_details has it.
type CronRun = server.CronRun

// RunCron runs the job of pg_cron of that name, or of that id where it has none,
// now and whether it is active or not, and returns when it has ended. A command
// that fails fails tb with its error.
//
// A test's jobs do not run because time passes: this and Clock.Advance run them.
func (s *Server) RunCron(tb testing.TB, name string) *CronRun {
	tb.Helper()
	run, err := s.powers.runCron(tb.Context(), name)
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	if run.Status != "succeeded" {
		tb.Fatalf("suparusttest: the job %s of pg_cron has failed: %s", name, strings.TrimSpace(run.Message))
	}
	return run
}
