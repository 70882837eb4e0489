package s3

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// childEnv makes the test program a server of the bucket and the database that
// it names.
const childEnv = "SUPARUST_S3_CHILD"

// shareConfig is what a server of a bucket is told.
type shareConfig struct{ Gateway, Bucket, Database string }

// childServes runs the server until it is killed.
func childServes(told string) error {
	var c shareConfig
	if err := json.Unmarshal([]byte(told), &c); err != nil {
		return err
	}
	cfg := server.DefaultConfig()
	cfg.Ephemeral()
	cfg.Database.URL = c.Database
	gateway = c.Gateway
	useBucket(&cfg, c.Bucket)
	cfg.Storage.FileSizeLimit = 512 << 20
	srv, err := server.New(cfg)
	if err != nil {
		return err
	}
	if err := srv.Start(context.Background()); err != nil {
		return err
	}
	fmt.Println(srv.URL())
	return srv.Wait(context.Background())
}

// process is a server in a process of its own. It can be asked like any other.
type process struct {
	*suparusttest.Server
	cmd *exec.Cmd
}

func startProcess(t *testing.T, like *suparusttest.Server, bucket, database string) *process {
	t.Helper()
	told, err := json.Marshal(shareConfig{gateway, bucket, database})
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+string(told))
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd}
	t.Cleanup(p.kill)
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server's process did not start: %v", err)
	}
	p.Server = &suparusttest.Server{URL: strings.TrimSpace(url), ServiceKey: like.ServiceKey}
	return p
}

// kill ends the process as a crash of the machine would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	_ = p.cmd.Wait()
}
