package storage

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestFinishing: the end of a write goes on without its client, for as long as
// promised and no longer than twice that.
func TestFinishing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		f := finishes{timeout: finishTimeout}
		defer f.close()
		begin := func() context.Context {
			request, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
			ctx := &finish{Context: f.begin(), request: request}
			cancel()
			return ctx
		}
		first := begin()
		if first.Value(key{}) != "value" || first.Err() != nil {
			t.Fatalf("value %v, error %v", first.Value(key{}), first.Err())
		}
		ended := make(chan time.Time, 1)
		start := time.Now()
		stop := context.AfterFunc(first, func() { ended <- time.Now() })
		defer stop()
		time.Sleep(finishTimeout - time.Second)
		if begin().Done() != first.Done() {
			t.Error("a timer for each")
		}
		time.Sleep(2 * time.Second)
		later := begin()
		if took := (<-ended).Sub(start); took < finishTimeout || took > 2*finishTimeout {
			t.Errorf("ended after %v", took)
		}
		if first.Err() == nil || later.Err() != nil {
			t.Errorf("errors %v, %v", first.Err(), later.Err())
		}
	})
}
