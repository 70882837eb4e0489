package container_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/server/pg"
	"github.com/suparust/suparust/suparusttest"
	"github.com/suparust/suparust/suparusttest/container"
)

// nobody is an account without rights, as that of ci/Dockerfile's image is.
const nobody = 65534

// process is a server as in a container, without one: the program of the image,
// with its command, account, environment and files.
type process struct {
	at  container.Endpoints
	env map[string]string
}

// startProcess starts one and returns when its container would be taken for
// ready.
func startProcess(t *testing.T) process {
	t.Helper()
	home, err := os.MkdirTemp("", "suparust-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	bin := filepath.Join(home, "suparust")
	if out, err := command(t, "go", "build", "-C", filepath.Join("..", ".."), "-o", bin, "./cmd/suparust").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	project, scratch := filepath.Join(home, "project"), filepath.Join(home, "tmp")
	if err := errors.Join(os.Chmod(home, 0o755), os.MkdirAll(scratch, 0o755), copyProject(project)); err != nil {
		t.Fatal(err)
	}
	keys, err := server.Keys{JWTSecret: server.DemoJWTSecret}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	p := process{env: container.ServerEnv(keys, "a token that only this test knows")}
	ports := freePorts(t, 3)
	p.at = container.At("http://localhost:"+ports[0], "http://127.0.0.1:"+ports[1], "127.0.0.1:"+ports[2])
	p.env["SUPARUST_PORT"], p.env["SUPARUST_CONTROL_ADDR"], p.env["SUPARUST_DB_PORT"] = ports[0], "0.0.0.0:"+ports[1], ports[2]
	p.env["SUPARUST_PID_FILE"] = filepath.Join(scratch, filepath.Base(p.env["SUPARUST_PID_FILE"]))
	p.env["SUPARUST_SNAPSHOT_DIR"] = filepath.Join(scratch, filepath.Base(p.env["SUPARUST_SNAPSHOT_DIR"]))
	p.run(t, bin, project, scratch)
	return p
}

// run runs the program until the test has ended.
func (p *process) run(t *testing.T, bin, project, scratch string) {
	t.Helper()
	programs, err := pg.Resolve(t.Context(), pg.ResolveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(scratch, "data")
	env := map[string]string{ // what the image has
		"PATH": filepath.Dir(bin) + ":" + os.Getenv("PATH"), "HOME": scratch, "TMPDIR": scratch, "SUPARUST_PG_BIN": programs.BinDir, "SUPARUST_CACHE_DIR": filepath.Join(scratch, "cache"),
		"SUPARUST_LOG_FORMAT": "json", "SUPARUST_DB_DATA_DIR": filepath.Join(kept, "postgres"), "SUPARUST_STORAGE_ROOT": filepath.Join(kept, "storage"),
	}
	maps.Copy(env, p.env)
	told := filepath.Join(scratch, "public-url")
	cmd := exec.Command("sh", "-c", container.StartWhenTold, told, "--exit-with-stdin") // and with this process, however it ends
	cmd.Dir = project
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(scratch, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{}}}
	}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{container.APIOf(p.at), "\n"} { // half a line is no address
		if err := appendTo(told, part); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		if err := <-ended; err != nil || t.Failed() {
			t.Errorf("the server ended with %v:\n%s", err, log.String())
		}
		if _, err := os.Stat(kept); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("data were kept in %s: %v", kept, err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !answers(ctx, p.at) {
		select {
		case err := <-ended:
			ended <- err
			t.Fatal("the server does not start")
		case <-ctx.Done():
			t.Fatal("the server does not answer")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// appendTo writes to the end of a file.
func appendTo(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// answers tells whether the server is ready.
func answers(ctx context.Context, at container.Endpoints) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, container.APIOf(at)+"/auth/v1/health", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, res.Body) // its status says all
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), name, args...)
}

// copyProject puts the files where the container would have them.
func copyProject(dir string) error {
	files, err := container.ProjectFiles(filepath.Join("testdata", "project"))
	for _, f := range files {
		to := filepath.Join(dir, strings.TrimPrefix(f.ContainerFilePath, "/project"))
		text, readErr := os.ReadFile(f.HostFilePath)
		err = errors.Join(err, readErr, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, text, fs.FileMode(f.FileMode)))
	}
	return err
}

// freePorts are ports that nobody listens on.
func freePorts(t *testing.T, n int) (ports []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	return ports
}

// TestServerProcess: with what its container gets, the server has every power
// of the handle.
func TestServerProcess(t *testing.T) {
	t.Parallel()
	p := startProcess(t)
	srv := container.Attach(t, p.at, p.env, []suparusttest.Option{suparusttest.WithSQL("create table public.seen as select 1 as n")})
	app(t, srv)

	powers(t, srv)
	srv.ServiceClient().Get(t, "/rest/v1/seen").WantStatus(t, http.StatusOK) // WithSQL's
	app(t, srv)
	if said := container.Refused(t, func(tb testing.TB) { srv.MailURL(tb) }); !strings.Contains(said, "the server's mailbox has no port") {
		t.Errorf("MailURL says %q", said)
	}
	other := maps.Clone(p.env)
	other[server.ControlTokenVariable] = fmt.Sprintf("not %s", other[server.ControlTokenVariable])
	if said := container.Refused(t, func(tb testing.TB) { container.Attach(tb, p.at, other, nil) }); !strings.Contains(said, "token of its own") {
		t.Errorf("another token: %q", said)
	}
}
