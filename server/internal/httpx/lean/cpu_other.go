//go:build !unix

package lean

import "time"

// ProcessorTime is what this process has used; this system is not asked.
func ProcessorTime() time.Duration { return 0 }
