//go:build unix && !linux

package pg

import "time"

// See nudge_linux.go.
const (
	nudgeAfter = time.Hour
	nudgeEvery = time.Hour
)

func (s *server) nudge() {}
