//go:build !unix

package cmd

// reloadSignals hears nothing: the system has no signals for it.
func reloadSignals() (asked <-chan reloadKind, stop func()) { return nil, func() {} }
