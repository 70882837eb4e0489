//go:build !embedpg

package pg

// embeddedBinaries returns the archive built into the program: none in this build, see embedded_on.go.
func embeddedBinaries() *embeddedArchive { return nil }
