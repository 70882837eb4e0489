package storage_test

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/internal/leaktest"
	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// The environment of a child process: the database it uses, the directory it
// keeps bytes in and how long it keeps unfinished uploads.
const (
	childDatabase  = "STORAGE_TEST_DATABASE"
	childDirectory = "STORAGE_TEST_DIRECTORY"
	childExpiry    = "STORAGE_TEST_EXPIRY"
	childEphemeral = "STORAGE_TEST_EPHEMERAL" // set: nothing is flushed
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childDatabase); dsn != "" {
		if err := serveChild(dsn, os.Getenv(childDirectory)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(leaktest.Main(m.Run))
}

// serveChild serves the API with durable bytes, prints where, and ends only
// with its input or by force.
func serveChild(dsn, dir string) error {
	keys, err := gateway.Keys{JWTSecret: gateway.DemoJWTSecret}.Complete()
	if err != nil {
		return err
	}
	login, err := pgx.ParseConfig(dsn)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ephemeral := os.Getenv(childEphemeral) != ""
	blobs := blob.NewDisk(blob.DiskConfig{Dir: dir, Durable: !ephemeral, Ephemeral: ephemeral, Logger: log})
	uploads := blob.NewUploadDir(blob.UploadDirConfig{Dir: filepath.Join(dir, "uploads"), Store: blobs, Durable: true, Logger: log})
	expiry, err := time.ParseDuration(cmp.Or(os.Getenv(childExpiry), "0s"))
	if err != nil {
		return err
	}
	s3 := storage.S3Config{AccessKeyID: s3Key, SecretAccessKey: s3Secret}
	h, _, err := newServer(storage.Config{Blobs: blobs, Uploads: uploads, UploadExpiry: expiry, FileSizeLimit: 300 << 20, S3: s3}, login, keys, log)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		os.Exit(0)
	}()
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.HandleFunc("GET "+bare+"{version}", func(w http.ResponseWriter, r *http.Request) { serveBare(w, r, dir) })
	return http.Serve(l, mux)
}

// bare is where a child answers the bytes of a version with http.ServeContent,
// without asking anything: the limit of a download.
const bare = "/bare/"

func serveBare(w http.ResponseWriter, r *http.Request, dir string) {
	version := r.PathValue("version")
	f, err := os.Open(filepath.Join(dir, "objects", version[:2], version))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	http.ServeContent(w, r, "k", time.Time{}, f)
}

// child is a server in a process of its own.
type child struct {
	*api
	cmd *exec.Cmd
}

func startChild(t testing.TB, a *api, dir string, env ...string) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), childDatabase+"="+a.dsn, childDirectory+"="+dir), env...)
	if _, measured := t.(*testing.B); !measured {
		cmd.Stderr = t.Output()
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := *a
	c.dir = dir
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child did not start: %v", errors.Join(err, cmd.Wait()))
	}
	c.url = "http://" + strings.TrimSpace(addr) + "/storage/v1"
	k := &child{api: &c, cmd: cmd}
	t.Cleanup(k.kill)
	return k
}

// kill is kill -9.
func (c *child) kill() {
	if c.cmd.ProcessState != nil {
		return
	}
	_ = c.cmd.Process.Kill() // it may have ended by itself, which Wait tells
	_ = c.cmd.Wait()         // killed: an error by design
}

// TestCrash kills the server again and again while it stores, replaces, moves
// and deletes. Afterwards each row has its bytes, what was acknowledged is there,
// and once the next server has swept, nothing else is.
//
//covers:storage 83 84
func TestCrash(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	dir := t.TempDir()
	const rounds, writers, keys = 8, 8, 5
	var (
		mu    sync.Mutex
		acked = map[string]string{} // what a key holds for certain; each key has one writer
		total int
		// moves without an answer: one of the two names must have the bytes
		moving map[[2]string]string
	)
	for round := range rounds {
		c := startChild(t, a, dir)
		moving = map[[2]string]string{}
		killAt := 15 + rand.IntN(40) // answers after which the server is killed
		answers := make(chan struct{}, 1000)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := 0; ; i++ {
					key := fmt.Sprintf("w%d/k%d", w, i%keys)
					content := strings.Repeat(fmt.Sprintf("%d %d %d|", round, w, i), 1+rand.IntN(40000))
					mu.Lock()
					before := acked[key]
					delete(acked, key) // unknown until there is an answer
					moved := [2]string{key, fmt.Sprintf("w%d/moved-%d-%d", w, round, i)}
					moves := i%7 == 4 && before != ""
					if moves {
						moving[moved] = before
					}
					mu.Unlock()
					var (
						r   answer
						err error
					)
					if moves {
						content = ""
						r, err = c.try("POST", "/object/move", c.service, map[string]any{"bucketId": "b", "sourceKey": key, "destinationKey": moved[1]})
					} else if i%7 == 6 && before != "" {
						content = ""
						r, err = c.try("DELETE", "/object/b/"+key, c.service, nil)
					} else {
						r, err = c.try("PUT", "/object/b/"+key, c.service, content)
					}
					if err != nil {
						return // killed
					}
					if r.status != 200 {
						t.Errorf("%d %s", r.status, r.body)
						return
					}
					mu.Lock()
					acked[key] = content
					if moves {
						delete(moving, moved)
						acked[moved[1]] = before
					}
					total++
					mu.Unlock()
					answers <- struct{}{}
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		for n := 0; n < killAt; n++ {
			select {
			case <-answers:
			case <-done:
				t.Fatalf("round %d: all writers have stopped", round)
			}
		}
		c.kill()
		<-done

		// before any repair: no row without its bytes
		have := map[string]bool{}
		for _, f := range c.files() {
			have[f] = true
		}
		for _, v := range strings.Fields(a.one(`select string_agg(version, ' ') from storage.objects`)) {
			if !have[v] && v != "null" {
				t.Errorf("round %d: a row names version %s, which has no bytes", round, v)
			}
		}
		for names, content := range moving {
			got := a.one(`select string_agg(metadata->>'eTag', ' ') from storage.objects where name in ($1, $2)`, names[0], names[1])
			if got != etag(content) {
				t.Errorf("round %d: a move of %v left %s, not its one object %s", round, names, got, etag(content))
			}
		}
	}
	c := startChild(t, a, dir)
	eventually(t, "the sweep has left one file for each row", func() bool {
		return fmt.Sprint(len(c.files())) == a.one(`select count(*) from storage.objects`)
	})
	c.bytesMatchRows(t)
	for _, key := range strings.Fields(a.one(`select string_agg(name, ' ') from storage.objects`)) {
		r := c.do("GET", "/object/public/b/"+key, "", nil)
		if r.status != 200 || r.header.Get("ETag") != etag(r.body) {
			t.Errorf("%s: %d, %d bytes that do not fit their ETag", key, r.status, len(r.body))
		}
		if want, ok := acked[key]; ok && r.body != want {
			t.Errorf("%s does not hold what was acknowledged last", key)
		}
	}
	for key, want := range acked {
		if want != "" {
			if r := c.do("HEAD", "/object/public/b/"+key, "", nil); r.status != 200 {
				t.Errorf("%s was acknowledged and is not there", key)
			}
		}
	}
	t.Logf("%d acknowledged writes, %d kills, %s objects at the end", total, rounds, a.one(`select count(*) from storage.objects`))
}

// TestSweepSparesOtherDatabases: a directory that was filled for one database
// is not emptied for another.
func TestSweepSparesOtherDatabases(t *testing.T) {
	t.Parallel()
	first, second := start(t), start(t)
	first.bucket("b", true)
	dir := t.TempDir()
	c := startChild(t, first, dir)
	c.put("b/k", "precious")
	eventually(t, "the directory is claimed", func() bool { _, err := os.Stat(dir + "/owner"); return err == nil })
	c.kill()
	c = startChild(t, second, dir)
	second.bucket("b", true)
	c.put("b/other", "x")
	c.kill()
	c = startChild(t, first, dir)
	c.do("GET", "/object/public/b/k", "", nil).is(t, 200, "precious")
}
