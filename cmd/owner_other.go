//go:build !unix

package cmd

import (
	"io/fs"
	"os"
)

// keepOwner does nothing: the owner follows from the folder.
func keepOwner(*os.File, fs.FileInfo) error { return nil }
