// Package mail holds the mailbox: every message the server sends lands in it,
// so that a test or a developer can read it at once.
package mail

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind says what carries a message.
type Kind string

// The kinds of messages.
const (
	Email Kind = "email"
	SMS   Kind = "sms"
)

// Message is one message to one recipient.
type Message struct {
	ID      string // given by the box
	Kind    Kind
	From    string
	To      string // an address, or a number in digits
	Subject string
	Text    string
	HTML    string
	Created time.Time
	Read    bool
	// Tags name what the message is about, such as "recovery".
	Tags []string
}

// DefaultCapacity is how many messages a Box keeps.
const DefaultCapacity = 5000

// Box keeps the newest messages in memory. It is safe for concurrent use; its
// zero value is not, see NewBox.
type Box struct {
	capacity int

	mu       sync.Mutex
	messages []Message // oldest first
	changed  chan struct{}
}

// NewBox makes a box that keeps the newest capacity messages; 0 means
// DefaultCapacity.
func NewBox(capacity int) *Box {
	if capacity <= 0 {
		capacity = DefaultCapacity
	}
	return &Box{capacity: capacity, changed: make(chan struct{})}
}

// Deliver puts m into the box and returns it with its id. When Deliver
// returns, readers see the message.
func (b *Box) Deliver(m Message) Message {
	m.ID = rand.Text()
	if m.Kind == "" {
		m.Kind = Email
	}
	if m.Created.IsZero() {
		m.Created = time.Now()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.messages) >= b.capacity {
		b.messages = slices.Delete(b.messages, 0, len(b.messages)-b.capacity+1)
	}
	b.messages = append(b.messages, m)
	close(b.changed)
	b.changed = make(chan struct{})
	return m
}

// Filter selects messages; an empty field selects all.
type Filter struct {
	To  string // the recipient, in any case
	Tag string
}

func (f Filter) matches(m Message) bool {
	return (f.To == "" || strings.EqualFold(f.To, m.To)) && (f.Tag == "" || slices.Contains(m.Tags, f.Tag))
}

// List returns the messages that f selects, newest first.
func (b *Box) List(f Filter) []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.list(f)
}

func (b *Box) list(f Filter) []Message {
	out := []Message{}
	for _, m := range slices.Backward(b.messages) {
		if f.matches(m) {
			out = append(out, m)
		}
	}
	return out
}

// Wait returns the messages that f selects, newest first, as soon as there is
// one. It fails only when ctx ends first.
func (b *Box) Wait(ctx context.Context, f Filter) ([]Message, error) {
	for {
		b.mu.Lock()
		found, changed := b.list(f), b.changed
		b.mu.Unlock()
		if len(found) > 0 {
			return found, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Get returns the message with the id, or the newest one for "latest", and
// marks it as read.
func (b *Box) Get(id string) (Message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.messages) - 1; i >= 0; i-- {
		if id == "latest" || b.messages[i].ID == id {
			b.messages[i].Read = true
			return b.messages[i], true
		}
	}
	return Message{}, false
}

// Delete removes the messages with the ids, or all when there is none.
func (b *Box) Delete(ids ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(ids) == 0 {
		b.messages = nil
		return
	}
	b.messages = slices.DeleteFunc(b.messages, func(m Message) bool { return slices.Contains(ids, m.ID) })
}
