package blob_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server/internal/storage/blob"
)

const noLimit = 1 << 40

func open(t *testing.T, c blob.DiskConfig) *blob.Disk {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	d := blob.NewDisk(c)
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func put(t *testing.T, d blob.Store, content string) string {
	t.Helper()
	v := uuid.NewString()
	if _, err := d.Put(t.Context(), v, strings.NewReader(content), noLimit); err != nil {
		t.Fatal(err)
	}
	return v
}

func read(t *testing.T, d blob.Store, version string, offset int64) string {
	t.Helper()
	r, err := d.Open(t.Context(), version, offset, blob.ToEnd)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// files lists the store's files, those of versions and those in tmp.
func files(t *testing.T, dir string) (all []string) {
	t.Helper()
	for _, sub := range []string{"objects", "tmp"} {
		err := filepath.WalkDir(filepath.Join(dir, sub), func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				all = append(all, sub+"/"+e.Name())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, durable := range []bool{false, true} {
		dir := t.TempDir()
		d := open(t, blob.DiskConfig{Dir: dir, Durable: durable})
		// around the size of the buffer
		for _, size := range []int{0, 1, 1000, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1 << 20} {
			content := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			v := uuid.NewString()
			info, err := d.Put(t.Context(), v, iotest.HalfReader(bytes.NewReader(content)), int64(size))
			if err != nil {
				t.Fatal(err)
			}
			sum := md5.Sum(content)
			if want := (blob.Info{Size: int64(size), MD5: hex.EncodeToString(sum[:])}); info != want {
				t.Errorf("size %d: got %+v, want %+v", size, info, want)
			}
			if got := read(t, d, v, 0); got != string(content) {
				t.Errorf("size %d: read other content", size)
			}
			if got := read(t, d, v, int64(size/2)); got != string(content[size/2:]) {
				t.Errorf("size %d: read other content from the middle", size)
			}
			if _, err := os.Stat(filepath.Join(dir, "objects", v[:2], v)); err != nil {
				t.Error(err)
			}
			if err := d.Remove(t.Context(), v); err != nil {
				t.Error(err)
			}
			if _, err := d.Open(t.Context(), v, 0, blob.ToEnd); !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("after Remove: %v", err)
			}
			if err := d.Remove(t.Context(), v); err != nil {
				t.Errorf("the second Remove: %v", err)
			}
		}
	}
}

//covers:storage 84
func TestFailedPutLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := open(t, blob.DiskConfig{Dir: dir})
	broken := errors.New("broken")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	taken := put(t, d, "first")
	before := files(t, dir)
	tests := []struct {
		name    string
		ctx     context.Context
		version string
		r       io.Reader
		limit   int64
		want    error
	}{
		{"over the limit", t.Context(), uuid.NewString(), strings.NewReader("12345"), 4, blob.ErrTooLarge},
		{"over a limit of none", t.Context(), uuid.NewString(), strings.NewReader("1"), 0, blob.ErrTooLarge},
		{"over the limit after buffers", t.Context(), uuid.NewString(), bytes.NewReader(make([]byte, 1<<20)), 1<<20 - 1, blob.ErrTooLarge},
		{"broken reader", t.Context(), uuid.NewString(), io.MultiReader(strings.NewReader("12"), iotest.ErrReader(broken)), noLimit, broken},
		{"short body", t.Context(), uuid.NewString(), io.MultiReader(strings.NewReader("12"), iotest.ErrReader(io.ErrUnexpectedEOF)), noLimit, io.ErrUnexpectedEOF},
		{"canceled", canceled, uuid.NewString(), strings.NewReader("12"), noLimit, context.Canceled},
		{"taken", t.Context(), taken, strings.NewReader("second"), noLimit, blob.ErrExists},
		{"no version", t.Context(), "", strings.NewReader("x"), noLimit, nil},
		{"a path", t.Context(), "../../../../../../../../../../etc/passw", strings.NewReader("x"), noLimit, nil},
		{"upper case", t.Context(), strings.ToUpper(uuid.NewString()), strings.NewReader("x"), noLimit, nil},
	}
	for _, tt := range tests {
		_, err := d.Put(tt.ctx, tt.version, tt.r, tt.limit)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	var re *blob.ReadError
	if _, err := d.Put(t.Context(), uuid.NewString(), iotest.ErrReader(broken), noLimit); !errors.As(err, &re) {
		t.Errorf("an error of the reader is %T", err)
	}
	if got := files(t, dir); strings.Join(got, " ") != strings.Join(before, " ") {
		t.Errorf("files left: %v, want %v", got, before)
	}
	if got := read(t, d, taken, 0); got != "first" {
		t.Errorf("the version that was there now holds %q", got)
	}
}

func TestCopyOutlivesItsSource(t *testing.T) {
	t.Parallel()
	d := open(t, blob.DiskConfig{Durable: true})
	from, to := put(t, d, "content"), uuid.NewString()
	if err := d.Copy(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	if err := d.Copy(t.Context(), from, to); !errors.Is(err, blob.ErrExists) {
		t.Errorf("onto a version that is there: %v", err)
	}
	if err := d.Remove(t.Context(), from); err != nil {
		t.Fatal(err)
	}
	if got := read(t, d, to, 0); got != "content" {
		t.Errorf("got %q", got)
	}
	for _, from := range []string{from, "", "not-a-version"} {
		if err := d.Copy(t.Context(), from, uuid.NewString()); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("from %q: %v", from, err)
		}
	}
}

func TestReaderSurvivesRemove(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed on Windows")
	}
	d := open(t, blob.DiskConfig{})
	v := put(t, d, "still here")
	r, err := d.Open(t.Context(), v, 0, blob.ToEnd)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := d.Remove(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != "still here" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestRemoveIsTriedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := open(t, blob.DiskConfig{Dir: dir})
	stuck := uuid.NewString()
	path := filepath.Join(dir, "objects", stuck[:2], stuck)
	if err := os.MkdirAll(filepath.Join(path, "in-the-way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(t.Context(), stuck); err == nil {
		t.Fatal("a directory that is not empty was removed")
	}
	if err := os.Remove(filepath.Join(path, "in-the-way")); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("not tried again: %v", err)
	}
}

// TestRemovalEndsWithRestore: what could not be removed, and is needed again
// after a restore, is not tried again.
func TestRemovalEndsWithRestore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := open(t, blob.DiskConfig{Dir: dir})
	snapshot := t.TempDir()
	v := put(t, d, "precious")
	hold := d.Hold()
	if _, _, err := d.LinkTo(t.Context(), snapshot, true); err != nil {
		t.Fatal(err)
	}
	if err := hold.Release(nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "objects", v[:2], v)
	if err := errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "in-the-way"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(t.Context(), v); err == nil {
		t.Fatal("a directory that is not empty was removed")
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	hold = d.Hold()
	kept, err := d.LinkFrom(t.Context(), snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(hold.Release(kept), d.Remove(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := read(t, d, v, 0); got != "precious" {
		t.Errorf("%q", got)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, blob.DiskConfig{Dir: dir})
	second := blob.NewDisk(blob.DiskConfig{Dir: dir})
	err := second.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "in use by another server") {
		t.Fatalf("got %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if _, err := first.Put(t.Context(), uuid.NewString(), strings.NewReader("x"), noLimit); !errors.Is(err, blob.ErrClosed) {
		t.Errorf("Put after Close: %v", err)
	}
}

func TestStartSweepsUnfinished(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tmp", uuid.NewString()), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, blob.DiskConfig{Dir: dir})
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func owner(name string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return name, nil }
}

//covers:storage 84
func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := func(_ context.Context, versions []string) ([]string, error) { return versions, nil }
	var kept, orphan string
	func() {
		d := blob.NewDisk(blob.DiskConfig{Dir: dir})
		if err := d.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if n, err := d.Sweep(t.Context(), blob.SweepOptions{Owner: owner("db"), Orphans: all}); n != 0 || err != nil {
			t.Fatalf("an empty store: %d, %v", n, err)
		}
		kept, orphan = put(t, d, "kept"), put(t, d, "orphan")
	}()
	other := open(t, blob.DiskConfig{Dir: dir})
	n, err := other.Sweep(t.Context(), blob.SweepOptions{Owner: owner("another db"), Orphans: all})
	if n != 0 || !errors.Is(err, blob.ErrOtherOwner) {
		t.Fatalf("another database's sweep: %d, %v", n, err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}

	d := open(t, blob.DiskConfig{Dir: dir})
	young := put(t, d, "young")
	copied := uuid.NewString()
	if err := d.Copy(t.Context(), kept, copied); err != nil {
		t.Fatal(err)
	}
	var asked []string
	n, err = d.Sweep(t.Context(), blob.SweepOptions{Owner: owner("db"), Orphans: func(_ context.Context, v []string) ([]string, error) {
		asked = append(asked, v...)
		return []string{orphan}, nil
	}})
	if n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if len(asked) != 2 {
		t.Errorf("asked about %v, want only the two from before Start", asked)
	}
	for _, v := range []string{kept, young, copied} {
		read(t, d, v, 0)
	}
	if _, err := d.Open(t.Context(), orphan, 0, blob.ToEnd); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("the orphan is there: %v", err)
	}
	n, err = d.Sweep(t.Context(), blob.SweepOptions{Owner: owner("db"), Orphans: all})
	if n != 0 || err != nil {
		t.Errorf("a second sweep cannot know what is young: %d, %v", n, err)
	}
}

// TestSweepOfNothing: a sweep that may ask nobody removes nothing, and ends
// that the store remembers what was put since its start.
func TestSweepOfNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := open(t, blob.DiskConfig{Dir: dir})
	v := put(t, d, "precious")
	for _, o := range []blob.SweepOptions{{}, {Owner: owner("another"), Orphans: func(_ context.Context, all []string) ([]string, error) { return all, nil }}} {
		if removed, err := d.Sweep(t.Context(), o); removed != 0 || err != nil {
			t.Errorf("%d removed, %v", removed, err)
		}
	}
	if got := read(t, d, v, 0); got != "precious" {
		t.Errorf("%q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "owner")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory was claimed: %v", err)
	}
}

func TestEphemeralAsksNothing(t *testing.T) {
	t.Parallel()
	d := open(t, blob.DiskConfig{Ephemeral: true})
	if n, err := d.Sweep(t.Context(), blob.SweepOptions{}); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestFullDisk fills a small file system of its own.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	unmount := mountSmall(t, dir)
	defer unmount()
	d := blob.NewDisk(blob.DiskConfig{Dir: filepath.Join(dir, "store"), Durable: true})
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	v := put(t, d, "small")
	_, err := d.Put(t.Context(), uuid.NewString(), io.LimitReader(zeros{}, 64<<20), noLimit)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v, want that no space is left", err)
	}
	if got := files(t, filepath.Join(dir, "store")); len(got) != 1 {
		t.Errorf("left on the full disk: %v", got)
	}
	if got := read(t, d, v, 0); got != "small" {
		t.Errorf("got %q", got)
	}
	put(t, d, strings.Repeat("x", 256<<10)) // there is room again
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func FuzzValidVersion(f *testing.F) {
	for _, s := range []string{uuid.NewString(), "", "..", "../../x", strings.Repeat("a", 36), "00000000-0000-0000-0000-00000000000/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if !blob.ValidVersion(v) {
			return
		}
		if _, err := uuid.Parse(v); err != nil || v != strings.ToLower(v) || filepath.Base(v) != v {
			t.Errorf("%q passes as a version", v)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20, 64 << 20} {
		b.Run(sizeName(size), func(b *testing.B) {
			d := blob.NewDisk(blob.DiskConfig{Dir: b.TempDir(), Ephemeral: true})
			if err := d.Start(b.Context()); err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			b.SetBytes(int64(size))
			for b.Loop() {
				v := uuid.NewString()
				if _, err := d.Put(b.Context(), v, io.LimitReader(zeros{}, int64(size)), noLimit); err != nil {
					b.Fatal(err)
				}
				if err := d.Remove(b.Context(), v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func sizeName(n int) string { return fmt.Sprintf("%dKiB", n>>10) }

// What is done with the store's directory while it is open is met with an
// error or repaired, and leads nowhere out of it.
func TestDirectoriesChangedBehindItsBack(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	d := open(t, blob.DiskConfig{Dir: dir, Durable: true})
	old := put(t, d, "old")
	shard := filepath.Join(dir, "objects", old[:2])

	t.Run("a directory that is gone is made again", func(t *testing.T) {
		if err := os.RemoveAll(shard); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Open(t.Context(), old, 0, blob.ToEnd); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("open: %v", err)
		}
		beside := old[:2] + uuid.NewString()[2:]
		if _, err := d.Put(t.Context(), beside, strings.NewReader("new"), 10); err != nil {
			t.Fatal(err)
		}
		if got := read(t, d, beside, 0); got != "new" {
			t.Errorf("read %q", got)
		}
		if err := d.Remove(t.Context(), beside); err != nil {
			t.Error(err)
		}
	})
	t.Run("a link leads nowhere", func(t *testing.T) {
		var version string
		for version == "" || version[:2] == old[:2] {
			version = uuid.NewString()
		}
		link := filepath.Join(dir, "objects", version[:2])
		if err := os.Symlink(outside, link); err != nil {
			t.Skip(err)
		}
		defer os.Remove(link)
		if _, err := d.Put(t.Context(), version, strings.NewReader("new"), 10); err == nil {
			t.Error("stored through a link")
		}
		if err := os.WriteFile(filepath.Join(outside, version), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Open(t.Context(), version, 0, blob.ToEnd); err == nil {
			t.Error("read through a link")
		}
		if all, err := os.ReadDir(outside); err != nil || len(all) != 1 {
			t.Errorf("outside: %v %v", all, err)
		}
	})
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
