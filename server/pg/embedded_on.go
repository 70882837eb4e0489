//go:build embedpg

package pg

import _ "embed"

// Without these two files the build fails and names them: `make bundle` writes them.

//go:embed embedded/postgres.tar.zst
var embeddedData []byte

//go:embed embedded/postgres.json
var embeddedMeta []byte

// embeddedBinaries returns the archive built into the program.
func embeddedBinaries() *embeddedArchive {
	return &embeddedArchive{meta: embeddedMeta, data: embeddedData}
}
