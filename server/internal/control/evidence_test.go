package control

import (
	"fmt"
	"testing"

	"github.com/suparust/suparust/server/internal/gateway"
)

// TestRecent: the newest requests are kept, and listed first.
func TestRecent(t *testing.T) {
	t.Parallel()
	var q Recent
	if list := q.List(); len(list) != 0 || list == nil { // in JSON nil is none of a list
		t.Errorf("of none: %#v", list)
	}
	for i := range 2*keptRecords + 3 {
		q.Note(gateway.Record{ID: fmt.Sprint(i)})
		list := q.List()
		if want := min(i+1, keptRecords); len(list) != want || list[0].ID != fmt.Sprint(i) || list[want-1].ID != fmt.Sprint(i+1-want) {
			t.Fatalf("after %d: %d from %s to %s", i+1, len(list), list[0].ID, list[len(list)-1].ID)
		}
	}
}
