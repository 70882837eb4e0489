package storage

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server/internal/storage/blob"
)

// target is what copy and move name in their body.
type target struct {
	bucket, source, toBucket, key string
}

// target reads them; required are the names of those that must be there, in
// the order in which they are missed.
func (f *fields) target(required ...string) target {
	f.require(required...)
	t := target{bucket: f.text("bucketId"), source: f.text("sourceKey"), toBucket: f.text("destinationBucket"), key: f.text("destinationKey")}
	if t.toBucket == "" {
		t.toBucket = t.bucket
	}
	return t
}

func (t target) check() error {
	if err := checkBucketName(t.bucket); err != nil {
		return err
	}
	if err := checkNewKey(t.key); err != nil {
		return err
	}
	if !storable(t.source) {
		return errNoSuchKey()
	}
	if !storable(t.toBucket) || len(t.toBucket) > maxBucketName {
		return &Error{Status: 404, Name: "InvalidRequest", Code: "InvalidRequest", Message: "The related resource does not exist"}
	}
	return nil
}

// copied is the answer of a copy: the key, the id and the whole new row.
type copied struct {
	Key string `json:"Key"`
	ID  string `json:"Id"`
	object
}

func (c *call) copyObject() error {
	f, err := readJSON(c.w, c.r)
	if err != nil {
		return err
	}
	t := f.target("sourceKey", "bucketId", "destinationKey")
	override := f.object("metadata")
	if override != nil {
		override.text("cacheControl")
		override.text("mimetype")
		f.join(override)
	}
	keep := f.boolean("copyMetadata", true)
	if f.err != nil {
		return f.err
	}
	if err := t.check(); err != nil {
		return err
	}
	change := metadataChange{keep: keep, set: map[string]string{}}
	if change.user, err = headerMetadata(c.r.Header); err != nil && !keep {
		return err
	}
	if override != nil {
		for _, name := range []string{"cacheControl", "mimetype"} {
			if override.has(name) {
				change.set[name] = override.text(name)
			}
		}
	}
	o, err := c.copyTo(t, change, c.wantsUpsert(), nil)
	if err != nil {
		return err
	}
	return writeJSON(c.w, copied{Key: t.toBucket + "/" + t.key, ID: o.ID, object: *o})
}

// metadataChange says what becomes of the source's metadata in a copy.
type metadataChange struct {
	keep bool              // all of it
	user []byte            // in the place of the source's user metadata
	drop []string          // what is left out
	set  map[string]string // what is replaced
}

// copyTo makes the copy under the caller's role. allowed, when not nil, judges
// the source of a copy that may be made.
func (c *call) copyTo(t target, change metadataChange, upsert bool, allowed func(*found) error) (*object, error) {
	row, err := c.copyBytes(t, change, upsert, allowed)
	if err != nil {
		return nil, err
	}
	done, err := c.write(write{newRow: row, upsert: upsert, returning: " returning " + objectColumns})
	if err != nil {
		return nil, err
	}
	o := readObject(done)
	return &o, nil
}

// copyBytes finds the source and asks whether its copy may be written, both
// under the caller's role, and then gives the bytes the version of the copy's
// row as well. A source whose bytes are gone was replaced: all is done again.
func (c *call) copyBytes(t target, change metadataChange, upsert bool, allowed func(*found) error) (newRow, error) {
	const tries = 3
	for try := 1; ; try++ {
		source, err := c.findAs(c.asUserReading(), sentColumns, t.bucket, t.source)
		if err != nil {
			return newRow{}, err
		}
		if source == nil {
			return newRow{}, errNoSuchKey()
		}
		row, err := c.copiedRow(t, source, change)
		if err != nil {
			return newRow{}, err
		}
		if err := c.mayWrite(c.asUser(), row, upsert); err != nil {
			return newRow{}, err
		}
		if allowed != nil {
			if err := allowed(source); err != nil {
				return newRow{}, err
			}
		}
		err = c.h.blobs.Copy(c.ctx(), source.version, row.version)
		if errors.Is(err, blob.ErrNotFound) {
			if try < tries {
				continue
			}
			err = withCause(errGone(), err)
		}
		return row, err
	}
}

// copiedRow is the row of a copy that is to be made.
func (c *call) copiedRow(t target, source *found, change metadataChange) (newRow, error) {
	metadata, err := c.copiedMetadata(source.raw, change)
	row := newRow{bucket: t.toBucket, key: t.key, version: uuid.NewString(), owner: c.owner(), metadata: metadata, user: source.user}
	if !change.keep {
		row.user = change.user
	}
	if string(row.user) == "null" {
		row.user = nil
	}
	return row, err
}

// copiedMetadata is the source's metadata with what the request replaces.
func (c *call) copiedMetadata(source []byte, change metadataChange) ([]byte, error) {
	m := map[string]json.RawMessage{}
	if source != nil {
		if err := json.Unmarshal(source, &m); err != nil {
			return nil, err
		}
	}
	set := func(name, value string) error {
		raw, err := encode(value)
		m[name] = raw
		return err
	}
	if !change.keep {
		for _, name := range change.drop {
			delete(m, name)
		}
		for name, value := range change.set {
			if err := set(name, value); err != nil {
				return nil, err
			}
		}
	}
	if err := set("lastModified", c.h.now().UTC().Truncate(time.Millisecond).Format(timeLayout)); err != nil {
		return nil, err
	}
	return encode(m)
}

func (c *call) moveObject() error {
	f, err := readJSON(c.w, c.r)
	if err != nil {
		return err
	}
	t := f.target("bucketId", "sourceKey", "destinationKey")
	if f.err != nil {
		return f.err
	}
	if err := t.check(); err != nil {
		return err
	}
	if err := c.move(t); err != nil {
		return err
	}
	return writeJSON(c.w, message{"Successfully moved"})
}

// mayMove asks the database whether the caller may see the source and give
// its row the target's name, and returns the source's version.
func (c *call) mayMove(t target, version string) (source string, err error) {
	set, args := moveColumns(t, version, c.owner())
	res, err := c.try(c.asUser(),
		sql(`select version from storage.objects where bucket_id = $1 and name = $2`, t.bucket, t.source),
		sql(`update storage.objects set `+set+` where bucket_id = $1 and name = $2 returning *`, args...))
	if err != nil {
		return "", err
	}
	if len(res[0].Rows) == 0 || len(res[1].Rows) == 0 {
		return "", errNoSuchKey()
	}
	return row(res[0].Rows[0]).text(0), nil
}

// moveColumns is the SET clause of a move and its parameters, the first two
// being the source. A mover without an owner leaves the one there is.
func moveColumns(t target, version string, owner *string) (string, []any) {
	set, args := `name = $3, bucket_id = $4, version = $5`, []any{t.bucket, t.source, t.key, t.toBucket, version}
	if owner != nil {
		set, args = set+`, owner_id = $6`, append(args, owner)
	}
	if ownerUUID(owner) != nil {
		set += `, owner = $6::text::uuid`
	}
	return set, args
}

// move gives the bytes their new version and then the row its new name. Of a
// source that is replaced meanwhile it is asked again who may move it.
func (c *call) move(t target) error {
	const tries = 3
	for try := 1; ; try++ {
		version := uuid.NewString()
		source, err := c.mayMove(t, version)
		if err != nil || t.bucket == t.toBucket && t.source == t.key {
			return err
		}
		err = c.h.blobs.Copy(c.ctx(), source, version)
		if errors.Is(err, blob.ErrNotFound) && try < tries {
			continue // replaced meanwhile
		}
		if errors.Is(err, blob.ErrNotFound) {
			return withCause(errGone(), err)
		}
		if err != nil {
			return err
		}
		set, args := moveColumns(t, version, c.owner())
		args = append(args, source)
		last := len(args)
		ctx := c.finishing()
		res, err := c.query(ctx, c.asService(), c.h.lockKey(t.toBucket, t.key, version), lockRow(t.bucket, t.source),
			sql(`update storage.objects set `+set+` where bucket_id = $1 and name = $2 and version = $`+strconv.Itoa(last)+` returning id`, args...))
		if err != nil {
			c.dropUnlessUnknown(ctx, version, err)
			if isState(err, pgLockNotAvailable) {
				return errLockTimeout(err)
			}
			return err
		}
		if len(res[2]) == 1 {
			c.removeBytes(source)
			return nil
		}
		c.removeBytes(version)
		if try == tries {
			return errLockTimeout(nil)
		}
	}
}
