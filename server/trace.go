package server

import (
	"github.com/suparust/suparust/server/internal/control"
	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/session"
)

// RequestRecord is what a request was and what it asked of the database.
type RequestRecord = gateway.Record

// tracer notes the statements of requests where they are traced.
func (c *Config) tracer() session.Tracer {
	if c.Trace == nil {
		return nil
	}
	return gateway.NoteSQL
}

// RecentRequests keeps the last requests to the APIs; its Note is for
// Config.Trace. Its zero value has none, and it is safe for concurrent use.
type RecentRequests = control.Recent
