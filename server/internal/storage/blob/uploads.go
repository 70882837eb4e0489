package blob

import (
	"context"
	"errors"
	"io"
)

// Uploads keeps uploads that come in pieces until they are whole. An upload is
// named by the version that its bytes are to have in the Store.
//
// It is apart from Store because pieces want other things than whole objects:
// UploadDir keeps them in a directory for any Store, and only Finish hands
// them over; S3Uploads keeps them in the bucket of an S3.
//
// All methods may be called from many goroutines and, where several processes
// share the uploads, from all of them. UploadDir does what changes one upload
// one at a time, and S3Uploads leaves that to its callers; ErrBusy says that
// another is changing it.
type Uploads interface {
	// Start opens the uploads, after their Store. The other methods work
	// between Start and Close.
	Start(ctx context.Context) error
	// Create begins an upload. note is the caller's, kept with it.
	Create(ctx context.Context, version string, note []byte) error
	// Get tells of an upload; one that is not there is ErrNotFound.
	Get(ctx context.Context, version string) (Upload, error)
	// SetNote replaces an upload's note, or ends in what it was: a crash never
	// leaves a part of one.
	SetNote(ctx context.Context, version string, note []byte) error
	// Append stores what r yields behind the first offset bytes and returns how
	// many there are then. Unless offset is the end nothing is read: ErrOffset.
	// When r fails, what it yielded before stays, and the error is a
	// *ReadError. More than limit bytes are ErrTooLarge, and none of them stay.
	// When it returns, what stays is as durable as the uploads promise.
	Append(ctx context.Context, version string, offset int64, r io.Reader, limit int64) (end int64, err error)
	// Finish makes the bytes a version of the Store. The upload stays, to be
	// asked for, and Finish again returns the same; after the Store's bytes
	// were removed it is ErrNotFound.
	Finish(ctx context.Context, version string) (Info, error)
	// Discard ends an upload and removes the bytes that are not in the Store.
	// One that is not there is no error.
	Discard(ctx context.Context, version string) error
	// List calls visit with every upload until that returns an error. It also
	// removes what crashes have left of uploads that are no more.
	List(ctx context.Context, visit func(version string, u Upload) error) error
	// Close ends the use of the uploads.
	Close() error
}

// Upload is what Uploads knows of one.
type Upload struct {
	Note     []byte
	Offset   int64 // how many bytes have come
	Finished bool  // Finish has begun: no more bytes are taken
}

// The errors of Uploads beside those of Store.
var (
	ErrOffset = errors.New("the upload does not end at the offset")
	ErrBusy   = errors.New("the upload is being changed by another")
)

// adopter is a Store that can take a file as a version without copying it.
type adopter interface {
	// adopt makes the file a version as well. errCannotAdopt says that it has
	// to be copied, and ErrExists that the version is there.
	adopt(ctx context.Context, version, file string) error
}

var errCannotAdopt = errors.New("the file cannot be moved into the store")
