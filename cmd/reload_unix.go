//go:build unix

package cmd

import (
	"os"
	"os/signal"
	"syscall"
)

// reloadSignals hears SIGUSR1, which asks for the schema, and SIGUSR2, which
// asks for the settings to be read anew.
func reloadSignals() (asked <-chan reloadKind, stop func()) {
	signals := make(chan os.Signal, 8) // one of either kind that comes behind another is heard, too
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	kinds := make(chan reloadKind, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for sig := range signals {
			kind := reloadSettings
			if sig == syscall.SIGUSR1 {
				kind = reloadSchema
			}
			select {
			case kinds <- kind:
			default: // one is waiting already, and reads what this one would
				select {
				case <-kinds:
				default:
				}
				kinds <- reloadSettings // which reads the schema, too
			}
		}
	}()
	return kinds, func() {
		signal.Stop(signals)
		close(signals)
		<-done
	}
}
