package project

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// Object is a file that config.toml puts into a bucket.
type Object struct {
	Bucket, Key string
	Path        string // with slashes, from the project's root
}

// Objects lists the files of every bucket's objects_path, a folder or one file. Links are left out, as the official CLI
// does. missing are the paths that are not there.
func (p *Project) Objects() (objects []Object, missing []string, err error) {
	buckets := p.Config.Storage.Buckets
	if p.Root == "" || !p.Config.Storage.Enabled {
		return nil, nil, nil
	}
	dir, err := os.OpenRoot(p.Root)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot open the project's folder: %w", err)
	}
	defer dir.Close()
	for _, id := range slices.Sorted(maps.Keys(buckets)) {
		name := buckets[id].ObjectsPath
		if name == "" {
			continue
		}
		list, err := bucketObjects(dir.FS(), id, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, name)
		case err != nil:
			return nil, nil, fmt.Errorf("cannot read %s, the objects_path of the bucket %s: %w; paths in config.toml are relative to supabase/ or to the project's folder and stay inside it",
				name, id, withoutPath(err))
		}
		objects = append(objects, list...)
	}
	return objects, missing, nil
}

// bucketObjects lists the files below name, which is relative to supabase/ or to the project's root.
func bucketObjects(fsys fs.FS, bucket, name string) (list []Object, err error) {
	base := inSupabase(name)
	if _, err := fs.Stat(fsys, base); errors.Is(err, fs.ErrNotExist) {
		base = path.Clean(filepath.ToSlash(name))
	}
	if info, err := fs.Stat(fsys, base); err != nil {
		return nil, err
	} else if info.Mode().IsRegular() {
		return []Object{{Bucket: bucket, Key: path.Base(base), Path: base}}, nil
	}
	err = fs.WalkDir(fsys, base, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		key, err := filepath.Rel(filepath.FromSlash(base), filepath.FromSlash(file))
		if err != nil {
			return err
		}
		list = append(list, Object{Bucket: bucket, Key: filepath.ToSlash(key), Path: file})
		return nil
	})
	return list, err
}

// Open opens the file of an object.
func (p *Project) Open(o Object) (*os.File, error) {
	dir, err := os.OpenRoot(p.Root)
	if err != nil {
		return nil, fmt.Errorf("cannot open the project's folder: %w", err)
	}
	defer dir.Close()
	return dir.Open(filepath.FromSlash(o.Path))
}
