package storage

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func errRobots(message string) *Error {
	return &Error{Status: 400, Name: "invalid_x_robots_tag", Code: "InvalidRequest",
		Message: "Invalid X-Robots-Tag header: " + message}
}

var (
	robotsRules = map[string]bool{
		"all": true, "noindex": true, "nofollow": true, "none": true, "nosnippet": true,
		"indexifembedded": true, "notranslate": true, "noimageindex": true,
	}
	robotsPreviews = map[string]bool{"none": true, "standard": true, "large": true}

	// a date may hold commas: it ends before one that a rule or an agent follows
	robotsDateEnd = regexp.MustCompile(`,\s*(?:all|noindex|nofollow|none|nosnippet|indexifembedded|notranslate|noimageindex|max-snippet|max-image-preview|max-video-preview|unavailable_after|[a-zA-Z0-9_-]+:)`)
)

// checkRobots refuses a value of X-Robots-Tag that no crawler would read:
// rules with commas between them, each after a crawler's name or not.
func checkRobots(value string) error {
	value = strings.TrimSpace(value)
	if value == "" {
		return errRobots("X-Robots-Tag header value must be a non-empty string")
	}
	for rest := value; rest != ""; {
		var rule string
		rule, rest = cutRobotsRule(rest)
		if err := checkRobotsRule(rule); err != nil {
			return err
		}
	}
	return nil
}

// cutRobotsRule cuts the first rule off value.
func cutRobotsRule(value string) (rule, rest string) {
	if date, ok := strings.CutPrefix(value, "unavailable_after:"); ok {
		if end := robotsDateEnd.FindStringIndex(date); end != nil {
			return "unavailable_after:" + date[:end[0]], strings.TrimSpace(date[end[0]+1:])
		}
		return value, ""
	}
	rule, rest, _ = strings.Cut(value, ",")
	return strings.TrimSpace(rule), strings.TrimSpace(rest)
}

func checkRobotsRule(rule string) error {
	if rule == "" {
		return errRobots("X-Robots-Tag header contains empty rule")
	}
	if robotsRules[rule] {
		return nil
	}
	name, value, found := strings.Cut(rule, ":")
	value = strings.TrimSpace(value)
	if !found {
		return errRobots(`Invalid X-Robots-Tag rule: "` + rule + `"`)
	}
	switch name {
	case "max-snippet", "max-video-preview", "max-image-preview", "unavailable_after":
		return checkRobotsParameter(name, value)
	}
	if value == "" {
		return errRobots(`X-Robots-Tag user agent "` + strings.TrimSpace(name) + `" has no rules specified`)
	}
	return checkRobotsRule(value)
}

func checkRobotsParameter(name, value string) error {
	bad := func(must string) error {
		return errRobots(`X-Robots-Tag "` + name + `" value must be ` + must + `, got: "` + value + `"`)
	}
	switch {
	case value == "":
		return errRobots(`X-Robots-Tag rule "` + name + `" requires a value`)
	case name == "max-image-preview":
		if !robotsPreviews[value] {
			return bad("one of: none, standard, large")
		}
	case name == "unavailable_after":
		if !isDate(value) {
			return bad("a valid date")
		}
	default:
		if n, err := strconv.ParseInt(value, 10, 64); err != nil || n < -1 || value[0] == '+' {
			return bad("an integer >= -1")
		}
	}
	return nil
}

// isDate takes the forms of dates that crawlers document.
func isDate(s string) bool {
	if _, err := http.ParseTime(s); err == nil {
		return true
	}
	for _, layout := range []string{
		time.RFC3339, time.DateTime, time.DateOnly, "2006-01-02T15:04:05", "2006-01-02T15:04",
		time.RFC822, time.RFC822Z, time.RFC850, time.RFC1123Z,
		"2 Jan 2006 15:04:05 MST", "02-Jan-06 15:04:05 MST", "2 Jan 2006", "Jan 2, 2006", "January 2, 2006",
	} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}
