package suparusttest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
)

// standsAlone is a configuration under which every power can be seen at work.
func standsAlone(snapshots string) func(*server.Config) {
	return func(c *server.Config) {
		c.SnapshotDir = snapshots
		c.Auth.Phone.Enabled, c.Auth.CheapPasswords = true, true
		c.Auth.Hooks = map[string]server.HookConfig{"before_user_created": {Enabled: true, URI: "https://app.example.com/hooks/signup?by=suparust",
			Secrets: []string{"v1,whsec_aGFsZi1hLWtpbG9ieXRlLW9mLWVudHJvcHk="}}}
		c.Auth.Email.MaxFrequency, c.Auth.Phone.MaxFrequency = -1, -1
	}
}

// serveAlone is the server of another process: it tells how its control API is
// reached, and serves until its standard input ends.
func serveAlone() int {
	c := server.DefaultConfig()
	c.Ephemeral()
	c.Control = true
	standsAlone(os.Getenv("SUPARUST_SNAPSHOT_DIR"))(&c)
	srv, err := server.New(c)
	if err == nil {
		err = srv.Start(context.Background())
	}
	if err == nil {
		if err = json.NewEncoder(os.Stdout).Encode(srv.ControlAccess()); err == nil {
			_, err = io.Copy(io.Discard, os.Stdin)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if stopErr := srv.Shutdown(ctx); err == nil {
			err = stopErr
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// startAlone starts a server in a process of its own, which ends with the test.
func startAlone(t *testing.T, snapshots string) (access server.ControlAccess) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=serve", "SUPARUST_SNAPSHOT_DIR="+snapshots)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server of the other process: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &access)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return access
}
