//go:build unix

package pg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// initdb makes the cluster's data directory.
func (b *builder) initdb(ctx context.Context) error {
	args := append([]string{"-D", b.dataDir(), "-U", superuser, "-A", "trust"}, initdbFlags(b.bin.Major)...)
	cmd := exec.Command(filepath.Join(b.bin.BinDir, "initdb"), args...)
	cmd.Dir = "/"
	cmd.Env = childEnviron()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := spawn(cmd, b.acct, syscall.SIGTERM); err != nil {
		return fmt.Errorf("initdb could not be executed: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("initdb failed: %w\n%s", err, strings.TrimSpace(out.String()))
		}
		return nil
	case <-ctx.Done():
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		return errors.Join(ctx.Err(), <-ended) // the end by our signal follows from the first
	}
}
