package blob

import (
	"context"
	"crypto/md5" // the ETag of the API is an MD5; nothing is protected by it
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
)

// partSum is the checksum of the first bytes of an upload. A finished upload
// is not read again as long as the process that received it lives.
type partSum struct {
	hash hash.Hash
	size int64
}

// maxSums bounds how many checksums are remembered.
const maxSums = 10_000

func newPartSum() partSum { return partSum{hash: md5.New()} }

// takeSum is the remembered checksum of the first size bytes. Whoever takes it
// gives it back when it is right.
func (d *UploadDir) takeSum(version string, size int64) (partSum, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.sums[version]
	delete(d.sums, version)
	return s, ok && s.size == size
}

func (d *UploadDir) setSum(version string, s partSum) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.sums) < maxSums {
		d.sums[version] = s
	}
}

func (d *UploadDir) dropSum(version string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sums, version)
}

// Append implements Uploads. What is there only ever grows at its end, so a
// crash leaves a true beginning of the bytes.
func (d *UploadDir) Append(ctx context.Context, version string, offset int64, r io.Reader, limit int64) (end int64, err error) {
	root, rec, done, err := d.change(ctx, version)
	if err != nil {
		return 0, err
	}
	defer done()
	u, err := rec.upload(root, version)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, ErrNotFound
	case err != nil:
		return 0, err
	case u.Finished, u.Offset != offset:
		return u.Offset, ErrOffset
	}
	f, err := root.OpenFile(version, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return offset, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum, summed := d.takeSum(version, offset)
	if !summed {
		sum.hash = nil
	}
	n, err := transfer(ctx, &d.bufs, f, sum.hash, r, limit)
	var failed *ReadError
	switch {
	case err == nil, errors.As(err, &failed):
		if summed {
			d.setSum(version, partSum{sum.hash, offset + n})
		}
	case errors.Is(err, ErrTooLarge):
		if e := f.Truncate(offset); e != nil {
			return offset + n, errors.Join(err, e)
		}
		n = 0
	}
	if d.cfg.Durable && n > 0 {
		err = errors.Join(err, f.Sync())
	}
	return offset + n, err
}

// Finish implements Uploads. The record says that the bytes are whole before
// they move, so that they are found in either place after a crash.
func (d *UploadDir) Finish(ctx context.Context, version string) (Info, error) {
	root, rec, done, err := d.change(ctx, version)
	if err != nil {
		return Info{}, err
	}
	defer done()
	if rec.Whole == nil {
		info, err := d.sum(ctx, root, version)
		if err != nil {
			return Info{}, err
		}
		rec.Whole = &info
		if err := d.writeRecord(root, version, rec); err != nil {
			return Info{}, err
		}
	}
	return *rec.Whole, d.handOver(ctx, root, version)
}

// sum is the size and checksum of an upload's bytes; they are read when this
// process has not received all of them.
func (d *UploadDir) sum(ctx context.Context, root *os.Root, version string) (Info, error) {
	f, err := root.Open(version)
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, ErrNotFound
	}
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return Info{}, err
	}
	s, ok := d.takeSum(version, stat.Size())
	if !ok {
		s = newPartSum()
		if s.size, err = transfer(ctx, &d.bufs, io.Discard, s.hash, f, math.MaxInt64); err != nil {
			return Info{}, err
		}
	}
	return Info{Size: s.size, MD5: hex.EncodeToString(s.hash.Sum(nil))}, nil
}

// handOver puts the bytes into the Store, by moving the file where that can be.
func (d *UploadDir) handOver(ctx context.Context, root *os.Root, version string) error {
	if _, err := root.Lstat(version); errors.Is(err, fs.ErrNotExist) {
		return d.stored(ctx, version)
	} else if err != nil {
		return err
	}
	err := errCannotAdopt
	if store, ok := d.cfg.Store.(adopter); ok {
		err = store.adopt(ctx, version, filepath.Join(d.cfg.Dir, version))
	}
	if errors.Is(err, errCannotAdopt) {
		err = d.copyOver(ctx, root, version)
	}
	switch {
	case errors.Is(err, ErrExists): // from before a crash
		err = nil
	case err != nil:
		return err
	}
	if e := root.Remove(version); e != nil && !errors.Is(e, fs.ErrNotExist) {
		err = e
	}
	return errors.Join(err, d.sync(root))
}

func (d *UploadDir) copyOver(ctx context.Context, root *os.Root, version string) error {
	f, err := root.Open(version)
	if err != nil {
		return err
	}
	_, err = d.cfg.Store.Put(ctx, version, f, math.MaxInt64)
	return errors.Join(err, f.Close())
}

// stored is nil when the Store has the version.
func (d *UploadDir) stored(ctx context.Context, version string) error {
	there, err := d.cfg.Store.Has(ctx, version)
	if err == nil && !there {
		err = ErrNotFound
	}
	return err
}
