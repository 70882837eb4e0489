//go:build !unix

package cmd

import (
	"os"
	"syscall"
)

// signals are what a server hears beside the order to end: nothing, where the system has no signals for it.
type signals struct{ schema, settings, log chan os.Signal }

func hearSignals() signals { return signals{} }

func (signals) stop() {}

// endSignals are those that end a server.
func endSignals() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }
