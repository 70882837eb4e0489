//go:build unix && !linux

package pg

import (
	"io/fs"
	"path/filepath"
)

// syncTree makes everything written below root durable.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncPath(p)
	})
}
