package auth

import (
	"regexp"
	"strings"
)

// emailForm is the form of addresses that browsers accept in an email field.
var emailForm = regexp.MustCompile(
	"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$")

var phoneForm = regexp.MustCompile(`^[1-9][0-9]{1,14}$`)

const maxEmail = 255

// validEmail checks an address and brings it into the form that is stored.
func validEmail(s string) (string, error) {
	switch {
	case s == "":
		return "", invalid("An email address is required")
	case len(s) > maxEmail:
		return "", invalid("An email address is too long")
	case !emailForm.MatchString(s):
		return "", invalid("Unable to validate email address: invalid format")
	}
	return strings.ToLower(s), nil
}

// phoneDigits removes what people put between and before the digits.
func phoneDigits(s string) string {
	return strings.ReplaceAll(strings.TrimPrefix(s, "+"), " ", "")
}

// validPhone checks a number and brings it into the form that is stored.
func validPhone(s string) (string, error) {
	s = phoneDigits(s)
	if !phoneForm.MatchString(s) {
		return "", invalid("Invalid phone number format (E.164 required)")
	}
	return s, nil
}

const invalidChannel = "Invalid channel, supported values are 'sms' or 'whatsapp'. 'whatsapp' is only supported if Twilio or Twilio Verify is used as the provider."
