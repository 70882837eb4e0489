//go:build !unix

package wake

import "errors"

// Pipe is the named pipe of one cluster.
type Pipe struct{}

// Open fails: there are no named pipes in the file system here.
func Open(string, ...string) (*Pipe, error) {
	return nil, errors.New("this system has no named pipes")
}

// Calls never receives.
func (p *Pipe) Calls(string) <-chan struct{} { return nil }

// Close does nothing.
func (p *Pipe) Close() error { return nil }
