package storage

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/suparust/suparust/server/internal/session"
)

// object is a row of storage.objects as the API shows a whole one.
type object struct {
	Name           string          `json:"name"`
	BucketID       string          `json:"bucket_id"`
	Owner          string          `json:"owner"`
	OwnerID        string          `json:"owner_id"`
	Version        string          `json:"version"`
	ID             string          `json:"id"`
	UpdatedAt      *string         `json:"updated_at"`
	CreatedAt      *string         `json:"created_at"`
	LastAccessedAt *string         `json:"last_accessed_at"`
	Metadata       json.RawMessage `json:"metadata"`
	UserMetadata   json.RawMessage `json:"user_metadata"`
}

var objectColumns = `name, bucket_id, coalesce(owner::text, ''), coalesce(owner_id, ''), coalesce(version, ''), id::text, ` +
	isoTime("updated_at") + `, ` + isoTime("created_at") + `, ` + isoTime("last_accessed_at") + `, metadata::text, user_metadata::text`

func readObject(r row) object {
	return object{
		Name: r.text(0), BucketID: r.text(1), Owner: r.text(2), OwnerID: r.text(3), Version: r.text(4), ID: r.text(5),
		UpdatedAt: r.optional(6), CreatedAt: r.optional(7), LastAccessedAt: r.optional(8), Metadata: r.json(9), UserMetadata: r.json(10),
	}
}

// optional is a text, nil when it is NULL.
func (r row) optional(i int) *string {
	if r[i] == nil {
		return nil
	}
	s := string(r[i])
	return &s
}

// json is a document, null when it is NULL.
func (r row) json(i int) json.RawMessage {
	if r[i] == nil {
		return json.RawMessage("null")
	}
	return json.RawMessage(r[i])
}

// newRow is what a write of an object puts into its row. A nil owner leaves
// the owner of an existing row; nil user metadata leaves those.
type newRow struct {
	bucket, key, version string
	owner                *string
	metadata             []byte
	user                 []byte
}

// insert is the statement that makes the row and fails when it is there.
func (n newRow) insert(returning string) session.Statement {
	return sql(`insert into storage.objects (bucket_id, name, version, owner, owner_id, metadata, user_metadata)
		values ($1, $2, $3, $4, $5, $6, $7)`+returning,
		n.bucket, n.key, n.version, ownerUUID(n.owner), n.owner, n.metadata, n.user)
}

// upsert is the statement that makes the row or replaces what it holds.
func (n newRow) upsert(returning string) session.Statement {
	set := `version = excluded.version, metadata = excluded.metadata`
	if n.user != nil {
		set += `, user_metadata = excluded.user_metadata`
	}
	if n.owner != nil {
		set += `, owner_id = excluded.owner_id`
	}
	if ownerUUID(n.owner) != nil {
		set += `, owner = excluded.owner`
	}
	return sql(`insert into storage.objects (bucket_id, name, version, owner, owner_id, metadata, user_metadata)
		values ($1, $2, $3, $4, $5, $6, $7)
		on conflict (name, bucket_id) do update set `+set+returning,
		n.bucket, n.key, n.version, ownerUUID(n.owner), n.owner, n.metadata, n.user)
}

// trialVersion is the version of a row that is written to ask for permission.
const trialVersion = "1"

// trial is the statement that writes the row to ask for permission: by the
// policies for INSERT alone, or by those for INSERT, SELECT and UPDATE when it
// would replace one that is there. It is undone.
func (n newRow) trial(upsert bool) session.Statement {
	n.version = trialVersion
	if upsert {
		return n.upsert(" returning *")
	}
	return n.insert("")
}

// trialError is what the caller is told when the trial has failed.
func trialError(err error, upsert bool) error {
	if !upsert && isState(err, pgUniqueViolation) {
		return withCause(errDuplicate("KeyAlreadyExists"), err)
	}
	return err
}

// mayWrite asks the database, under s, whether the row may be written.
func (c *call) mayWrite(s *session.Settings, n newRow, upsert bool) error {
	_, err := c.try(s, n.trial(upsert))
	return trialError(err, upsert)
}

// lockKey is the statement that keeps others from writing the same key until
// the transaction ends.
func lockKey(bucket, key string) session.Statement {
	return sql(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, bucket+"/"+key)
}

// lockRow is the statement that reads the version of a row and locks it.
func lockRow(bucket, key string) session.Statement {
	return sql(`select version from storage.objects where bucket_id = $1 and name = $2 for update`, bucket, key)
}

// write is commit, and removes the new bytes when it is certain that no row
// will name them; otherwise they are left for the sweep.
func (c *call) write(n newRow, upsert bool, returning string, also ...session.Statement) (row, error) {
	done, undone, err := c.commit(n, upsert, returning, also...)
	if undone {
		c.removeBytes(n.version)
	}
	return done, err
}

// commit commits the row of bytes that are stored, as service_role, and removes
// the bytes it replaces. undone says that it is certain that no row will name
// the new ones.
//
// When the connection breaks it is unknown whether the row was committed. Then
// the same is written again, which changes nothing where it was: the version
// is the same. also are further statements of the same transaction.
func (c *call) commit(n newRow, upsert bool, returning string, also ...session.Statement) (done row, undone bool, err error) {
	ctx := c.finishing()
	stmts := make([]session.Statement, 1, 3+len(also))
	stmts[0] = lockKey(n.bucket, n.key)
	if upsert {
		stmts = append(stmts, lockRow(n.bucket, n.key), n.upsert(returning))
	} else { // there is no row, or it fails
		stmts = append(stmts, n.insert(returning))
	}
	main := len(stmts) - 1
	stmts = append(stmts, also...)
	const tries = 3
	for try := 1; ; try++ {
		res, err := c.query(ctx, c.asService(), stmts...)
		switch {
		case err == nil:
			if len(res[main]) == 0 {
				return nil, true, errLeftOut
			}
			if upsert {
				c.removeBytes(without(versions(res[1], 0), n.version)...)
			}
			return res[main][0], false, nil
		case !rolledBack(err) && try < tries && ctx.Err() == nil:
			continue
		case try == 1 && rolledBack(err):
			undone = true
		case isState(err, pgUniqueViolation): // by an earlier try, or by another
			if done, ferr := c.findVersion(ctx, n, returning); ferr != nil || done != nil {
				return done, false, ferr
			}
		}
		switch {
		case isState(err, pgLockNotAvailable):
			return nil, undone, errLockTimeout(err)
		case isState(err, pgUniqueViolation):
			return nil, undone, withCause(errDuplicate("KeyAlreadyExists"), err)
		}
		return nil, undone, err
	}
}

// errLeftOut is a write that a trigger has suppressed.
var errLeftOut = errors.New("the object's row was not written: a trigger on storage.objects has returned NULL")

// findVersion reads the row of a write by its version, nil when it is not
// there. returning begins with that word.
func (c *call) findVersion(ctx context.Context, n newRow, returning string) (row, error) {
	columns := strings.TrimPrefix(returning, " returning ")
	return c.one(ctx, c.asService(), sql(`select `+columns+` from storage.objects where bucket_id = $1 and name = $2 and version = $3`,
		n.bucket, n.key, n.version))
}

func without(all []string, one string) []string {
	kept := all[:0]
	for _, s := range all {
		if s != one {
			kept = append(kept, s)
		}
	}
	return kept
}

// dropUnlessUnknown removes new bytes after their row could not be committed.
// PostgreSQL's own error says that it was not; a connection that broke, or a
// server that is going down, leaves that open.
func (c *call) dropUnlessUnknown(ctx context.Context, version string, err error) {
	if rolledBack(err) {
		c.removeBytes(version)
		return
	}
	c.h.log.WarnContext(ctx, "it is unknown whether an object's row was committed; its bytes are kept until the next sweep", "error", err)
}
