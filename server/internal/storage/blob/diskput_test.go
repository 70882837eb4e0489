package blob_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server/internal/storage/blob"
)

// TestPutInPlace: where no crash leaves anything behind, a version is written
// where it stays, and is none before it is whole.
func TestPutInPlace(t *testing.T) {
	t.Parallel()
	d := open(t, blob.DiskConfig{Ephemeral: true})
	had := put(t, d, "had")
	none := func(when string) {
		t.Helper()
		if all, err := d.Versions(); err != nil || !slices.Equal(all, []string{had}) {
			t.Errorf("%s: %v, %v", when, all, err)
		}
	}

	broken := errors.New("broken")
	if _, err := d.Put(t.Context(), uuid.NewString(), io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)), noLimit); !errors.Is(err, broken) {
		t.Error(err)
	}
	none("a reader that breaks")
	if _, err := d.Put(t.Context(), uuid.NewString(), strings.NewReader("four"), 3); !errors.Is(err, blob.ErrTooLarge) {
		t.Error(err)
	}
	none("too large")
	if _, err := d.Put(t.Context(), had, strings.NewReader("another"), noLimit); !errors.Is(err, blob.ErrExists) {
		t.Error(err)
	}
	if got := read(t, d, had, 0); got != "had" {
		t.Errorf("%q", got)
	}

	r, w := io.Pipe()
	version, done := uuid.NewString(), make(chan error)
	go func() {
		_, err := d.Put(t.Context(), version, r, noLimit)
		done <- err
	}()
	if _, err := io.WriteString(w, "first, "); err != nil { // returns when Put has read it
		t.Fatal(err)
	}
	none("while it is written")
	hold := d.Hold()
	if n, size, err := d.LinkTo(t.Context(), t.TempDir(), false); n != 1 || size != 3 || err != nil {
		t.Errorf("a snapshot while it is written: %d, %d, %v", n, size, err)
	}
	if err := hold.Release(nil); err != nil {
		t.Error(err)
	}
	if _, err := io.WriteString(w, "second"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), <-done); err != nil {
		t.Fatal(err)
	}
	if got := read(t, d, version, 0); got != "first, second" {
		t.Errorf("%q", got)
	}
	if n, size, err := d.LinkTo(t.Context(), t.TempDir(), false); n != 2 || size != 16 || err != nil {
		t.Errorf("a snapshot afterwards: %d, %d, %v", n, size, err)
	}
}
