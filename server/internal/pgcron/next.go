package pgcron

import "time"

// horizon is how far Next looks: 29 February is on every day of the week once
// in 40 years.
const horizon = 41

// Seconds is the interval of a schedule such as "30 seconds", 0 for others.
func (s Schedule) Seconds() int { return s.seconds }

// OnStart tells a schedule of @reboot.
func (s Schedule) OnStart() bool { return s.reboot }

// Never tells that no time is one of the schedule's: @yearly, and @reboot,
// which is no time.
func (s Schedule) Never() bool { return s.seconds == 0 && s.month == 0 }

// wild tells that the minutes or the hours began with *. Of such a schedule a
// clock that jumps leaves only the present minute.
func (s Schedule) wild() bool { return s.anyMinute || s.anyHour }

// Matches tells whether the minute of t, as a clock in t's location shows it, is
// one of the schedule's. both asks the day to be one of the month's and of the
// week's; without it, where neither began with *, one is enough.
func (s Schedule) Matches(t time.Time, both bool) bool {
	return s.minute.has(t.Minute()) && s.hour.has(t.Hour()) && s.onDay(t, both)
}

// onDay tells whether the day of t is one of the schedule's.
func (s Schedule) onDay(t time.Time, both bool) bool {
	if !s.month.has(int(t.Month()) - 1) {
		return false
	}
	ofMonth := s.day.has(t.Day()-1) || s.lastDay && t.Add(24*time.Hour).Day() == 1
	ofWeek := s.weekday.has(int(t.Weekday()))
	if both || s.anyDay || s.anyWeekday {
		return ofMonth && ofWeek
	}
	return ofMonth || ofWeek
}

// Next is the first time after t that is the schedule's, in t's location; it is
// the zero time where none comes. An interval is due when its seconds divide
// those since 1970.
func (s Schedule) Next(t time.Time, both bool) time.Time {
	if s.seconds > 0 {
		interval := int64(s.seconds)
		return time.Unix((t.Unix()/interval+1)*interval, 0).In(t.Location())
	}
	if s.Never() || s.minute == 0 || s.hour == 0 {
		return time.Time{}
	}
	end := t.AddDate(horizon, 0, 0)
	for t = minuteAfter(t); t.Before(end); {
		switch {
		case !s.onDay(t, both):
			t = later(t, time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, t.Location()))
		case !s.hour.has(t.Hour()):
			t = t.Add(time.Duration(60-t.Minute()) * time.Minute)
		case !s.minute.has(t.Minute()):
			t = t.Add(time.Minute)
		default:
			return t
		}
	}
	return time.Time{}
}

// minuteAfter is the beginning of the next minute.
func minuteAfter(t time.Time) time.Time { return minuteOf(t).Add(time.Minute) }

// minuteOf is the beginning of t's minute.
func minuteOf(t time.Time) time.Time {
	return time.Unix(t.Unix()-t.Unix()%60, 0).In(t.Location())
}

// later is to, the next day's beginning, or the next minute where a day that
// has no midnight makes that no progress.
func later(from, to time.Time) time.Time {
	if !to.After(from) {
		return from.Add(time.Minute)
	}
	return to
}

// Due are the times after from up to to that are the schedule's: of more than
// most, the last, and cut says so.
func (s Schedule) Due(from, to time.Time, both bool, most int) (times []time.Time, cut bool) {
	// from the end backwards, so that a long time costs no more than a short one
	for window := time.Duration(most+1) * time.Minute; ; window *= 4 {
		begin := from
		if window < to.Sub(from) {
			begin = to.Add(-window)
		}
		times = times[:0]
		for t := s.Next(begin, both); !t.IsZero() && !t.After(to); t = s.Next(t, both) {
			times = append(times, t)
		}
		if len(times) > most {
			return times[len(times)-most:], true
		}
		if begin.Equal(from) {
			return times, false
		}
	}
}

// Passed counts the runs of a schedule of fields for the minutes after last up
// to now, both the beginning of one, as pg_cron counts them: every minute's, as
// long as they are five at most. Where the clock has jumped further, up to
// three hours, a schedule that names its minute and its hour is due for each of
// the minutes left out, and others only for the present one; beyond that all
// are due for the present one only.
func (s Schedule) Passed(last, now time.Time, both bool) (runs int) {
	minutes := int(now.Sub(last) / time.Minute)
	if minutes > 3*60 || minutes > 5 && s.wild() {
		last = now.Add(-time.Minute)
	}
	for t := last.Add(time.Minute); !t.After(now); t = t.Add(time.Minute) {
		if s.Matches(t, both) {
			runs++
		}
	}
	return runs
}
