// Package pgcron runs the jobs of the extension pg_cron, whose tables and
// functions are those of migrations/extensions: it reads their schedules as
// pg_cron does, and runs them by a clock that can be moved.
package pgcron

import (
	"fmt"
	"strings"
)

// maxSchedule is how many bytes a schedule of fields may have.
const maxSchedule = 999

// SyntaxError is a schedule that pg_cron refuses.
type SyntaxError struct{ Schedule string }

func (e *SyntaxError) Error() string { return fmt.Sprintf("invalid schedule: %s", e.Schedule) }

// SQLState is that of the database's error: invalid_parameter_value.
func (e *SyntaxError) SQLState() string { return "22023" }

// Hint is that of the database's error.
func (e *SyntaxError) Hint() string {
	return "Use cron format (e.g. 5 4 * * *), or interval format '[1-59] seconds'"
}

// field is the part of a schedule that one number is matched with.
type field struct {
	low, high int
	names     []string // of low, low+1 and so on
}

var (
	minutes  = field{low: 0, high: 59}
	hours    = field{low: 0, high: 23}
	days     = field{low: 1, high: 31}
	months   = field{low: 1, high: 12, names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}}
	weekdays = field{low: 0, high: 7, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}
)

// Schedule is when a job is due.
type Schedule struct {
	seconds int  // of an interval; the fields say nothing then
	reboot  bool // when the scheduler starts

	minute, hour, day, month, weekday set
	lastDay                           bool // $: the last day of the month
	// Which fields began with *: a day has to be one of the month's and of the
	// week's where one of both did, and the others are what a clock that jumps
	// is asked for but once.
	anyMinute, anyHour, anyDay, anyWeekday bool
}

// every are the schedules that have a name. @yearly and @annually name no
// month: pg_cron takes them, and never runs them.
var every = map[string]Schedule{
	"reboot":   {reboot: true},
	"restart":  {reboot: true},
	"yearly":   {minute: 1, hour: 1, day: 1, weekday: weekdays.all(), anyWeekday: true},
	"annually": {minute: 1, hour: 1, day: 1, weekday: weekdays.all(), anyWeekday: true},
	"monthly":  {minute: 1, hour: 1, day: 1, month: months.all(), weekday: weekdays.all(), anyWeekday: true},
	"weekly":   {minute: 1, hour: 1, day: days.all(), month: months.all(), weekday: 1, anyWeekday: true},
	"daily":    {minute: 1, hour: 1, day: days.all(), month: months.all(), weekday: weekdays.all()},
	"midnight": {minute: 1, hour: 1, day: days.all(), month: months.all(), weekday: weekdays.all()},
	"hourly":   {minute: 1, hour: hours.all(), day: days.all(), month: months.all(), weekday: weekdays.all(), anyHour: true},
}

// Parse reads a schedule as pg_cron 1.6 does, with all that it takes: lists,
// ranges, steps, names of months and of days of the week in any case, $ for the
// last day of a month, @hourly and its like, "30 seconds". What follows the
// fifth field is ignored, and so is what follows a number up to the next blank
// and cannot belong to it.
func Parse(text string) (Schedule, error) {
	if s, ok := parseFields(text); ok {
		return s, nil
	}
	if n, ok := parseInterval(text); ok {
		return Schedule{seconds: n}, nil
	}
	return Schedule{}, &SyntaxError{text}
}

func parseFields(text string) (Schedule, bool) {
	if len(text) > maxSchedule {
		return Schedule{}, false
	}
	text = skipComments(text)
	if name, ok := strings.CutPrefix(text, "@"); ok {
		if end := strings.IndexAny(name, " \t\n"); end >= 0 {
			name = name[:end]
		}
		s, ok := every[name]
		return s, ok
	}
	var s Schedule
	for _, part := range []struct {
		field
		into *set
		any  *bool
		last *bool
	}{
		{minutes, &s.minute, &s.anyMinute, nil},
		{hours, &s.hour, &s.anyHour, nil},
		{days, &s.day, &s.anyDay, &s.lastDay},
		{months, &s.month, new(bool), nil},
		{weekdays, &s.weekday, &s.anyWeekday, nil},
	} {
		word := text
		if end := strings.IndexAny(text, " \t\n"); end >= 0 {
			word = text[:end]
		}
		text = strings.TrimLeft(text[len(word):], " \t")
		if part.last != nil && strings.HasPrefix(word, "$") {
			if word != "$" || text == "" {
				return s, false
			}
			*part.last = true
			continue
		}
		*part.any = strings.HasPrefix(word, "*")
		var ok bool
		if *part.into, ok = part.parse(word); !ok {
			return s, false
		}
	}
	if s.weekday.has(0) || s.weekday.has(7) { // both are Sunday
		s.weekday |= 1<<0 | 1<<7
	}
	return s, true
}

// skipComments cuts blanks and lines that are empty or begin with #.
func skipComments(text string) string {
	for {
		text = strings.TrimLeft(text, " \t")
		if text == "" || text[0] != '\n' && text[0] != '#' {
			return text
		}
		_, rest, ok := strings.Cut(text, "\n")
		if !ok {
			return ""
		}
		text = rest
	}
}

// parse reads the list of a field: numbers, ranges and steps.
func (f field) parse(list string) (set, bool) {
	var s set
	for {
		rest, ok := f.parseRange(list, &s)
		if !ok {
			return 0, false
		}
		if list, ok = strings.CutPrefix(rest, ","); !ok {
			return s, true // nobody reads what else is there
		}
	}
}

// parseRange reads one range and returns what follows it.
func (f field) parseRange(text string, s *set) (rest string, ok bool) {
	from, to := f.low, f.high
	rest, whole := strings.CutPrefix(text, "*")
	if !whole {
		if from, rest, ok = number(text, f); !ok {
			return "", false
		}
		upTo, isRange := strings.CutPrefix(rest, "-")
		if !isRange {
			if strings.HasPrefix(rest, "/") || from < f.low || from > f.high {
				return "", false // a step needs a range
			}
			s.add(from - f.low)
			return rest, true
		}
		if to, rest, ok = number(upTo, f); !ok {
			return "", false
		}
	}
	step := 1
	if by, ok := strings.CutPrefix(rest, "/"); ok {
		if step, rest, ok = number(by, field{}); !ok || step <= 0 {
			return "", false
		}
	}
	if from < f.low || from > f.high || to < f.low || to > f.high || step > f.high {
		return "", false
	}
	s.addRange(from-f.low, to-f.low, step)
	return rest, true
}

// number reads a name of the field or a number.
func number(text string, f field) (n int, rest string, ok bool) {
	end := 0
	for end < len(text) && isAlphanumeric(text[end]) {
		end++
	}
	word, rest := text[:end], text[end:]
	for i, name := range f.names {
		if strings.EqualFold(name, word) {
			return f.low + i, rest, true
		}
	}
	n, ok = atoi(word)
	return n, rest, ok
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// atoi is what C's makes of digits: the low 32 bits of 64.
func atoi(digits string) (int, bool) {
	const most = 1<<63 - 1
	var n uint64
	for i := range len(digits) {
		d := uint64(digits[i] - '0')
		if d > 9 {
			return 0, false
		}
		if n > (most-d)/10 {
			n = most
			continue
		}
		n = n*10 + d
	}
	return int(int32(uint32(n))), digits != ""
}

// all is every number of the field.
func (f field) all() set { return 1<<(f.high-f.low+1) - 1 }
