// Package ratelimit counts what clients do and says when it is too much.
package ratelimit

import (
	"container/list"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
)

// bucket holds tokens: a request takes one, time brings them back.
type bucket struct {
	tokens  float64
	changed time.Time
}

// take takes a token, when there is one.
func (b *bucket) take(now time.Time, perSecond, burst float64) bool {
	if passed := now.Sub(b.changed); passed > 0 {
		b.tokens = math.Min(burst, b.tokens+passed.Seconds()*perSecond)
		b.changed = now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// Rule is how much one client may do of one thing.
type Rule struct {
	Events float64       // that come back
	Per    time.Duration // in this time
	Burst  float64       // that may come at once
	// Forget is how long after a client's first request it counts as new.
	Forget time.Duration
}

// maxClients bounds the memory: beyond it, whoever was seen the longest ago is
// forgotten. A client takes some 200 bytes.
const maxClients = 50_000

// Clients keeps a bucket for each rule and client. Clients name themselves, so
// only hashes of their names are kept, and a bounded number of them.
type Clients struct {
	now   func() time.Time
	rules []Rule
	seed  maphash.Seed

	mu   sync.Mutex
	byID map[clientID]*list.Element
	seen list.List // of *client, the last seen first
}

type clientID struct {
	rule int
	name uint64
}

type client struct {
	id    clientID
	first time.Time
	bucket
}

// NewClients makes the buckets of the rules, which Allow numbers from 0.
func NewClients(now func() time.Time, rules ...Rule) *Clients {
	return &Clients{now: now, rules: rules, seed: maphash.MakeSeed(), byID: map[clientID]*list.Element{}}
}

// Allow reports whether the client may do once more what the rule is about.
func (c *Clients) Allow(rule int, name string) bool {
	r, now := c.rules[rule], c.now()
	id := clientID{rule, maphash.String(c.seed, name)}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byID[id]
	if ok {
		c.seen.MoveToFront(e)
	} else {
		e = c.seen.PushFront(&client{id: id})
		c.byID[id] = e
	}
	cl := e.Value.(*client)
	if !ok || now.Sub(cl.first) >= r.Forget {
		cl.first, cl.bucket = now, bucket{tokens: r.Burst, changed: now}
	}
	for c.seen.Len() > maxClients {
		oldest := c.seen.Back()
		delete(c.byID, oldest.Value.(*client).id)
		c.seen.Remove(oldest)
	}
	return cl.take(now, r.Events/r.Per.Seconds(), r.Burst)
}

// Len is the number of clients that are remembered.
func (c *Clients) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen.Len()
}

// Rate is how much all clients together may do of one thing: "30" is 30 an
// hour, counted anew each hour; "30/1m" is 30 at once and one more each minute.
type Rate struct {
	Events float64
	Per    time.Duration
	Burst  bool
}

// Hourly is a number of events each hour.
func Hourly(n float64) *Rate { return &Rate{Events: n, Per: time.Hour} }

// ParseRate reads a rate.
func ParseRate(s string) (*Rate, error) {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		if n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
			return nil, fmt.Errorf("%q is no number from 0", s)
		}
		return Hourly(n), nil
	}
	events, per, ok := strings.Cut(s, "/")
	n, err := strconv.ParseUint(events, 10, 52)
	d, perErr := time.ParseDuration(per)
	if err := errors.Join(err, perErr); !ok || err != nil || d <= 0 {
		return nil, fmt.Errorf("%q is neither a number for each hour, such as 30, nor a number and the time in which one more is allowed, such as 30/1m", s)
	}
	return &Rate{Events: float64(n), Per: d, Burst: true}, nil
}

// Limiter keeps to a Rate. A nil Limiter allows everything.
type Limiter struct {
	rate Rate
	now  func() time.Time

	mu sync.Mutex
	bucket
}

// NewLimiter makes a Limiter; a nil rate makes a nil one.
func NewLimiter(r *Rate, now func() time.Time) *Limiter {
	if r == nil {
		return nil
	}
	l := &Limiter{rate: *r, now: now}
	l.refill(now())
	return l
}

// None reports whether nothing is ever allowed.
func (l *Limiter) None() bool { return l != nil && l.rate.Events == 0 }

// Allow reports whether it may happen once more.
func (l *Limiter) Allow() bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.rate.Burst {
		return l.take(now, 1/l.rate.Per.Seconds(), l.tokensAtOnce())
	}
	if passed := now.Sub(l.changed); passed >= l.rate.Per {
		l.refill(l.changed.Add(passed.Truncate(l.rate.Per)))
	}
	return l.take(l.changed, 0, l.tokensAtOnce())
}

func (l *Limiter) tokensAtOnce() float64 { return math.Floor(l.rate.Events) }

func (l *Limiter) refill(at time.Time) { l.bucket = bucket{tokens: l.tokensAtOnce(), changed: at} }
