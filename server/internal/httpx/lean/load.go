package lean

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Figures are what a load has shown.
type Figures struct {
	PerSecond   float64
	Median, P99 time.Duration // of one round
	CPU         time.Duration // of this process, all rounds together
}

// Load has so many workers do rounds until n are done. The first error ends
// it.
func Load(workers int, n int64, round func(worker int) error) (Figures, error) {
	var wg sync.WaitGroup
	var left atomic.Int64
	var once sync.Once
	var failed error
	left.Store(n)
	times := make([][]time.Duration, workers)
	for i := range times {
		times[i] = make([]time.Duration, 0, n/int64(workers)+n/4+16)
	}
	begin, cpu := time.Now(), ProcessorTime()
	for i := range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				start := time.Now()
				if err := round(i); err != nil {
					once.Do(func() { failed = err })
					left.Store(0)
					return
				}
				times[i] = append(times[i], time.Since(start))
			}
		})
	}
	wg.Wait()
	f := Figures{PerSecond: float64(n) / time.Since(begin).Seconds(), CPU: ProcessorTime() - cpu}
	all := slices.Concat(times...)
	slices.Sort(all)
	if len(all) > 0 {
		f.Median, f.P99 = all[len(all)/2], all[len(all)*99/100]
	}
	return f, failed
}

// ProcessorTimeOf is what another process, of one thread, has used, 0 where
// the system does not tell it.
func ProcessorTimeOf(pid int) time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/schedstat")
	if err != nil {
		return 0 // no Linux, or the process has ended
	}
	onCPU, _, _ := strings.Cut(string(text), " ")
	ns, _ := strconv.ParseInt(onCPU, 10, 64)
	return time.Duration(ns)
}
