package blob

import (
	"bytes"
	"context"
	"crypto/md5" // the ETag of the API is an MD5; nothing is protected by it
	"encoding"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
)

// S3Uploads is Uploads in the bucket of an S3 store:
//
//	objects/<first two digits>/<version>   an S3 upload in parts, as long as it is not finished
//	uploads/<version>/record               the note, and what has come
//	uploads/<version>/tail-<uuid>          the last bytes, too few for a part
//
// An upload exists as long as its record does. What stands in the record has
// come; parts and tails that it does not name are nobody's. So any process can
// go on where another has ended, however it did.
//
// Unlike UploadDir it keeps nobody waiting: whoever changes an upload sees to it
// that nobody else does. A record that was changed by another all the same is
// not overwritten, where the service knows conditions: ErrBusy.
type S3Uploads struct {
	store *S3

	mu   sync.Mutex
	seen map[string]seenUpload // by version, of the last List
}

const (
	uploadsDir = "uploads/"
	recordName = "/record"
	tailName   = "/tail-"
)

// s3Record is the content of a record.
type s3Record struct {
	Note []byte `json:"note"`
	// PartSize is that of every part: some services want all to be the same.
	PartSize  int64    `json:"part_size,omitempty"`
	Multipart string   `json:"multipart,omitempty"` // id of the S3 upload
	Parts     []string `json:"parts,omitempty"`     // ETags
	Tail      string   `json:"tail,omitempty"`      // name of the tail's object
	TailSize  int64    `json:"tail_size,omitempty"`
	// Sum is the state of the MD5 over the parts, without the tail.
	Sum []byte `json:"sum,omitempty"`
	// Whole is set before the bytes go to their place.
	Whole *Info `json:"whole,omitempty"`

	etag string
}

func (r *s3Record) size() int64 {
	if r.Whole != nil {
		return r.Whole.Size
	}
	return int64(len(r.Parts))*r.PartSize + r.TailSize
}

func (r *s3Record) upload() Upload {
	return Upload{Note: r.Note, Offset: r.size(), Finished: r.Whole != nil}
}

// sum goes on with the checksum over the parts.
func (r *s3Record) sum() (hash.Hash, error) {
	h := md5.New()
	if r.Sum == nil {
		return h, nil
	}
	return h, h.(encoding.BinaryUnmarshaler).UnmarshalBinary(r.Sum)
}

func (r *s3Record) keepSum(h hash.Hash) (err error) {
	r.Sum, err = h.(encoding.BinaryMarshaler).MarshalBinary()
	return err
}

var _ Uploads = (*S3Uploads)(nil)

// NewS3Uploads makes the uploads of a store, which its owner starts and closes.
func NewS3Uploads(store *S3) *S3Uploads { return &S3Uploads{store: store} }

// Start implements Uploads.
func (u *S3Uploads) Start(context.Context) error { return nil }

// Close implements Uploads.
func (u *S3Uploads) Close() error { return nil }

func (u *S3Uploads) dir(version string) string {
	return u.store.cfg.Prefix + uploadsDir + version
}

func (u *S3Uploads) open(version string) (*minio.Core, error) {
	if !ValidVersion(version) {
		return nil, ErrNotFound
	}
	return u.store.open()
}

// Create implements Uploads.
func (u *S3Uploads) Create(ctx context.Context, version string, note []byte) error {
	if !ValidVersion(version) {
		return fmt.Errorf("%q cannot name a version: it must be a lower case UUID", version)
	}
	client, err := u.open(version)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(&s3Record{Note: note})
	if err != nil {
		return err
	}
	return u.store.conditionally(func(o minio.PutObjectOptions) error {
		_, err := client.PutObject(ctx, u.store.cfg.Bucket, u.dir(version)+recordName, bytes.NewReader(raw), int64(len(raw)), "", "", o)
		return err
	})
}

// read is the record of an upload.
func (u *S3Uploads) read(ctx context.Context, client *minio.Core, version string) (*s3Record, error) {
	raw, etag, err := u.get(ctx, client, u.dir(version)+recordName, maxRecord)
	if err != nil {
		return nil, err
	}
	r := &s3Record{etag: etag}
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("the record of upload %s cannot be read: %w", version, err)
	}
	return r, nil
}

// get reads a small object, at most limit bytes.
func (u *S3Uploads) get(ctx context.Context, client *minio.Core, key string, limit int64) ([]byte, string, error) {
	body, info, _, err := client.GetObject(ctx, u.store.cfg.Bucket, key, minio.GetObjectOptions{})
	if err != nil {
		if isMissing(err) {
			err = ErrNotFound
		}
		return nil, "", err
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, limit))
	return raw, info.ETag, err
}

// write replaces the record, unless another has changed it since it was read.
func (u *S3Uploads) write(ctx context.Context, client *minio.Core, version string, r *s3Record) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	put := func(o minio.PutObjectOptions) error {
		o.DisableMultipart = true
		info, err := client.PutObject(ctx, u.store.cfg.Bucket, u.dir(version)+recordName, bytes.NewReader(raw), int64(len(raw)), "", "", o)
		if err == nil {
			r.etag = info.ETag
		}
		return err
	}
	var o minio.PutObjectOptions
	conditional := !u.store.unconditional.Load()
	if conditional {
		o.SetMatchETag(r.etag)
	}
	err = put(o)
	switch status := minio.ToErrorResponse(err).StatusCode; {
	case err == nil:
		return nil
	case status == http.StatusPreconditionFailed, status == http.StatusConflict:
		return errors.Join(ErrBusy, err)
	case isMissing(err):
		return ErrNotFound // discarded meanwhile
	case status == http.StatusNotImplemented && conditional:
		u.store.unconditional.Store(true)
		return put(minio.PutObjectOptions{})
	}
	return err
}

// Get implements Uploads.
func (u *S3Uploads) Get(ctx context.Context, version string) (Upload, error) {
	client, err := u.open(version)
	if err != nil {
		return Upload{}, err
	}
	r, err := u.read(ctx, client, version)
	if err != nil {
		return Upload{}, err
	}
	return r.upload(), nil
}

// SetNote implements Uploads.
func (u *S3Uploads) SetNote(ctx context.Context, version string, note []byte) error {
	client, err := u.open(version)
	if err != nil {
		return err
	}
	r, err := u.read(ctx, client, version)
	if err != nil {
		return err
	}
	r.Note = note
	return u.write(ctx, client, version, r)
}

// Finish implements Uploads. The record says that the bytes are whole before
// they go to their place, so that they are found in either after a crash.
func (u *S3Uploads) Finish(ctx context.Context, version string) (Info, error) {
	client, err := u.open(version)
	if err != nil {
		return Info{}, err
	}
	r, err := u.read(ctx, client, version)
	if err != nil {
		return Info{}, err
	}
	if r.Whole != nil {
		return *r.Whole, u.placeAgain(ctx, client, version, r)
	}
	var tail []byte
	if r.Tail != "" {
		if tail, _, err = u.get(ctx, client, u.dir(version)+r.Tail, r.TailSize); err != nil {
			return Info{}, err
		}
	}
	if err := u.makeWhole(ctx, client, version, r, tail); err != nil {
		return Info{}, err
	}
	return *r.Whole, u.place(ctx, client, version, r, tail)
}

// makeWhole brings the tail where Finish takes it from, again if need be, and
// notes that nothing more is to come.
func (u *S3Uploads) makeWhole(ctx context.Context, client *minio.Core, version string, r *s3Record, tail []byte) error {
	size := r.size()
	sum, err := r.sum()
	if err != nil {
		return err
	}
	sum.Write(tail)
	switch {
	case r.Multipart != "" && len(tail) > 0:
		if err := u.putPart(ctx, client, version, r, tail); err != nil {
			return err
		}
	case r.Multipart == "" && r.Tail == "": // of an empty upload: while it is there, the object is not
		if err := u.putTail(ctx, client, version, r, nil); err != nil {
			return err
		}
	}
	r.Whole = &Info{Size: size, MD5: hex.EncodeToString(sum.Sum(nil))}
	return u.write(ctx, client, version, r)
}

// place makes the object of the parts, or of the tail where there are none.
func (u *S3Uploads) place(ctx context.Context, client *minio.Core, version string, r *s3Record, tail []byte) error {
	bucket, key := u.store.cfg.Bucket, u.store.key(version)
	err := u.store.conditionally(func(o minio.PutObjectOptions) error {
		if r.Multipart == "" {
			_, err := client.PutObject(ctx, bucket, key, bytes.NewReader(tail), int64(len(tail)), "", "", o)
			return err
		}
		parts := make([]minio.CompletePart, len(r.Parts))
		for i, etag := range r.Parts {
			parts[i] = minio.CompletePart{PartNumber: i + 1, ETag: etag}
		}
		_, err := client.CompleteMultipartUpload(ctx, bucket, key, r.Multipart, parts, o)
		return err
	})
	if errors.Is(err, ErrExists) { // from before a crash, unless another request is not done with it
		var there bool
		if there, err = u.store.Has(ctx, version); err == nil && !there {
			err = ErrBusy
		}
	}
	if err != nil {
		return err
	}
	return u.removeTail(ctx, client, version, r.Tail)
}

// placeAgain is place for bytes that may be in their place already, or have
// been removed from it.
func (u *S3Uploads) placeAgain(ctx context.Context, client *minio.Core, version string, r *s3Record) error {
	there, err := u.store.Has(ctx, version)
	if err != nil {
		return err
	}
	if there {
		return u.removeTail(ctx, client, version, r.Tail)
	}
	var tail []byte
	if r.Multipart == "" {
		if tail, _, err = u.get(ctx, client, u.dir(version)+r.Tail, r.Whole.Size); err != nil {
			return err
		}
	}
	err = u.place(ctx, client, version, r, tail)
	if minio.ToErrorResponse(err).Code == "NoSuchUpload" {
		return ErrNotFound
	}
	if err == nil { // a service may say so of an upload that it has completed before
		if there, err = u.store.Has(ctx, version); err == nil && !there {
			return ErrNotFound
		}
	}
	return err
}

func (u *S3Uploads) putTail(ctx context.Context, client *minio.Core, version string, r *s3Record, tail []byte) error {
	name := tailName + uuid.NewString()
	_, err := client.PutObject(ctx, u.store.cfg.Bucket, u.dir(version)+name, bytes.NewReader(tail), int64(len(tail)), "", "",
		minio.PutObjectOptions{DisableMultipart: true})
	if err == nil {
		r.Tail, r.TailSize = name, int64(len(tail))
	}
	return err
}

func (u *S3Uploads) putPart(ctx context.Context, client *minio.Core, version string, r *s3Record, part []byte) error {
	bucket, key := u.store.cfg.Bucket, u.store.key(version)
	if r.Multipart == "" {
		id, err := client.NewMultipartUpload(ctx, bucket, key, minio.PutObjectOptions{ContentType: "application/octet-stream"})
		if err != nil {
			return err
		}
		r.Multipart = id
	}
	p, err := client.PutObjectPart(ctx, bucket, key, r.Multipart, len(r.Parts)+1, bytes.NewReader(part), int64(len(part)), minio.PutObjectPartOptions{})
	if err == nil {
		r.Parts = append(r.Parts, p.ETag)
	}
	return err
}

func (u *S3Uploads) removeTail(ctx context.Context, client *minio.Core, version, name string) error {
	if name == "" {
		return nil
	}
	err := client.RemoveObject(ctx, u.store.cfg.Bucket, u.dir(version)+name, minio.RemoveObjectOptions{})
	if err != nil && !isMissing(err) {
		return err
	}
	return nil
}

// Discard implements Uploads. The record goes first: without it the rest is
// nobody's.
func (u *S3Uploads) Discard(ctx context.Context, version string) error {
	client, err := u.open(version)
	if err == nil {
		var r *s3Record
		if r, err = u.read(ctx, client, version); err == nil {
			return u.discard(ctx, client, version, r)
		}
	}
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func (u *S3Uploads) discard(ctx context.Context, client *minio.Core, version string, r *s3Record) error {
	bucket := u.store.cfg.Bucket
	if err := client.RemoveObject(ctx, bucket, u.dir(version)+recordName, minio.RemoveObjectOptions{}); err != nil && !isMissing(err) {
		return err
	}
	var errs error
	if r.Multipart != "" && r.Whole == nil {
		if err := client.AbortMultipartUpload(ctx, bucket, u.store.key(version), r.Multipart); err != nil && minio.ToErrorResponse(err).Code != "NoSuchUpload" {
			errs = err
		}
	}
	ctx, cancel := context.WithCancel(ctx) // ends the listing when this returns early
	defer cancel()
	for info := range client.Client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Prefix: u.dir(version) + "/", Recursive: true}) {
		err := info.Err
		if err == nil {
			err = u.removeTail(ctx, client, version, strings.TrimPrefix(info.Key, u.dir(version)))
		}
		errs = errors.Join(errs, err)
	}
	return errs
}
