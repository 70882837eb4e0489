package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Find searches upward from dir, to the root of the repository (.git) or of the file system, for a folder with
// supabase/config.toml or supabase/migrations. root is the folder that contains supabase/.
func Find(dir string) (root string, ok bool, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", false, fmt.Errorf("cannot tell the working directory: %w", err)
	}
	for {
		for _, name := range []string{"config.toml", "migrations"} {
			_, err := os.Stat(filepath.Join(dir, "supabase", name))
			switch {
			case err == nil:
				return dir, true, nil
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOTDIR):
			default:
				return "", false, fmt.Errorf("cannot look for a supabase folder: %w", err)
			}
		}
		parent := filepath.Dir(dir)
		if parent == dir || isRepositoryRoot(dir) {
			return "", false, nil
		}
		dir = parent
	}
}
