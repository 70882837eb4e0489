package storage

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/server/internal/session"
)

// found is an object's row as reading it needs it.
type found struct {
	version string
	raw     []byte // metadata
	meta    storedMetadata
	user    []byte
	updated time.Time
	// the rest is read with allColumns
	id, name, bucketID string
	created            time.Time
}

// columns are some of an object o, and the formats they come in: times are
// binary, which costs PostgreSQL the least.
type columns struct {
	sql     string
	formats []int16
}

// Columns that the bytes of an object are sent with, and all.
var (
	sentColumns = columns{`o.version, o.metadata, o.user_metadata, o.updated_at`, []int16{0, 0, 0, 1}}
	allColumns  = columns{sentColumns.sql + `, o.id, o.name, o.bucket_id, o.created_at`, []int16{0, 0, 0, 1, 0, 0, 0, 1}}
)

func readFound(r row) *found {
	o := &found{version: r.text(0), raw: r[1], meta: readMetadata(r[1]), user: r.json(2), updated: r.time(3)}
	if len(r) > 4 {
		o.id, o.name, o.bucketID, o.created = r.text(4), r.text(5), r.text(6), r.time(7)
	}
	return o
}

// objectOf is the statement that reads the columns of an object.
func objectOf(cols columns, bucket, key string) session.Statement {
	st := sql(`select `+cols.sql+` from storage.objects o where o.bucket_id = $1 and o.name = $2`, bucket, storableKey(key))
	st.Formats = cols.formats
	return st
}

// publicObject is the statement that reads whether a bucket is public, whether
// it has an object under the key, and the columns of that.
func publicObject(cols columns, bucket, key string) session.Statement {
	st := sql(`select b.public, o.name is not null, `+cols.sql+` from storage.buckets b
		 left join storage.objects o on o.bucket_id = b.id and o.name = $2 where b.id = $1`, bucket, storableKey(key))
	st.Formats = append([]int16{0, 0}, cols.formats...)
	return st
}

// storableKey is a key that may be asked for: one that no object can have is
// that of none.
func storableKey(key string) string {
	if !storable(key) {
		return ""
	}
	return key
}

// findAs finds an object under s, nil when it is not there or hidden.
func (c *call) findAs(s *session.Settings, cols columns, bucket, key string) (*found, error) {
	if !storable(bucket) {
		return nil, nil
	}
	r, err := c.one(c.ctx(), s, objectOf(cols, bucket, key))
	if err != nil || r == nil {
		return nil, err
	}
	return readFound(r), nil
}

// finder finds an object and reads the columns of it.
type finder func(columns) (*found, error)

// findSigned finds the object of the path for whoever has a token for it.
func (c *call) findSigned(cols columns) (*found, error) {
	return c.findObject(c.asReader(), cols)
}

// findObject finds the object of the path under s.
func (c *call) findObject(s *session.Settings, cols columns) (*found, error) {
	if err := checkKey(c.key); err != nil {
		return nil, err
	}
	o, err := c.findAs(s, cols, c.bucket, c.key)
	if err == nil && o == nil {
		err = errNoSuchKey()
	}
	return o, err
}

// findReadable finds the object of the path for a caller who may be signed in
// or not. What a public bucket holds is everybody's; everything else is for
// the policies to decide. They are asked first unless the bucket was public
// the last time and they may hide it, so that mostly one question is enough.
func (c *call) findReadable(cols columns) (o *found, err error) {
	if !storable(c.bucket) {
		return nil, errNoSuchBucket()
	}
	wrong := checkKey(c.key)
	var refused error
	first := c.signedIn && wrong == nil && (c.role() == serviceRole || !c.h.open.has(c.bucket))
	if first {
		o, refused = c.findAs(c.asUserReading(), cols, c.bucket, c.key)
		var pe *pgconn.PgError
		if o != nil || refused != nil && !errors.As(refused, &pe) {
			return o, refused
		}
	}
	public, theirs, err := c.findPublic(cols)
	switch {
	case err != nil:
		return nil, err
	case !public && !c.signedIn:
		return nil, errNoSuchBucket()
	case wrong != nil:
		return nil, wrong
	case public:
		o, refused = theirs, nil
	case !first: // the bucket is public no longer
		o, refused = c.findAs(c.asUserReading(), cols, c.bucket, c.key)
	}
	if o == nil && refused == nil {
		refused = errNoSuchKey()
	}
	return o, refused
}

// findPublic looks, as service_role, whether the bucket is public and what it
// has under the key.
func (c *call) findPublic(cols columns) (public bool, o *found, err error) {
	if !storable(c.bucket) {
		return false, nil, errNoSuchBucket()
	}
	r, err := c.one(c.ctx(), c.asReader(), publicObject(cols, c.bucket, c.key))
	switch {
	case err != nil:
		return false, nil, err
	case r == nil:
		c.h.open.note(c.bucket, false)
		return false, nil, errNoSuchBucket()
	}
	public = r.bool(0)
	c.h.open.note(c.bucket, public)
	if r.bool(1) {
		o = readFound(r[2:])
	}
	return public, o, nil
}

// findInPublic finds the object of the path in a public bucket.
func (c *call) findInPublic(cols columns) (*found, error) {
	if err := checkBucketName(c.bucket); err != nil {
		return nil, err
	}
	public, o, err := c.findPublic(cols)
	switch {
	case err != nil:
		return nil, err
	case !public:
		return nil, errNoSuchBucket()
	}
	if err := checkKey(c.key); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, errNoSuchKey()
	}
	return o, nil
}

// findToSend is findInPublic for who asks for the bytes, who is told of a
// forbidden character in the key before anything of the bucket.
func (c *call) findToSend(cols columns) (*found, error) {
	if err := checkBucketName(c.bucket); err != nil {
		return nil, err
	}
	if err := checkKeyBytes(c.key); err != nil {
		return nil, err
	}
	return c.findInPublic(cols)
}

// openBuckets are those that were public when they were last looked at. They
// say what to ask first and never what the answer is.
type openBuckets struct {
	mu    sync.RWMutex
	names map[string]struct{}
}

const maxOpenBuckets = 1024

func (b *openBuckets) has(name string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, ok := b.names[name]
	return ok
}

func (b *openBuckets) note(name string, public bool) {
	if b.has(name) == public {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !public:
		delete(b.names, name)
		return
	case b.names == nil || len(b.names) >= maxOpenBuckets:
		b.names = map[string]struct{}{}
	}
	b.names[strings.Clone(name)] = struct{}{} // not the whole of a request's path
}
