package blob_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server/internal/storage/blob"
)

func openUploads(t *testing.T, dir string, store blob.Store) *blob.UploadDir {
	t.Helper()
	u := blob.NewUploadDir(blob.UploadDirConfig{Dir: dir, Store: store, Durable: true})
	if err := u.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	})
	return u
}

func begin(t *testing.T, u blob.Uploads) string {
	t.Helper()
	v := uuid.NewString()
	if err := u.Create(t.Context(), v, []byte("note")); err != nil {
		t.Fatal(err)
	}
	return v
}

func add(t *testing.T, u blob.Uploads, version string, offset int64, content string) {
	t.Helper()
	end, err := u.Append(t.Context(), version, offset, strings.NewReader(content), noLimit)
	if err != nil || end != offset+int64(len(content)) {
		t.Fatalf("%d, %v", end, err)
	}
}

func wantFinished(t *testing.T, u blob.Uploads, store blob.Store, version, content string) {
	t.Helper()
	for range 2 { // the second time it is there already
		info, err := u.Finish(t.Context(), version)
		if err != nil || info.Size != int64(len(content)) || info.MD5 != md5Of(content) {
			t.Fatalf("%+v, %v", info, err)
		}
	}
	if got := read(t, store, version, 0); got != content {
		t.Errorf("%q", got)
	}
	if got, err := u.Get(t.Context(), version); err != nil || !got.Finished || got.Offset != int64(len(content)) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestUploads(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store := open(t, blob.DiskConfig{Durable: true})
	dir := t.TempDir()
	u := openUploads(t, dir, store)

	v := begin(t, u)
	if err := u.Create(ctx, v, nil); !errors.Is(err, blob.ErrExists) {
		t.Errorf("created twice: %v", err)
	}
	if got, err := u.Get(ctx, v); err != nil || string(got.Note) != "note" || got.Offset != 0 || got.Finished {
		t.Errorf("%+v, %v", got, err)
	}
	add(t, u, v, 0, "hello")
	for _, offset := range []int64{0, 4, 6} {
		if end, err := u.Append(ctx, v, offset, iotest.ErrReader(errors.New("it was read")), noLimit); !errors.Is(err, blob.ErrOffset) || end != 5 {
			t.Errorf("at %d: %d, %v", offset, end, err)
		}
	}
	if end, err := u.Append(ctx, v, 5, strings.NewReader("too much"), 7); !errors.Is(err, blob.ErrTooLarge) || end != 5 {
		t.Errorf("%d, %v", end, err)
	}
	broken := io.MultiReader(strings.NewReader(", "), iotest.ErrReader(io.ErrUnexpectedEOF))
	var failed *blob.ReadError
	if end, err := u.Append(ctx, v, 5, broken, noLimit); !errors.As(err, &failed) || end != 7 {
		t.Errorf("%d, %v", end, err)
	}
	if err := u.SetNote(ctx, v, []byte("another")); err != nil {
		t.Fatal(err)
	}
	add(t, u, v, 7, "world")
	wantFinished(t, u, store, v, "hello, world")
	if got, err := u.Get(ctx, v); err != nil || string(got.Note) != "another" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := u.Append(ctx, v, 12, strings.NewReader("x"), noLimit); !errors.Is(err, blob.ErrOffset) {
		t.Errorf("appended to a finished one: %v", err)
	}
	if err := store.Remove(ctx, v); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Finish(ctx, v); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("its bytes are gone: %v", err)
	}
	for range 2 {
		if err := u.Discard(ctx, v); err != nil {
			t.Error(err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	for _, version := range []string{v, "../../etc/passwd", ""} {
		_, getErr := u.Get(ctx, version)
		_, appendErr := u.Append(ctx, version, 0, strings.NewReader("x"), noLimit)
		_, finishErr := u.Finish(ctx, version)
		for _, err := range []error{getErr, appendErr, finishErr, u.SetNote(ctx, version, nil)} {
			if !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("%q: %v", version, err)
			}
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestUploadsRestart: another process finds what one has left, whatever it was
// doing.
func TestUploadsRestart(t *testing.T) {
	t.Parallel()
	store := open(t, blob.DiskConfig{})
	dir := t.TempDir()
	first := openUploads(t, dir, store)
	v, w := begin(t, first), begin(t, first)
	add(t, first, v, 0, "hello")
	add(t, first, w, 0, "whole")
	if _, err := first.Finish(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	// in the middle of the move the bytes have both names
	if err := os.WriteFile(filepath.Join(dir, w), []byte("whole"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := openUploads(t, dir, store)
	add(t, second, v, 5, " world")
	wantFinished(t, second, store, v, "hello world")
	wantFinished(t, second, store, w, "whole")
	if _, err := os.Lstat(filepath.Join(dir, w)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the bytes are there twice: %v", err)
	}
}

// plainStore hides what a Disk can do beside a Store's methods.
type plainStore struct{ blob.Store }

func TestUploadsIntoAnyStore(t *testing.T) {
	t.Parallel()
	store := open(t, blob.DiskConfig{})
	u := openUploads(t, t.TempDir(), plainStore{store})
	v := begin(t, u)
	add(t, u, v, 0, "copied")
	wantFinished(t, u, store, v, "copied")
}

func TestUploadsOfTwoProcesses(t *testing.T) {
	t.Parallel()
	store := open(t, blob.DiskConfig{})
	dir := t.TempDir()
	one, two := openUploads(t, dir, store), openUploads(t, dir, store)
	v := begin(t, one)
	add(t, two, v, 0, "ab")
	add(t, one, v, 2, "cd")

	// while one receives, the other waits
	r, w := io.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := one.Append(t.Context(), v, 4, r, noLimit); err != nil {
			t.Error(err)
		}
	})
	if _, err := w.Write([]byte("e")); err != nil { // it reads, so it has the lock
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := two.Append(ctx, v, 4, strings.NewReader("x"), noLimit); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	add(t, two, v, 5, "f")
	wantFinished(t, one, store, v, "abcdef")
}

func TestUploadsList(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	u := openUploads(t, dir, open(t, blob.DiskConfig{}))
	want := map[string]bool{begin(t, u): true, begin(t, u): true}
	// what crashes leave: bytes and locks without a record, half a record
	lost, young := uuid.NewString(), uuid.NewString()
	past := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{lost, lost + ".lock", lost + ".json.new", young, "foreign"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if name != young {
			if err := os.Chtimes(path, past, past); err != nil {
				t.Fatal(err)
			}
		}
	}
	err := u.List(t.Context(), func(version string, got blob.Upload) error {
		if !want[version] || string(got.Note) != "note" {
			t.Errorf("%s: %+v", version, got)
		}
		delete(want, version)
		return nil
	})
	if err != nil || len(want) > 0 {
		t.Errorf("not seen: %v, %v", want, err)
	}
	if found, err := filepath.Glob(filepath.Join(dir, lost+"*")); err != nil || len(found) > 0 {
		t.Errorf("left: %v, %v", found, err)
	}
	for _, name := range []string{young, "foreign"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	stop := errors.New("enough")
	if err := u.List(t.Context(), func(string, blob.Upload) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

func md5Of(content string) string {
	sum := md5.Sum([]byte(content))
	return hex.EncodeToString(sum[:])
}
