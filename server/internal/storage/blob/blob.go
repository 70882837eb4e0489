// Package blob keeps the bytes of stored objects: one immutable sequence of
// bytes per version, named by the version alone. Which object a version
// belongs to, its type, size and checksum are the database's to know.
package blob

import (
	"context"
	"errors"
	"io"
	"strings"
)

// Store keeps versions. All methods may be called from many goroutines.
//
// The order that keeps a crash harmless is the caller's: Put the bytes, then
// commit the row that names them; commit the row's end, then Remove the bytes.
// What a crash leaves behind is bytes without a row, which Sweep finds.
type Store interface {
	// Start opens the store. The other methods work between Start and Close.
	Start(ctx context.Context) error
	// Put stores what r yields, at most limit bytes, under a new version.
	// When it returns nil the bytes are as durable as the store promises; after
	// an error nothing of them remains. An error of r is a *ReadError, more
	// than limit bytes ErrTooLarge, a version that is there ErrExists.
	Put(ctx context.Context, version string, r io.Reader, limit int64) (Info, error)
	// Immediate reports that Put and Remove wait for neither a disk nor a
	// network, so that it costs little to store what is not wanted.
	Immediate() bool
	// Open reads length bytes of a version from offset on, all when length is
	// ToEnd. A reader may yield more: the caller stops, and one that reads what
	// it asked for leaves a connection that can be used again. A version that
	// is not there is ErrNotFound. The reader of a store on disk is an
	// *os.File, so that io.Copy can leave the copying to the kernel.
	Open(ctx context.Context, version string, offset, length int64) (io.ReadCloser, error)
	// Has tells whether a version is there, without reading of it.
	Has(ctx context.Context, version string) (bool, error)
	// Copy stores the bytes of from under the new version to as well, or nothing
	// when it fails.
	Copy(ctx context.Context, from, to string) error
	// Remove deletes versions; one that is not there is no error. What cannot
	// be removed now is remembered and tried again.
	Remove(ctx context.Context, versions ...string) error
	// Sweep removes every version that was there at Start and that belongs to
	// nothing; it may wait until that is certain. Once it has ended, with an error
	// or without, there is no other until the next Start. A store that goes with
	// the process has nothing to sweep and asks nothing.
	Sweep(ctx context.Context, o SweepOptions) (removed int, err error)
	// Close ends the store's use.
	Close() error
}

// ToEnd is the length of all that follows.
const ToEnd = -1

// Info describes stored bytes.
type Info struct {
	Size int64
	MD5  string // lower case hex
}

// SweepOptions of Store.Sweep.
type SweepOptions struct {
	// Owner identifies the database whose rows Orphans asks. A store that was
	// filled for another database is left alone: ErrOtherOwner.
	Owner func(ctx context.Context) (string, error)
	// Orphans returns those of versions, a bounded number, that no row names;
	// nil where nobody can tell, and nothing is removed.
	Orphans func(ctx context.Context, versions []string) ([]string, error)
}

// The errors that callers tell apart.
var (
	ErrTooLarge   = errors.New("the content is larger than the limit")
	ErrExists     = errors.New("the version exists already")
	ErrNotFound   = errors.New("the version has no stored bytes")
	ErrClosed     = errors.New("the store is not open")
	ErrOtherOwner = errors.New("the stored files belong to another database")
)

// ReadError wraps an error of the reader that Put was given: the sender failed
// and not the store.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return "read the content: " + e.Err.Error() }

func (e *ReadError) Unwrap() error { return e.Err }

// ValidVersion reports whether v may name a version: a lower case UUID. No
// other text reaches the file system.
func ValidVersion(v string) bool {
	if len(v) != 36 {
		return false
	}
	for i := range len(v) {
		switch i {
		case 8, 13, 18, 23:
			if v[i] != '-' {
				return false
			}
		default:
			if !strings.ContainsRune("0123456789abcdef", rune(v[i])) {
				return false
			}
		}
	}
	return true
}
