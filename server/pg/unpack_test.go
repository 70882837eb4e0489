//go:build unix

package pg

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func xzOf(tb testing.TB, b []byte) []byte {
	tb.Helper()
	cmd := exec.Command("xz", "-c")
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		tb.Skipf("the program xz is needed to make an archive: %v", err)
	}
	return out
}

func rawTar(tb testing.TB, headers ...*tar.Header) []byte {
	tb.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, h := range headers {
		if err := tw.WriteHeader(h); err != nil {
			tb.Fatal(err)
		}
		if _, err := tw.Write(make([]byte, h.Size)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// TestHostileArchives tries to leave the directory in every way a tar knows.
func TestHostileArchives(t *testing.T) {
	t.Parallel()
	file := func(name string) *tar.Header {
		return &tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 3, Mode: 0o644}
	}
	link := func(name, to string) *tar.Header {
		return &tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink}
	}
	links := func(list string) []byte {
		return tarOf(t, map[string]string{"package/native/bin/a": "a", "package/native/pg-symlinks.json": list})
	}
	for name, plain := range map[string][]byte{
		"parent":                rawTar(t, file("package/native/../../../evil")),
		"parent at the start":   rawTar(t, file("../evil")),
		"absolute":              rawTar(t, file("/tmp/suparust-evil")),
		"backslash":             rawTar(t, file(`package/native/..\evil`)),
		"link to absolute":      rawTar(t, link("package/native/l", "/etc")),
		"link to parent":        rawTar(t, link("package/native/l", "../evil")),
		"link to deep parent":   rawTar(t, link("package/native/a/b/l", "../../../evil")),
		"file through a link":   rawTar(t, link("package/native/l", "sub"), file("package/native/l/x")),
		"file over a link":      rawTar(t, link("package/native/l", "sub"), file("package/native/l")),
		"directory over a file": rawTar(t, file("package/native/f"), file("package/native/f/x")),
		"hard link":             rawTar(t, &tar.Header{Name: "package/native/h", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}),
		"device":                rawTar(t, &tar.Header{Name: "package/native/d", Typeflag: tar.TypeChar}),
		"fifo":                  rawTar(t, &tar.Header{Name: "package/native/d", Typeflag: tar.TypeFifo}),
		"listed absolute":       links(`[{"source":"/etc/passwd","target":"native/x"}]`),
		"listed parent":         links(`[{"source":"native/../../evil","target":"native/x"}]`),
		"listed target parent":  links(`[{"source":"native/bin/a","target":"native/../../x"}]`),
		"listed elsewhere":      links(`[{"source":"dist/a","target":"native/x"}]`),
		"list is no list":       links(`{"a":`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outer := t.TempDir()
			dir := filepath.Join(outer, "tree")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := unpackTree(t.Context(), bytes.NewReader(gzipped(t, plain)), dir, treeNpm); err == nil {
				t.Error("it was accepted")
			}
			assertInside(t, outer, dir)
		})
	}
}

// assertInside fails when there is anything beside dir in outer, or a link that leads out of dir.
func assertInside(tb testing.TB, outer, dir string) {
	tb.Helper()
	entries, err := os.ReadDir(outer)
	if err != nil {
		tb.Fatal(err)
	}
	if len(entries) != 1 {
		tb.Errorf("written outside: %v", entries)
	}
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		tb.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink == 0 {
			return err
		}
		target, err := os.Readlink(p)
		if err != nil {
			return err
		}
		abs := filepath.Clean(filepath.Join(filepath.Dir(p), target))
		if rel, err := filepath.Rel(dir, abs); err != nil || !filepath.IsLocal(rel) {
			tb.Errorf("%s leads out of %s to %s", p, root, target)
		}
		return nil
	})
	if err != nil {
		tb.Error(err)
	}
}

func TestUnpackBomb(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, name := range []string{"bin/a", "bin/b"} { // the sizes alone are over the limit: nothing of that length is made
		if err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: maxTreeBytes + 1, Mode: 0o644}); err != nil {
			break
		}
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := (&unpacker{root: root}).unpack(t.Context(), &buf); !errors.Is(err, errHostile) {
		t.Errorf("got %v", err)
	}
}

// TestUnpackModes makes a tree that other users can use, whatever the archive says.
func TestUnpackModes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain := rawTar(t,
		&tar.Header{Name: "./bin/", Typeflag: tar.TypeDir, Mode: 0o700},
		&tar.Header{Name: "./bin/postgres", Typeflag: tar.TypeReg, Size: 2, Mode: 0o600},
		&tar.Header{Name: "./lib/x.so", Typeflag: tar.TypeReg, Size: 2, Mode: 0o4700},
		&tar.Header{Name: "./share/y", Typeflag: tar.TypeReg, Size: 2, Mode: 0o600})
	if err := unpackTree(t.Context(), bytes.NewReader(xzOf(t, plain)), dir, treeXZ); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"bin": fs.ModeDir | 0o755, "bin/postgres": 0o755, "lib/x.so": 0o755, "share/y": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s: %v, want %v", name, info.Mode(), want)
		}
	}
}

// FuzzUnpack feeds tar streams to the unpacker: nothing may come to be outside its directory.
func FuzzUnpack(f *testing.F) {
	f.Add(tarOf(f, map[string]string{"package/native/bin/a": "a", "package/native/pg-symlinks.json": `[{"source":"native/bin/a","target":"native/lib/b"}]`}))
	f.Add(rawTar(f, &tar.Header{Name: "package/native/l", Linkname: "..", Typeflag: tar.TypeSymlink}, &tar.Header{Name: "package/native/l/x", Typeflag: tar.TypeReg, Size: 1}))
	f.Add(tarOf(f, map[string]string{"package/native/pg-symlinks.json": `[{"source":"native/..","target":"native/a/../b"}]`}))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if len(plain) > 1<<20 {
			return
		}
		outer := t.TempDir()
		dir := filepath.Join(outer, "tree")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		u := &unpacker{root: root, prefix: "package/native/", linkList: "package/native/pg-symlinks.json"}
		_ = u.unpack(t.Context(), bytes.NewReader(plain)) // refused or not, it stays inside
		assertInside(t, outer, dir)
	})
}

// FuzzImage reads hostile template archives.
func FuzzImage(f *testing.F) {
	im := &image{dirs: []string{"base", "base/1"}, files: []imageFile{{dir: -1, name: "PG_VERSION", data: []byte("17\n")}, {dir: 1, name: "1259", data: []byte("x")}}}
	var buf bytes.Buffer
	if err := im.writeTar(&buf); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Add(rawTar(f, &tar.Header{Name: "../x", Typeflag: tar.TypeReg, Size: 1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		im, err := parseImage(b)
		if err != nil {
			return
		}
		for _, file := range im.files {
			if p := im.pathOf(file); !fs.ValidPath(p) {
				t.Errorf("%q is accepted", p)
			}
		}
		for _, d := range im.dirs {
			if !fs.ValidPath(d) {
				t.Errorf("%q is accepted", d)
			}
		}
	})
}

// FuzzPidFile reads postmaster.pid files that were cut off or damaged.
func FuzzPidFile(f *testing.F) {
	f.Add([]byte("123\n/data\n1700000000\n5432\n/tmp\n127.0.0.1\n  1234 99\nready   \n"))
	f.Add([]byte("-5\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, b []byte) {
		pf, err := parsePidFile(b)
		if err == nil && pf.pid <= 0 {
			t.Errorf("pid %d would address a process group", pf.pid)
		}
	})
}

func TestPidFile(t *testing.T) {
	t.Parallel()
	pf, err := parsePidFile([]byte("123\n/data\n1700000000\n5433\n/tmp\n127.0.0.1\n  1234        99\nready   \n"))
	if err != nil || pf != (pidFile{pid: 123, port: 5433, shmID: 99, status: "ready", socketDir: "/tmp"}) {
		t.Errorf("%+v, %v", pf, err)
	}
	if pf, err := parsePidFile([]byte("123\n/data\n17000")); err != nil || pf.pid != 123 || pf.status != "" {
		t.Errorf("%+v, %v", pf, err)
	}
	if _, err := parsePidFile(nil); !errors.Is(err, errNoPid) {
		t.Errorf("got %v", err)
	}
}
