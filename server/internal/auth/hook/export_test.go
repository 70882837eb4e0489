package hook

import "time"

// Hurry makes an HTTP hook wait less.
func (h *Hook) Hurry(timeout, backoff time.Duration) { h.timeout, h.backoff = timeout, backoff }
