//go:build unix && !linux

package pg

import (
	"errors"
)

// accountThread runs functions as the account. Only Linux lets one thread become another user.
type accountThread struct{ err error }

func newAccountThread(a account) *accountThread {
	if a.mode == asSelf {
		return &accountThread{}
	}
	return &accountThread{err: errors.New("a single thread cannot change its user here")}
}

func (t *accountThread) do(f func() error) error {
	if t.err != nil {
		return t.err
	}
	return f()
}

func (t *accountThread) close() {}

// openHere cannot be told here; the library's log stays where the library left it.
func openHere(string) bool { return false }
