package testscript

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/suparust/suparust/server/pg"
)

// address is the argument itself, or what stands in the file that it names.
func address(ts *testscript.TestScript, arg string) string {
	if strings.Contains(arg, "://") {
		return arg
	}
	return strings.TrimSpace(ts.ReadFile(arg))
}

// sql URL|FILE QUERY prints the rows of a query, their columns apart by |.
func query(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sql URL|FILE QUERY")
	}
	text, err := rows(address(ts, args[0]), args[1])
	ts.Check(err)
	_, err = ts.Stdout().Write([]byte(text))
	ts.Check(err)
}

// rows are the rows of a query's answer, a line each.
func rows(database, query string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	results, err := conn.PgConn().Exec(ctx, query).ReadAll()
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, result := range results {
		for _, row := range result.Rows {
			columns := make([]string, len(row))
			for i, value := range row {
				columns[i] = string(value)
			}
			fmt.Fprintln(&text, strings.Join(columns, "|"))
		}
	}
	return text.String(), nil
}

// awaitsql URL|FILE QUERY ANSWER waits until a query has that answer.
func awaitQuery(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: awaitsql URL|FILE QUERY ANSWER")
	}
	for deadline := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		text, err := rows(address(ts, args[0]), args[1])
		ts.Check(err)
		if text = strings.TrimSpace(text); text == args[2] {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s has the answer %s", args[1], text)
		}
	}
}

// closed URL|FILE waits until nothing listens at a URL, or a path is gone; a file holds either.
func closed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: closed URL|FILE")
	}
	where := address(ts, args[0])
	there := func() bool {
		_, err := os.Lstat(where)
		return err == nil
	}
	if u, err := url.Parse(where); err == nil && u.Host != "" {
		there = func() bool {
			conn, err := net.DialTimeout("tcp", u.Host, time.Second)
			if err != nil {
				return false
			}
			conn.Close()
			return true
		}
	}
	for deadline := time.Now().Add(patience); there(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%s is still there", where)
		}
	}
}

// pgDumpMajor is the major version of a pg_dump whose PostgreSQL is installed beside it, "" when there is none that the
// server runs.
var pgDumpMajor = sync.OnceValue(func() string {
	out, err := exec.Command("pg_dump", "--version").Output()
	version := regexp.MustCompile(`\d+`).FindString(string(out))
	major, convErr := strconv.Atoi(version)
	if err != nil || convErr != nil || major < pg.MinMajor || major > pg.MaxMajor {
		return ""
	}
	beside, err := exec.Command("pg_config", "--bindir").Output()
	if err != nil {
		beside = []byte("/usr/lib/postgresql/" + version + "/bin")
	}
	for _, dir := range []string{strings.TrimSpace(string(beside)), "/usr/lib/postgresql/" + version + "/bin"} {
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
			return version
		}
	}
	return ""
})

// replace OLD NEW FILE replaces a text in a file.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace OLD NEW FILE")
	}
	text := ts.ReadFile(args[2])
	if !strings.Contains(text, args[0]) {
		ts.Fatalf("%s has no %s", args[2], args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.ReplaceAll(text, args[0], args[1])), 0o600))
}
