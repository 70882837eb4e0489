//go:build unix

package pg

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// wantNothingLeft fails when a data directory holds anything that a restore leaves behind.
func wantNothingLeft(tb testing.TB, dataDir string) {
	tb.Helper()
	entries, err := os.ReadDir(dataDir)
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			tb.Errorf("%s is left in the data directory", e.Name())
		}
	}
}

// startKept starts a cluster whose data directory is kept, with some rows, and saves it.
func startKept(tb testing.TB) (*Cluster, *Snapshot) {
	tb.Helper()
	cl := startTest(tb, Config{DataDir: filepath.Join(publicTempDir(tb), "data")})
	execAll(tb, cl, counted, "insert into counted select from generate_series(1, 7)")
	s, err := cl.Snapshot(tb.Context(), SnapshotOptions{Dir: filepath.Join(publicTempDir(tb), "saved")})
	if err != nil {
		tb.Fatal(err)
	}
	return cl, s
}

// What is ready when a restore comes is what the server runs on then.
func TestSpare(t *testing.T) {
	t.Parallel()
	cl, s := startKept(t)
	want := state(t, cl)
	base := func(dir string) os.FileInfo {
		info, err := os.Stat(filepath.Join(cl.DataDir(), dir, "base"))
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	for round := range 4 {
		if round != 2 {
			execAll(t, cl, "insert into counted select from generate_series(1, 5000)", "drop table notes", "create table other as select 1 as n",
				"create table big as select i, repeat(md5(i::text), 10) from generate_series(1, 5000) i", "checkpoint", "truncate counted", "create database more")
		}
		<-cl.spare.made
		spare := base(restoreSpare)
		if err := cl.Restore(t.Context(), s, nil); err != nil {
			t.Fatal(err)
		}
		if !os.SameFile(spare, base("")) {
			t.Errorf("round %d: the copy that was ready was not used", round)
		}
		if got := state(t, cl); got != want {
			t.Fatalf("round %d: got\n%s\nwant\n%s", round, got, want)
		}
	}
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := cl.Restore(t.Context(), s, nil); err == nil {
		t.Error("a snapshot that was removed was restored")
	}
	if err := cl.Stop(); err != nil {
		t.Fatal(err)
	}
	wantNothingLeft(t, cl.DataDir())
}

// The copy that is ready is never taken for another snapshot's.
func TestSpareOfAnother(t *testing.T) {
	t.Parallel()
	cl, first := startKept(t)
	wantFirst := state(t, cl)
	execAll(t, cl, "insert into counted select from generate_series(1, 50)", "create table other as select 1 as n")
	wantSecond := state(t, cl)
	second, err := cl.Snapshot(t.Context(), SnapshotOptions{Dir: filepath.Join(publicTempDir(t), "second")})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		for want, s := range map[string]*Snapshot{wantFirst: first, wantSecond: second} {
			if err := cl.Restore(t.Context(), s, nil); err != nil {
				t.Fatal(err)
			}
			if got := state(t, cl); got != want {
				t.Fatalf("round %d: got\n%s\nwant\n%s", round, got, want)
			}
		}
	}
}

// A copy that nobody asks for goes, and so does that of what is too large to be copied beside a server's work.
func TestSpareGoes(t *testing.T) {
	t.Parallel()
	cl, s := startKept(t)
	cl.spareLife = 0
	cl.keepSpare(s)
	<-cl.spare.ended
	wantNothingLeft(t, cl.DataDir())
	cl.spareLife = time.Hour
	for range 2 {
		if err := cl.Restore(t.Context(), s, nil); err != nil {
			t.Fatal(err)
		}
	}
	<-cl.spare.made
	large := *s
	large.info.Bytes = spareLimit + 1
	cl.keepSpare(&large)
	<-cl.spare.ended
	wantNothingLeft(t, cl.DataDir())
}

// A directory of any content becomes what a snapshot holds.
func TestRefresh(t *testing.T) {
	t.Parallel()
	block := func(b byte) string { return strings.Repeat(string(rune(b)), copyBuffer) }
	want := map[string]string{"a": "", "b": "short", "base/1/2": block('x') + block('y') + "end", "base/1/3": strings.Repeat("\x00", 3*archiveAlign), "base/4/5": block('z')}
	fill := func(dir string, files map[string]string) {
		t.Helper()
		for name, content := range files {
			if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	from := t.TempDir()
	fill(from, want)
	s := &Snapshot{dir: t.TempDir(), info: snapshotInfo{Archive: "cluster-test.data"}}
	w, err := newArchive(filepath.Join(s.dir, s.archiveName()))
	if err != nil {
		t.Fatal(err)
	}
	tree := fileTree{root: from}
	if err := tree.list("."); err != nil {
		t.Fatal(err)
	}
	if err := w.add(t.Context(), &tree); err != nil {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	s.info.Dirs, s.info.Files = w.dirs, w.files
	for name, there := range map[string]map[string]string{
		"nothing":        {},
		"the same":       want,
		"more":           {"c": "more", "base/1/9": "more", "base/7/1": "more", "base/7/deep/1": "more"},
		"a part":         {"base/1/2": block('x') + "y", "b": "sh"},
		"longer":         {"a": "not empty", "base/1/2": want["base/1/2"] + block('x'), "base/1/3": want["base/1/3"] + "end"},
		"other content":  {"b": "SHORT", "base/1/2": block('x') + block('Y') + "END", "base/1/3": strings.Repeat("\x01", 3*archiveAlign)},
		"zeros for it":   {"base/4/5": strings.Repeat("\x00", copyBuffer)},
		"a shorter zero": {"base/1/3": "\x00", "base/4/5": "\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill(dir, there)
			src, err := s.openArchive()
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			if err := s.refresh(t.Context(), src, dir, selfAccount()); err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			err = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				b, err := os.ReadFile(filepath.Join(dir, name))
				got[name] = string(b)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
				t.Fatalf("there are %v", slices.Sorted(maps.Keys(got)))
			}
			for name := range want {
				if !bytes.Equal([]byte(got[name]), []byte(want[name])) {
					t.Errorf("%s has %d bytes that are not those of the snapshot's %d", name, len(got[name]), len(want[name]))
				}
			}
		})
	}
}
