package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server/internal/storage/blob"
)

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
