package mail

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"time"
)

// What a Box keeps; the oldest messages make room for new ones.
const (
	DefaultCapacity = 5000
	DefaultBytes    = 64 << 20
)

// Box keeps the newest messages in memory. It is safe for concurrent use; its
// zero value is not, see NewBox.
type Box struct {
	capacity, maxBytes int

	mu       sync.Mutex
	messages []Message // oldest first
	bytes    int
	deleted  uint64
	changed  chan struct{}
}

// NewBox makes a box that keeps the newest capacity messages, 0 means
// DefaultCapacity, and of those what fits into DefaultBytes.
func NewBox(capacity int) *Box {
	if capacity <= 0 {
		capacity = DefaultCapacity
	}
	return &Box{capacity: capacity, maxBytes: DefaultBytes, changed: make(chan struct{})}
}

// Deliver puts m into the box and returns it with its id. When Deliver
// returns, readers see the message.
func (b *Box) Deliver(m Message) Message {
	m.ID = rand.Text()
	m.Complete()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages = append(b.messages, m)
	b.bytes += m.weight()
	drop := 0
	for drop < len(b.messages)-1 && (len(b.messages)-drop > b.capacity || b.bytes > b.maxBytes) {
		b.bytes -= b.messages[drop].weight()
		drop++
	}
	b.messages = slices.Delete(b.messages, 0, drop)
	close(b.changed)
	b.changed = make(chan struct{})
	return m
}

// Filter selects messages; an empty field selects all.
type Filter struct {
	To  string // a recipient, in any case
	Tag string
}

// Matches reports whether the filter selects the message.
func (f Filter) Matches(m *Message) bool {
	return (f.To == "" || m.IsTo(f.To)) && (f.Tag == "" || slices.Contains(m.Tags, f.Tag))
}

// IsTo reports whether address, in any case, is one of the recipients.
func (m *Message) IsTo(address string) bool {
	if strings.EqualFold(address, m.To) {
		return true
	}
	return slices.ContainsFunc(m.everyone(), func(a Address) bool { return strings.EqualFold(a.Address, address) })
}

// List returns the messages that f selects, newest first.
func (b *Box) List(f Filter) []Message { return b.Select(f.Matches) }

// Select returns the messages for which match is true, newest first.
func (b *Box) Select(match func(*Message) bool) []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.selectLocked(match)
}

func (b *Box) selectLocked(match func(*Message) bool) []Message {
	out := []Message{}
	for i := len(b.messages) - 1; i >= 0; i-- {
		if match(&b.messages[i]) {
			out = append(out, b.messages[i])
		}
	}
	return out
}

// Wait returns the messages that f selects, newest first, as soon as there is
// one. It fails only when ctx ends first.
func (b *Box) Wait(ctx context.Context, f Filter) ([]Message, error) {
	return b.WaitSelect(ctx, f.Matches)
}

// WaitSelect is Select as soon as there is a message for which match is true.
// It fails only when ctx ends first.
func (b *Box) WaitSelect(ctx context.Context, match func(*Message) bool) ([]Message, error) {
	for {
		b.mu.Lock()
		found, changed := b.selectLocked(match), b.changed
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
	m, ok := b.Peek(id)
	if ok {
		b.SetRead(true, func(x *Message) bool { return x.ID == m.ID })
		m.Read = true
	}
	return m, ok
}

// Peek is Get without marking the message.
func (b *Box) Peek(id string) (Message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.messages) - 1; i >= 0; i-- {
		if id == "latest" || b.messages[i].ID == id {
			return b.messages[i], true
		}
	}
	return Message{}, false
}

// SetRead marks the messages for which match is true as read or unread.
func (b *Box) SetRead(read bool, match func(*Message) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.messages {
		if m := &b.messages[i]; m.Read != read && match(m) {
			m.Read = read
		}
	}
}

// Delete removes the messages with the ids, or all when there is none.
func (b *Box) Delete(ids ...string) {
	b.DeleteSelect(func(m *Message) bool { return len(ids) == 0 || slices.Contains(ids, m.ID) })
}

// DeleteSelect removes the messages for which match is true.
func (b *Box) DeleteSelect(match func(*Message) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := len(b.messages)
	b.messages = slices.DeleteFunc(b.messages, func(m Message) bool {
		if !match(&m) {
			return false
		}
		b.bytes -= m.weight()
		return true
	})
	b.deleted += uint64(before - len(b.messages))
}

// Stats counts what is in a Box.
type Stats struct {
	Total, Unread int
	Bytes         int
	Deleted       uint64         // since the box was made
	Tags          map[string]int // messages by tag
}

// Stats counts what is in the box.
func (b *Box) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Stats{Total: len(b.messages), Bytes: b.bytes, Deleted: b.deleted, Tags: map[string]int{}}
	for i := range b.messages {
		if !b.messages[i].Read {
			s.Unread++
		}
		for _, t := range b.messages[i].Tags {
			s.Tags[t]++
		}
	}
	return s
}

// Complete fills in what the sender left open, as Deliver does.
func (m *Message) Complete() {
	if m.Kind == "" {
		m.Kind = Email
	}
	if m.Created.IsZero() {
		m.Created = time.Now()
	}
	if m.To == "" && len(m.Recipients) > 0 {
		m.To = m.Recipients[0].Address
	}
	if m.To != "" && len(m.Recipients) == 0 && len(m.everyone()) == 0 {
		m.Recipients = []Address{{Address: m.To}}
	}
	if m.MessageID == "" {
		m.MessageID = rand.Text() + "@" + m.senderDomain()
	}
	if len(m.Raw) == 0 {
		m.Raw = Compose(*m)
	}
}

func (m *Message) senderDomain() string {
	if _, domain, ok := strings.Cut(m.From.Address, "@"); ok && domain != "" && !strings.ContainsFunc(domain, notHeaderText) {
		return domain
	}
	return "localhost"
}
