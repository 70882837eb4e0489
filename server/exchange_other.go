//go:build !linux && !darwin

package server

import "errors"

// exchangeNames has no means on this system.
func exchangeNames(_, _ string) error { return errors.ErrUnsupported }
