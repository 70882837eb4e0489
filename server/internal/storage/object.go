package storage

import (
	"encoding/json"

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
	return n.insertOf(`values ($1, $2, $3, $4, $5, $6, $7)`, returning)
}

// insertOf is the statement that makes the row of values and ends in end.
func (n newRow) insertOf(values, end string) session.Statement {
	return sql(`insert into storage.objects (bucket_id, name, version, owner, owner_id, metadata, user_metadata)
		`+values+end, n.bucket, n.key, n.version, ownerUUID(n.owner), n.owner, n.metadata, n.user)
}

// upsert is the statement that makes the row or replaces what it holds.
func (n newRow) upsert(returning string) session.Statement {
	return n.insertOf(`values ($1, $2, $3, $4, $5, $6, $7)`, n.replacing()+returning)
}

// ofUpload is insert, or upsert, where an upload in parts is there; without it
// nothing changes.
func (n newRow) ofUpload(id string, upsert bool, returning string) session.Statement {
	if upsert {
		returning = n.replacing() + returning
	}
	s := n.insertOf(`select $1, $2, $3, $4::uuid, $5, $6::jsonb, $7::jsonb
		 where exists (select from storage.s3_multipart_uploads where id = $8)`, returning)
	s.Params = append(s.Params, param(id))
	return s
}

// replacing is what makes an insert of the row replace one that is there.
func (n newRow) replacing() string {
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
	return `
		on conflict (name, bucket_id) do update set ` + set
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
// the transaction ends, and ends it when the bytes of version, which it is
// about to name, were swept meanwhile: see settledOrphans.
func (h *Handler) lockKey(bucket, key, version string) session.Statement {
	const lock = `select pg_advisory_xact_lock(hashtextextended($1, 0))`
	if h.keep { // nothing is swept
		return sql(lock, bucket+"/"+key)
	}
	return sql(lock+`, `+endIfSwept("$2"), bucket+"/"+key, version)
}

// lockRow is the statement that reads the version of a row and locks it.
func lockRow(bucket, key string) session.Statement {
	return sql(`select version from storage.objects where bucket_id = $1 and name = $2 for update`, bucket, key)
}
