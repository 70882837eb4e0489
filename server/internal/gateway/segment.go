package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"sync"
	"sync/atomic"
)

func encodeSegment(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decodeSegment(s string) ([]byte, error) {
	return base64.RawURLEncoding.Strict().DecodeString(s)
}

func marshalClaims(claims any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(claims); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// tokenCache remembers tokens whose signature was good: two generations, the
// older dropped when the younger is full, so that its size is bounded and a
// token in use stays.
type tokenCache struct {
	mu         sync.Mutex
	max        int
	young, old map[string]*Claims
	evicted    *atomic.Int64 // counts those that are dropped; nil counts none
}

func newTokenCache(maxEntries int) *tokenCache {
	return &tokenCache{max: max(maxEntries/2, 1), young: map[string]*Claims{}}
}

func (c *tokenCache) get(token string) *Claims {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cl, ok := c.young[token]; ok {
		return cl
	}
	cl, ok := c.old[token]
	if ok {
		c.insert(token, cl)
	}
	return cl
}

func (c *tokenCache) put(token string, cl *Claims) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.insert(token, cl)
}

func (c *tokenCache) insert(token string, cl *Claims) {
	if len(c.young) >= c.max {
		if c.evicted != nil {
			c.evicted.Add(int64(len(c.old)))
		}
		c.old, c.young = c.young, make(map[string]*Claims, c.max)
	}
	c.young[token] = cl
}
