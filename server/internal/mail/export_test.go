package mail

import "errors"

// EnvelopeOf is the one recipient that SMTP is told of a message.
func EnvelopeOf(m *Message) (string, error) {
	_, to, err := envelope(m)
	if err != nil {
		return "", err
	}
	if len(to) != 1 {
		return "", errors.New("not one recipient")
	}
	return to[0], nil
}

// NewSmallBox is a box of few bytes.
func NewSmallBox(bytes int) *Box {
	b := NewBox(0)
	b.maxBytes = bytes
	return b
}
