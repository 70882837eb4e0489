package cmd

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
)

func TestState(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".suparust.profile.test.3000.pid")
	f, _, err := lockPIDFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid := os.Getpid()
	if st, err := readState(path, pid); err != nil || st.PID != pid || st.Serving {
		t.Errorf("before it is written: %+v, %v", st, err)
	}
	want := serverState{PID: pid, Identity: "profile.test", Started: time.Now().Round(0).UTC(), Serving: true, Port: 3000,
		Values: map[string]string{"API_URL": "http://127.0.0.1:3000"}, Args: []string{"start"}, Control: &server.ControlAccess{URL: "u", Token: "t"}}
	for range 2 { // it replaces what was there
		if err := f.writeState(want); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := readState(path, pid); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	info, err := os.Stat(statePath(path))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state file: %v, %v", info, err)
	}
	// what another process left is not believed, nor is half a file
	if st, err := readState(path, pid+1); err != nil || st.Serving || st.PID != pid+1 {
		t.Errorf("of another process: %+v, %v", st, err)
	}
	if err := os.WriteFile(statePath(path), []byte(`{"pid":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if st, err := readState(path, pid); err != nil || st.Serving {
		t.Errorf("of half a file: %+v, %v", st, err)
	}
	if err := f.remove(); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}
