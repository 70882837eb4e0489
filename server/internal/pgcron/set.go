package pgcron

// set is a set of small numbers.
type set uint64

func (s set) has(n int) bool { return s&(1<<n) != 0 }

func (s *set) add(n int) { *s |= 1 << n }

// addRange adds every step-th number. A range of all numbers that ends before
// it begins is what pg_cron makes of it, byte by byte: hours of 22-6 go over
// midnight, minutes of 50-10 are 50 to 55 and 8 to 10, days of Fri-Mon none.
func (s *set) addRange(from, to, step int) {
	if step > 1 {
		for n := from; n <= to; n += step {
			s.add(n)
		}
		return
	}
	const whole = 0xff
	first, last := from/8, to/8
	head, tail := set(whole<<(from%8)&whole), set(whole>>(7-to%8))
	if first == last {
		*s |= (head & tail) << (8 * first)
		return
	}
	*s |= head<<(8*first) | tail<<(8*last)
	for b := first + 1; b < last; b++ {
		*s |= whole << (8 * b)
	}
}
