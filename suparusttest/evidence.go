package suparusttest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
)

var (
	keep  = flag.Bool("suparust.keep", false, "when a test fails, keep its server up until Ctrl-C")
	serve = flag.Bool("suparust.serve", false, "keep the server of every test up until Ctrl-C when the test has ended, to look at it")
)

// Bounds of what is shown of a failed test.
const (
	keptRequests = 20
	shownSQL     = 400 // bytes of a statement

	logLines, artifactLines = 20, 2000 // of PostgreSQL's log

	evidencePatience = 10 * time.Second // with a server that runs elsewhere
)

// traced has requests to the APIs noted, beside what a test's own Config.Trace
// does with them. Those of the handle to the control API are none of the test's.
func traced(last *server.RecentRequests, own func(server.RequestRecord)) func(server.RequestRecord) {
	return func(r server.RequestRecord) {
		if !strings.HasPrefix(r.Target, "/_suparust/") {
			last.Note(r)
		}
		if own != nil {
			own(r)
		}
	}
}

// shownRequests are as many of the last requests as are shown, the oldest first;
// list has the newest first.
func shownRequests(list []server.RequestRecord) []server.RequestRecord {
	list = slices.Clone(list[:min(len(list), keptRequests)])
	slices.Reverse(list)
	return list
}

// sqlComment is a line of SQL that explains it.
var sqlComment = regexp.MustCompile(`(?m)^\s*--.*$`)

// writeRequests shows requests, each with its statements cut at so many bytes; 0
// does not cut them.
func writeRequests(w io.Writer, list []server.RequestRecord, cut int) {
	for i := range list {
		r := &list[i]
		role := r.Role
		if role == "" {
			role = "nobody"
		}
		fmt.Fprintf(w, "  %s %s %s as %s: %d, %d bytes, %.1f ms\n", r.ID, r.Method, r.Target, role, r.Status, r.Bytes, float64(r.Duration.Microseconds())/1000)
		for _, sql := range r.SQL {
			sql = strings.Join(strings.Fields(sqlComment.ReplaceAllString(sql, "")), " ")
			if cut > 0 && len(sql) > cut {
				sql = strings.ToValidUTF8(sql[:cut], "") + " …"
			}
			fmt.Fprintf(w, "      %s\n", sql)
		}
	}
}

// report writes what helps to understand a failure to the test's log, and as
// files to its artifacts where those are asked for.
func (s *Server) report(tb testing.TB) {
	out := tb.Output()
	fmt.Fprintf(out, "suparust: the server of this test was %s\n", s.URL)
	switch {
	case *serve: // the server is still up
	case *keep:
		s.waitForInterrupt(tb, "has failed and its server is kept up")
	default:
		fmt.Fprintf(out, "suparust: run with -suparust.keep to look into its database: psql %q\n", s.DatabaseURL)
	}
	files := map[string]string{}
	ctx, cancel := context.WithTimeout(context.Background(), evidencePatience)
	defer cancel()
	last, err := s.powers.lastRequests(ctx)
	if len(last) > 0 {
		fmt.Fprint(out, "suparust: the last requests, each with its req_id and its SQL:\n")
		writeRequests(out, last, shownSQL)
		var whole strings.Builder
		writeRequests(&whole, last, 0)
		files["requests.txt"] = whole.String()
	}
	if tail := s.log.String(); tail != "" {
		fmt.Fprintf(out, "suparust: the server's last log lines:\n%s", tail)
		files["server.log"] = tail
	}
	tail, logErr := s.powers.databaseLog(ctx, logLines)
	if tail != "" {
		fmt.Fprintf(out, "suparust: PostgreSQL's last log lines:\n%s\n", tail)
		whole, _ := s.powers.databaseLog(ctx, artifactLines) // what was there a moment ago
		files["postgres.log"] = whole + "\n"
	}
	if err := errors.Join(err, logErr); err != nil {
		fmt.Fprintf(out, "suparust: more of the server is not known: %v\n", err)
	}
	writeArtifacts(tb, files)
}

// writeArtifacts puts files where `go test -artifacts` keeps them.
func writeArtifacts(tb testing.TB, files map[string]string) {
	asked := flag.Lookup("test.artifacts")
	if asked == nil || asked.Value.String() != "true" || len(files) == 0 {
		return
	}
	dir := tb.ArtifactDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, "suparust-"+name), []byte(text), 0o600); err != nil {
			fmt.Fprintf(tb.Output(), "suparust: keep the artifact %s: %v\n", name, err)
		}
	}
}

// interrupted says that somebody has pressed Ctrl-C: they have seen enough of
// every server.
var interrupted atomic.Bool

// waitForInterrupt keeps the server of a test up. It tells so on standard
// error, for a test's own output shows when the test has ended.
func (s *Server) waitForInterrupt(tb testing.TB, why string) {
	if interrupted.Load() {
		return
	}
	end := ""
	if limited, ok := tb.(interface{ Deadline() (time.Time, bool) }); ok {
		if at, set := limited.Deadline(); set {
			end = fmt.Sprintf("; go test does so at %s, unless it is given -timeout 0", at.Format(time.TimeOnly))
		}
	}
	fmt.Fprintf(os.Stderr, "suparust: %s %s at %s\nsuparust: connect with: psql %q\nsuparust: anon key %s\nsuparust: press Ctrl-C to end%s\n",
		tb.Name(), why, s.URL, s.DatabaseURL, s.AnonKey, end)
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	<-ctx.Done()
	interrupted.Store(true)
}
