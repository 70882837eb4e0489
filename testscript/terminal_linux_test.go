package testscript

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// terminal TEXT KEYS CMD runs a line of the shell on a terminal of its own, types the keys as soon as the text was shown, ^C
// for Ctrl-C, and prints what was shown and the exit code.
func terminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: terminal TEXT KEYS CMD")
	}
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	ts.Check(err)
	defer ours.Close()
	ts.Check(unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	ts.Check(err)
	theirs, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	ts.Check(err)
	cmd := exec.Command("/bin/sh", "-c", args[2])
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "WORK", "TMPDIR", "XDG_CACHE_HOME", "SUPARUST_PG_BIN", "SUPARUST_PG_VERSION", "SUPARUST_CACHE_DIR"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	ts.Check(cmd.Start())
	ts.Check(theirs.Close())
	tooLong := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer tooLong.Stop()
	var shown bytes.Buffer
	part := make([]byte, 4<<10)
	for typed := false; ; {
		n, err := ours.Read(part) // fails when the last process has closed its end
		shown.Write(part[:n])
		if !typed && bytes.Contains(shown.Bytes(), []byte(args[0])) {
			typed = true
			_, err := ours.Write(bytes.ReplaceAll([]byte(args[1]), []byte("^C"), []byte{3}))
			ts.Check(err)
		}
		if err != nil {
			break
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Check(err)
	}
	fmt.Fprintf(ts.Stdout(), "%s\nexit code %d\n", bytes.ReplaceAll(shown.Bytes(), []byte("\r\n"), []byte("\n")), cmd.ProcessState.ExitCode())
}
