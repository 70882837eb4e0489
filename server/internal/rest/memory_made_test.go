package rest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/rest/request"
)

// TestMadeIsHeld: the text made of a body takes memory as the body itself does.
func TestMadeIsHeld(t *testing.T) {
	t.Parallel()
	m := newMemory(8 << 20)
	m.wait = time.Millisecond
	other := hold{of: m}
	if err := other.take(t.Context(), 5<<20); err != nil {
		t.Fatal(err)
	}
	mine := hold{of: m}
	var body request.Maker = &heldBody{Reader: strings.NewReader(""), ctx: t.Context(), hold: &mine}
	if err := errors.Join(body.Made(smallHold), body.Made(smallHold)); err != nil || mine.taken != 0 {
		t.Errorf("%v with %d bytes held for a small text", err, mine.taken)
	}
	if err := body.Made(4 * smallHold); !errors.Is(err, errMemory) {
		t.Errorf("a large text found memory that is not there: %v", err)
	}
	mine.release()
	other.release()
	if !m.free.TryAcquire(m.size) {
		t.Error("not all of the memory came back")
	}
}
