package pgcron

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// numbers are what a set of a field holds.
func numbers(f field, s set) (n []int) {
	for i := range f.high - f.low + 1 {
		if s.has(i) {
			n = append(n, f.low+i)
		}
	}
	return n
}

func span(from, to int) (n []int) {
	for i := from; i <= to; i++ {
		n = append(n, i)
	}
	return n
}

func TestFields(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][5][]int{
		"5 4 * * *":                    {{5}, {4}, span(1, 31), span(1, 12), span(0, 7)},
		"*/15 0 1 1 1":                 {{0, 15, 30, 45}, {0}, {1}, {1}, {1}},
		"0,30 9-17 * * *":              {{0, 30}, span(9, 17), span(1, 31), span(1, 12), span(0, 7)},
		"0 0 1,15 JAN,jul-Sep mOn-fRi": {{0}, {0}, {1, 15}, {1, 7, 8, 9}, span(1, 5)},
		"0-59/20 1-9/4 * * sun":        {{0, 20, 40}, {1, 5, 9}, span(1, 31), span(1, 12), {0, 7}},
		"0 0 * * 7":                    {{0}, {0}, span(1, 31), span(1, 12), {0, 7}},
		"\t 1  2\t3 4 5  ":             {{1}, {2}, {3}, {4}, {5}},
		"# at night\n\n  1 2 3 4 5\n6": {{1}, {2}, {3}, {4}, {5}},
		"1 2 3 4 5 2030 and more":      {{1}, {2}, {3}, {4}, {5}},
		"1;x 2!,3 3-4-5 4 5":           {{1}, {2}, {3, 4}, {4}, {5}},
		"*x */20/7 * * *":              {span(0, 59), {0, 20}, span(1, 31), span(1, 12), span(0, 7)},
		"0 22-6 * * *":                 {{0}, {0, 1, 2, 3, 4, 5, 6, 22, 23}, span(1, 31), span(1, 12), span(0, 7)},
		"50-10 0 25-5 nov-feb fri-mon": {{8, 9, 10, 50, 51, 52, 53, 54, 55}, {0}, append(span(1, 5), span(25, 31)...), {1, 2, 11, 12}, nil},
		"30-10/5 0 * * *":              {nil, {0}, span(1, 31), span(1, 12), span(0, 7)},
		"0004294967301 0 * * *":        {{5}, {0}, span(1, 31), span(1, 12), span(0, 7)},
	} {
		s, err := Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := [5][]int{numbers(minutes, s.minute), numbers(hours, s.hour), numbers(days, s.day), numbers(months, s.month), numbers(weekdays, s.weekday)}
		for i := range got {
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("%q: field %d is %v, want %v", text, i+1, got[i], want[i])
			}
		}
	}
}

// valid and invalid are schedules that pg_cron takes and refuses; its own
// regression test is among them.
var (
	valid = []string{
		"0 10 * * *", "@restart", "@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly",
		"@hourly after all", "  @daily\nx", "0 11 * * *", "0 0 $ * *", "0 0 $ 2 *", "* * * * * *", "*,1 * * * *", "*/59 * * * *",
		"1 second", "30 seconds", "59 SECONDS", " 5seconds ", "+5 Second", "4294967301 seconds", "-4294967291 seconds", "1\n second",
		"1 1 1 1 1" + strings.Repeat(" ", 990), strings.Repeat(" ", 2000) + "7 seconds",
	}
	invalid = []string{
		"", " ", "#", "# only\n", "* * * *", "5 secondc", "50 seconds c", "*/0 10 * * *", "-1 * * * *", "*/-1 10 * * *", "*/60 10 * * *",
		"* * * 13 *", "* * * 0 *", "*/5000000000 10 * * *", "-1 seconds", "0 seconds", "60 seconds", "10000000000 seconds", "@restar",
		strings.Repeat("a", 1000), "1 1 1 1 1" + strings.Repeat(" ", 991), "60 * * * *", "* 24 * * *", "* * 32 * *", "* * 0 * *", "* * * * 8",
		"@Hourly", "@", "@ daily", "1, * * * *", ",1 * * * *", "1-,2 * * * *", "1- 2 * * *", "1/5 * * * *", "*/ * * * *", "1-5/ * * * *",
		"1-5/x * * * *", "x * * * *", "1x * * * *", "jan * * * *", "* * * monday *", "* * mon * *", "* * $1 * *", "0 0 $", "0 0 $\n* *",
		"* * 1,$ * *", "* *\n* * *", "99999999999999999999 * * * *", "* * * * mon/2", "1 seconds s", "one second", "second", "1.5 seconds",
		"5 second ", "* */30 * * *", "* * * * 5/", "1 minute", "30 ſeconds", "٣ * * * *", "every day",
	}
)

func TestValid(t *testing.T) {
	t.Parallel()
	for _, text := range valid {
		if _, err := Parse(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range invalid {
		_, err := Parse(text)
		var e *SyntaxError
		if !errors.As(err, &e) || e.Error() != "invalid schedule: "+text || e.SQLState() != "22023" || e.Hint() == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range slices.Concat(valid, invalid) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if s.seconds < 0 || s.seconds > 59 {
			t.Errorf("%q: an interval of %d seconds", text, s.seconds)
		}
		if again, err := Parse(text + " "); err != nil && len(text) < maxSchedule && s.seconds == 0 {
			t.Errorf("%q with a blank behind it: %v, %+v", text, err, again)
		}
		if next := s.Next(epoch, false); !next.IsZero() && !next.After(epoch) {
			t.Errorf("%q after %v is %v", text, epoch, next)
		}
	})
}
