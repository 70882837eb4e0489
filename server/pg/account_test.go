//go:build linux

package pg

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAccounts starts a cluster in a process of every kind that the product may find itself in.
func TestAccounts(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can be several users")
	}
	uid, gid := unprivilegedIDs()
	credential := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{}}
	for name, c := range map[string]struct {
		attr *syscall.SysProcAttr
		mode accountMode
	}{
		"root":          {nil, asOther},
		"ordinary user": {&syscall.SysProcAttr{Credential: credential}, asSelf},
		// root of a user namespace that knows no other user, as rootless containers have it
		"only root": {&syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}, GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}}, asMapped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.mode == asMapped && probeAccount(mappedAccount()) != nil {
				t.Skip("no user namespaces here")
			}
			child := startChild(t, "start", childOptions{attr: c.attr, dir: homeFor(t, c.attr)})
			var r struct{ Error, Answer, Mode string }
			child.Read(t, &r)
			if r.Error != "" || r.Answer != "100" {
				t.Fatalf("%+v", r)
			}
			if want := string(rune('0' + int(c.mode))); r.Mode != want {
				t.Errorf("mode %s, want %s", r.Mode, want)
			}
			if err := child.Cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRootWithoutRights gets one sentence.
func TestRootWithoutRights(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can be without rights and root")
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("setpriv is not installed")
	}
	home := programDir(t)
	out := filepath.Join(home, "out")
	cmd := exec.Command(setpriv, "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "/proc/self/exe")
	cmd.Args[len(cmd.Args)-1] = testProgram(t, home)
	cmd.Args = append(cmd.Args, "-test.run=^TestChild$")
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.ExtraFiles = []*os.File{f}
	cmd.Env = []string{childEnv + "=start", "HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("PATH"), "SUPARUST_PG_CHILD_BIN=" + testBinaries(t).BinDir, "GOCOVERDIR=" + home}
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("rights cannot be dropped here: %v: %s", err, b)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"PostgreSQL refuses to run as root", "run suparust as an ordinary user", "SETUID"} {
		if !strings.Contains(string(b), part) {
			t.Errorf("%q is not in %s", part, b)
		}
	}
}

// testProgram copies this program to where another one can execute it.
func testProgram(tb testing.TB, dir string) string {
	tb.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(dir, "child.test")
	if err := os.WriteFile(path, b, 0o755); err != nil {
		tb.Fatal(err)
	}
	return path
}

func TestReach(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root runs PostgreSQL as somebody else")
	}
	closed := filepath.Join(publicTempDir(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	uid, gid := unprivilegedIDs()
	a := account{mode: asOther, uid: uid, gid: gid}
	err := a.canReach(filepath.Join(closed))
	wantError(t, err, "the directory "+closed, "is closed to uid")
	if err := a.canReach(filepath.Dir(closed)); err != nil {
		t.Error(err)
	}
	if err := os.Chown(closed, uid, gid); err != nil {
		t.Fatal(err)
	}
	if err := a.canReach(closed); err != nil {
		t.Error(err)
	}
}
