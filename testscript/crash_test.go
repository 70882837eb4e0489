package testscript

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"
)

// writer writes rows and files as fast as it can, and remembers what was acknowledged.
type writer struct {
	url, key string
	mu       sync.Mutex
	next     int
	rows     map[int]bool
	files    map[int]bool
}

// write writes until the server is gone. Only what was answered with success counts.
func (w *writer) write(client *http.Client, acknowledged chan<- struct{}) {
	for {
		w.mu.Lock()
		w.next++
		n := w.next
		w.mu.Unlock()
		kept, path, body := w.rows, "/rest/v1/written", fmt.Sprintf(`{"n":%d}`, n)
		if n%4 == 0 {
			kept, path, body = w.files, fmt.Sprintf("/storage/v1/object/written/%d.txt", n), strconv.Itoa(n)
		}
		status, _, err := w.send(client, http.MethodPost, path, body)
		if err != nil {
			return
		}
		if status >= 300 {
			continue // refused: PostgreSQL is going down
		}
		w.mu.Lock()
		kept[n] = true
		w.mu.Unlock()
		select {
		case acknowledged <- struct{}{}:
		default:
		}
	}
}

func (w *writer) send(client *http.Client, method, path, body string) (status int, answer string, err error) {
	req, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("apikey", w.key)
	req.Header.Set("Authorization", "Bearer "+w.key)
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// lost lists what was acknowledged and is not there.
func (w *writer) lost(ctx context.Context, database string) (lost []string, err error) {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "select n from written")
	if err != nil {
		return nil, err
	}
	there, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return nil, err
	}
	slices.Sort(there)
	for n := range w.rows {
		if _, ok := slices.BinarySearch(there, n); !ok {
			lost = append(lost, fmt.Sprintf("row %d", n))
		}
	}
	client := &http.Client{}
	defer client.CloseIdleConnections()
	for n := range w.files {
		status, text, err := w.send(client, http.MethodGet, fmt.Sprintf("/storage/v1/object/written/%d.txt", n), "")
		if err != nil {
			return nil, err
		}
		if status != http.StatusOK || text != strconv.Itoa(n) {
			lost = append(lost, fmt.Sprintf("file %d: %d %s", n, status, text))
		}
	}
	return lost, nil
}

// crash ROUNDS starts the server of $PORT again and again, writes rows of the table written and files of the bucket of that
// name into it at full speed, and ends it with kill -9 in the middle of that. After each start all that was ever
// acknowledged must be there. $SERVER_SERVICE_ROLE_KEY and $SERVER_DB_URL are the server's.
func crash(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: crash ROUNDS")
	}
	rounds, err := strconv.Atoi(args[0])
	ts.Check(err)
	w := &writer{url: ts.Getenv("URL"), key: ts.Getenv("SERVER_SERVICE_ROLE_KEY"), rows: map[int]bool{}, files: map[int]bool{}}
	ctx, cancel := context.WithTimeout(context.Background(), 10*patience)
	defer cancel()
	for round := range rounds + 1 {
		ts.Check(ts.Exec("suparust", "start", "--daemon", "--port", ts.Getenv("PORT")))
		lost, err := w.lost(ctx, ts.Getenv("SERVER_DB_URL"))
		ts.Check(err)
		if len(lost) > 0 {
			ts.Fatalf("after %d crashes %d acknowledged writes are lost: %s", round, len(lost), strings.Join(lost, ", "))
		}
		if round == rounds {
			break
		}
		pid := pidOf(ts, ".suparust.local."+ts.Getenv("PORT")+".pid")
		acknowledged := make(chan struct{})
		var writing sync.WaitGroup
		for range 4 {
			writing.Go(func() {
				client := &http.Client{Transport: &http.Transport{}}
				defer client.CloseIdleConnections()
				w.write(client, acknowledged)
			})
		}
		for range 5 + rand.IntN(40) {
			select {
			case <-acknowledged:
			case <-ctx.Done():
				ts.Fatalf("nothing is acknowledged any more")
			}
		}
		ts.Check(syscall.Kill(pid, syscall.SIGKILL))
		writing.Wait()
	}
	if len(w.rows) < rounds || len(w.files) == 0 {
		ts.Fatalf("only %d rows and %d files were written", len(w.rows), len(w.files))
	}
	fmt.Fprintf(ts.Stdout(), "%d crashes, %d rows and %d files acknowledged, none lost\n", rounds, len(w.rows), len(w.files))
}

// lock URL holds the advisory lock 1 of a database until unlock.
func lock(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lock URL")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, args[0])
	ts.Check(err)
	_, err = conn.Exec(ctx, "select pg_advisory_lock(1)")
	ts.Check(err)
	things(ts).locks = append(things(ts).locks, conn)
}

// unlock gives the lock up.
func unlock(ts *testscript.TestScript, neg bool, args []string) {
	t := things(ts)
	if neg || len(args) != 0 || len(t.locks) == 0 {
		ts.Fatalf("usage: unlock, after lock")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, conn := range t.locks {
		ts.Check(conn.Close(ctx))
	}
	t.locks = nil
}

// held are the things that a script holds between its lines.
type held struct {
	requests map[string]*underWay
	locks    []*pgx.Conn
}

// heldKey is where a script's environment keeps them.
type heldKey struct{}

func things(ts *testscript.TestScript) *held { return ts.Value(heldKey{}).(*held) }

func requestsOf(ts *testscript.TestScript) map[string]*underWay { return things(ts).requests }
