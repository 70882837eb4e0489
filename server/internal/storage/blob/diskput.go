package blob

import (
	"context"
	"crypto/md5" // the ETag of the API is an MD5; nothing is protected by it
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
)

// Put implements Store. The bytes go to a temporary file first and get their
// name when all of them are there, but where no crash leaves any behind.
func (d *Disk) Put(ctx context.Context, version string, r io.Reader, limit int64) (Info, error) {
	dirs, err := d.begin(version)
	if err != nil {
		return Info{}, err
	}
	if d.cfg.Ephemeral {
		return d.putInPlace(ctx, dirs, version, r, limit)
	}
	f, err := dirs.create(version)
	if err != nil {
		return Info{}, err
	}
	info, err := d.write(ctx, f, r, limit)
	if err == nil {
		err = d.finish(dirs, version)
	}
	if err != nil {
		if e := dirs.root.Remove(tmpDir + "/" + version); e != nil && !errors.Is(e, fs.ErrNotExist) {
			d.log.Warn("an unfinished upload's file could not be removed; the next start removes it", "error", e)
		}
		return Info{}, err
	}
	return info, nil
}

// file is a file that is written.
type file interface {
	io.WriteCloser
	Sync() error
}

// putInPlace is Put without a temporary file, which spares a name. Snapshots
// leave the version out until it is whole.
func (d *Disk) putInPlace(ctx context.Context, dirs *directories, version string, r io.Reader, limit int64) (Info, error) {
	d.setWriting(version, true)
	defer d.setWriting(version, false)
	f, err := dirs.createObject(version)
	if errors.Is(err, fs.ErrNotExist) {
		if err = d.makeShard(dirs.root, version); err == nil {
			f, err = dirs.createObject(version)
		}
	}
	if err != nil {
		return Info{}, err
	}
	info, err := d.write(ctx, f, r, limit)
	if err != nil {
		if e := dirs.remove(version); e != nil && !errors.Is(e, fs.ErrNotExist) {
			d.failed.add(version)
		}
		return Info{}, err
	}
	return info, nil
}

func (d *Disk) setWriting(version string, on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if on {
		d.writing[version] = struct{}{}
	} else {
		delete(d.writing, version)
	}
}

// whole reports whether a version is not being written.
func (d *Disk) whole(version string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, writing := d.writing[version]
	return !writing
}

// write fills and closes a file.
func (d *Disk) write(ctx context.Context, f file, r io.Reader, limit int64) (info Info, err error) {
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := md5.New()
	size, err := transfer(ctx, &d.bufs, f, sum, r, limit)
	if err != nil {
		return Info{}, err
	}
	if d.cfg.Durable {
		if err := f.Sync(); err != nil {
			return Info{}, err
		}
	}
	return Info{Size: size, MD5: hex.EncodeToString(sum.Sum(nil))}, nil
}

// finish gives a temporary file its place and makes its name durable.
func (d *Disk) finish(dirs *directories, version string) error {
	err := dirs.rename(version)
	if errors.Is(err, fs.ErrNotExist) {
		if e := d.makeShard(dirs.root, version); e != nil {
			return e
		}
		err = dirs.rename(version)
	}
	if err != nil || !d.cfg.Durable {
		return err
	}
	if err := dirs.sync(version); err != nil {
		return errors.Join(err, dirs.root.Remove(object(version)))
	}
	return nil
}
