package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

func TestPIDFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".suparust.local.3000.pid")
	f, stale, err := lockPIDFile(path)
	if err != nil || stale {
		t.Fatal(stale, err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("the file holds %q, %v", text, err)
	}
	if pid, err := runningPID(path); pid != os.Getpid() || err != nil {
		t.Errorf("running PID = %d, %v; want ours", pid, err)
	}
	var running *alreadyRunning
	if _, _, err := lockPIDFile(path); !errors.As(err, &running) || running.pid != os.Getpid() {
		t.Errorf("a second lock: %v", err)
	}
	if removed, err := removeStale(path); removed || err != nil {
		t.Errorf("a held file was removed: %v, %v", removed, err)
	}
	if err := f.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	if pid, err := runningPID(path); pid != 0 || err != nil {
		t.Errorf("running PID = %d, %v; want none", pid, err)
	}
}

// TestStalePIDFile has the PID of a living process in a file that no server holds: ours.
func TestStalePIDFile(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"recycled": fmt.Sprintln(os.Getpid()), "dead": "99999999\n", "empty": "", "corrupt": "what\x00?", "init": "1\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, ".suparust.local.3000.pid")
			write := func() {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write()
			if pid, err := runningPID(path); pid != 0 || err != nil {
				t.Errorf("running PID = %d, %v; want none", pid, err)
			}
			running, stale, err := instances(dir, identity{})
			if len(running) != 0 || len(stale) != 1 || stale[0] != path || err != nil {
				t.Errorf("instances = %v, stale %v, %v", running, stale, err)
			}
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the stale file is still there: %v", err)
			}
			write()
			f, _, err := lockPIDFile(path)
			if err != nil {
				t.Fatalf("a stale file was in the way: %v", err)
			}
			if err := f.remove(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestPIDFileHasOneOwner lets many take and give up the file at once.
func TestPIDFileHasOneOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.pid")
	var owners, wins atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				f, _, err := lockPIDFile(path)
				if err != nil {
					var running *alreadyRunning
					if !errors.As(err, &running) {
						t.Error(err)
					}
					continue
				}
				wins.Add(1)
				if n := owners.Add(1); n != 1 {
					t.Errorf("%d owners at once", n)
				}
				owners.Add(-1)
				if err := f.remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for range 200 {
				if pid, err := runningPID(path); err != nil || pid != 0 && pid != os.Getpid() {
					t.Errorf("running PID = %d, %v", pid, err)
				}
			}
		})
	}
	wg.Wait()
	if wins.Load() < 50 {
		t.Errorf("only %d of 200 attempts got the file", wins.Load())
	}
}

// TestPIDFileBeingMade: a file that a server has just made, and not taken yet, is no stale one.
func TestPIDFileBeingMade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".suparust.local.3000.pid")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := make(chan *pidFile, 1)
	go func() {
		f, _, err := lockPIDFile(path)
		if err != nil {
			t.Error(err)
		}
		taken <- f
	}()
	if pid, err := runningPID(path); pid != os.Getpid() || err != nil {
		t.Errorf("running PID = %d, %v; want ours", pid, err)
	}
	if f := <-taken; f != nil {
		if err := f.remove(); err != nil {
			t.Error(err)
		}
	}
}
