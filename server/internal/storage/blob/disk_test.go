package blob_test

import (
	"bytes"
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
