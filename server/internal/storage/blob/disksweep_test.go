package blob_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server/internal/storage/blob"
)

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
