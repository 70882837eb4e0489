package pgcron

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // of zones that the machine may not have
)

var epoch = time.Date(2026, 1, 31, 12, 30, 15, 0, time.UTC)

func schedule(t *testing.T, text string) Schedule {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, after, want string }{
		{"* * * * *", "2026-01-31T12:30:15Z", "2026-01-31T12:31:00Z"},
		{"30 12 * * *", "2026-01-31T12:30:00Z", "2026-02-01T12:30:00Z"},
		{"0 3 * * *", "2026-01-31T12:30:15Z", "2026-02-01T03:00:00Z"},
		{"0 0 $ * *", "2026-02-01T00:00:00Z", "2026-02-28T00:00:00Z"},
		{"0 0 $ 2 *", "2026-03-01T00:00:00Z", "2027-02-28T00:00:00Z"},
		{"0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		{"0 0 31 2 *", "2026-01-01T00:00:00Z", ""},
		{"0 0 13 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"}, // a 13th or a Friday
		{"0 0 13 * *", "2026-01-01T00:00:00Z", "2026-01-13T00:00:00Z"},
		{"0 0 * * sun", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"},
		{"@monthly", "2026-01-31T12:30:15Z", "2026-02-01T00:00:00Z"},
		{"@weekly", "2026-01-31T12:30:15Z", "2026-02-01T00:00:00Z"},
		{"@daily", "2026-01-31T12:30:15Z", "2026-02-01T00:00:00Z"},
		{"@hourly", "2026-01-31T12:30:15Z", "2026-01-31T13:00:00Z"},
		{"@yearly", "2026-01-31T12:30:15Z", ""}, // pg_cron's names no month
		{"@reboot", "2026-01-31T12:30:15Z", ""},
		{"30 seconds", "2026-01-31T12:30:15Z", "2026-01-31T12:30:30Z"},
		{"30 seconds", "2026-01-31T12:30:30Z", "2026-01-31T12:31:00Z"},
	} {
		after, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if next := schedule(t, c.text).Next(after, false); !next.IsZero() {
			got = next.Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%s after %s is %q, want %q", c.text, c.after, got, c.want)
		}
	}
	if next := schedule(t, "0 0 13 * 5").Next(epoch, true); next.Format(time.DateOnly) != "2026-02-13" {
		t.Errorf("a Friday the 13th is %v", next)
	}
}

// TestNextIsTheFirstMatch compares Next with minute after minute, in zones whose
// clocks are changed by an hour, by half an hour and at midnight.
func TestNextIsTheFirstMatch(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	part := func(low, high int) string {
		switch rnd.IntN(4) {
		case 0:
			return "*"
		case 1:
			return fmt.Sprintf("*/%d", 1+rnd.IntN(high))
		case 2:
			return fmt.Sprintf("%d-%d", low+rnd.IntN(high-low), low+rnd.IntN(high-low))
		}
		return fmt.Sprint(low + rnd.IntN(high-low+1))
	}
	for _, zone := range []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu"} {
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for range 25 {
			text := fmt.Sprintf("%s %s %s %s %s", part(0, 59), part(0, 23), part(1, 31), part(1, 12), part(0, 7))
			s, both := schedule(t, text), rnd.IntN(2) == 0
			// from days around a change of the clock: the last of October 2018, the first of April 2018
			after := time.Date(2018, []time.Month{3, 4, 10, 11}[rnd.IntN(4)], 1+rnd.IntN(31), rnd.IntN(24), rnd.IntN(60), rnd.IntN(60), 0, location)
			want := time.Time{}
			for m, i := minuteAfter(after), 0; i < 40*24*60; m, i = m.Add(time.Minute), i+1 {
				if s.Matches(m, both) {
					want = m
					break
				}
			}
			got := s.Next(after, both)
			if !want.IsZero() && !got.Equal(want) || want.IsZero() && !got.IsZero() && got.Sub(after) < 40*24*time.Hour-time.Minute {
				t.Errorf("%s in %s after %v is %v, want %v", text, zone, after, got, want)
			}
		}
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		long time.Duration
		runs int
		cut  bool
	}{
		{"* * * * *", 30 * time.Second, 0, false},
		{"* * * * *", 45 * time.Second, 1, false},
		{"* * * * *", time.Hour, 60, false},
		{"* * * * *", 61 * time.Minute, 60, true},
		{"* * * * *", 365 * 24 * time.Hour, 60, true},
		{"0 * * * *", 24 * time.Hour, 24, false},
		{"@monthly", 365 * 24 * time.Hour, 12, false},
		{"10 seconds", time.Minute, 6, false},
		{"1 second", time.Hour, 60, true},
		{"@reboot", 365 * 24 * time.Hour, 0, false},
	} {
		times, cut := schedule(t, c.text).Due(epoch, epoch.Add(c.long), false, 60)
		if len(times) != c.runs || cut != c.cut || !slices.IsSortedFunc(times, time.Time.Compare) {
			t.Errorf("%s in %v: %d times, %v", c.text, c.long, len(times), cut)
		}
		if cut && times[len(times)-1].Before(epoch.Add(c.long-time.Minute)) {
			t.Errorf("%s in %v: the last is %v", c.text, c.long, times[len(times)-1])
		}
	}
}

func TestPassed(t *testing.T) {
	t.Parallel()
	begin := minuteOf(epoch) // 12:30
	for _, c := range []struct {
		text    string
		minutes int
		want    int
	}{
		{"* * * * *", 0, 0},
		{"* * * * *", 5, 5},
		{"* * * * *", 6, 1},
		{"*/7 * * * *", 10, 0},  // 12:35 was left out, and 12:40 is none of its minutes
		{"32 12 * * *", 10, 1},  // names both, so that it is made up for
		{"32 * * * *", 10, 0},   // does not
		{"32 12 * * *", 180, 1}, // three hours
		{"32 12 * * *", 181, 0},
		{"31 15 * * *", 181, 1}, // the present minute
		{"* * * * *", -10, 0},
	} {
		if n := schedule(t, c.text).Passed(begin, begin.Add(time.Duration(c.minutes)*time.Minute), false); n != c.want {
			t.Errorf("%s after %d minutes: %d runs, want %d", c.text, c.minutes, n, c.want)
		}
	}
}
