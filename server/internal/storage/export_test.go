package storage

import "time"

// FinishWithin bounds the end of a write whose client may be gone.
func (c *Config) FinishWithin(d time.Duration) { c.finish = d }
