// Package wake lets functions in the server's own PostgreSQL call on the server
// without a connection that waits for them: a named pipe stands beside the
// sockets, and a function with a superuser's rights copies a name to it.
//
//	copy (select 'pg_net') to '<directory of the sockets>/wake'
//
// A call comes before the commit of the transaction it is made in. Who is
// called connects then, and learns from PostgreSQL what there is to do.
package wake

import "strings"

// Name of the pipe in the directory of the sockets.
const Name = "wake"

// maxName bounds what is read of a caller's name.
const maxName = 64

// calls are those who can be called, by name.
type calls map[string]chan struct{}

// ring calls everybody whom a complete line of text names and returns what
// follows the last line.
func (c calls) ring(text string) (rest string) {
	for {
		line, after, whole := strings.Cut(text, "\n")
		if !whole {
			if len(line) > maxName {
				return ""
			}
			return line
		}
		if called, ok := c[line]; ok {
			select {
			case called <- struct{}{}:
			default: // it has been called already
			}
		}
		text = after
	}
}
