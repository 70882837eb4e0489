package auth_test

import (
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/httpx/lean"
)

// BenchmarkIdle is what a load leaves behind: requests of every kind by eight
// clients, who then go. It fails when goroutines have stayed, or more than a
// little memory, beyond what an earlier load of the same kind had left.
func BenchmarkIdle(b *testing.B) {
	const clients, limit = 8, 1 << 20
	f := start(b, nil)
	var serial int
	load := func() {
		u := f.signUp(b, fmt.Sprintf("idle%d@example.com", serial))
		serial++
		done := make(chan error)
		for range clients {
			go func() { done <- idleLoad(f, u) }()
		}
		for range clients {
			if err := <-done; err != nil {
				b.Error(err)
			}
		}
	}
	left := func() (goroutines int, heap int64) {
		http.DefaultClient.CloseIdleConnections()
		var m runtime.MemStats
		for deadline := time.Now().Add(5 * time.Second); ; { // what the last answers used ends a little after them
			runtime.GC()
			runtime.ReadMemStats(&m)
			if n := runtime.NumGoroutine(); goroutines == 0 || n < goroutines {
				goroutines, heap = n, int64(m.HeapAlloc)
			} else if time.Now().After(deadline) || n == goroutines {
				return n, min(heap, int64(m.HeapAlloc))
			}
		}
	}
	load()
	goroutines, heap := left()
	for b.Loop() {
		load()
	}
	after, used := left()
	b.ReportMetric(float64(after-goroutines), "more-goroutines")
	b.ReportMetric(float64(used)/1e6, "heap-MB")
	b.ReportMetric(float64(used-heap)/1e6, "more-heap-MB")
	if after > goroutines {
		b.Errorf("%d goroutines have become %d", goroutines, after)
	}
	if used-heap > limit {
		b.Errorf("the heap has grown by %.2f MB, 1 is the limit", float64(used-heap)/1e6)
	}
}

// idleLoad is a sign-in and what an app does with it, some times over.
func idleLoad(f *fixture, u user) error {
	c, err := lean.Dial(f.url)
	if err != nil {
		return err
	}
	defer c.Close()
	for range 20 {
		answer, err := answered(c, f.raw("POST", "/token?grant_type=password", "", `{"email":"`+u.email+`","password":"`+u.password+`"}`))
		if err != nil {
			return err
		}
		for _, request := range [][]byte{
			f.raw("POST", "/token?grant_type=refresh_token", "", `{"refresh_token":"`+refreshToken(answer)+`"}`),
			f.raw("GET", "/user", u.token, ""), f.raw("GET", "/settings", "", ""),
		} {
			if _, err := answered(c, request); err != nil {
				return err
			}
		}
	}
	return nil
}
