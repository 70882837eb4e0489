package pgcron

import "strings"

// parseInterval reads what C's sscanf does with " %u secon%c%c %c": a number of
// 1 to 59 and the word second or seconds, in any case.
func parseInterval(text string) (seconds int, ok bool) {
	text = skipSpace(text)
	negative := strings.HasPrefix(text, "-")
	if negative || strings.HasPrefix(text, "+") {
		text = text[1:]
	}
	end := 0
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	if end == 0 {
		return 0, false
	}
	n := scanned(text[:end], negative)
	word := skipSpace(text[end:])
	const unit = "second"
	if len(word) < len(unit) || !strings.EqualFold(word[:len(unit)], unit) {
		return 0, false
	}
	if plural := word[len(unit):]; plural != "" && (plural[0]|0x20 != 's' || skipSpace(plural[1:]) != "") {
		return 0, false
	}
	return int(n), n > 0 && n < 60
}

// scanned is what C's %u makes of digits: the low 32 bits of 64, where all bits
// are set of a number that has more.
func scanned(digits string, negative bool) uint32 {
	const most = 1<<64 - 1
	var n uint64
	for i := range len(digits) {
		d := uint64(digits[i] - '0')
		if n > (most-d)/10 {
			return 1<<32 - 1
		}
		n = n*10 + d
	}
	if negative {
		n = -n
	}
	return uint32(n)
}

func skipSpace(text string) string { return strings.TrimLeft(text, " \t\n\v\f\r") }
