package storage

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/session"
)

// bucket is a bucket as the API shows it.
type bucket struct {
	ID               string          `json:"id"`
	Name             string          `json:"name"`
	Owner            string          `json:"owner"`
	Public           bool            `json:"public"`
	Type             string          `json:"type,omitempty"`
	FileSizeLimit    *int64          `json:"file_size_limit"`
	AllowedMimeTypes json.RawMessage `json:"allowed_mime_types"`
	CreatedAt        string          `json:"created_at"`
	UpdatedAt        string          `json:"updated_at"`
}

var bucketColumns = `id, name, coalesce(owner::text, ''), public, type::text, file_size_limit,
	coalesce(to_jsonb(allowed_mime_types), 'null')::text, ` + isoTime("created_at") + `, ` + isoTime("updated_at")

func readBucket(r row) bucket {
	return bucket{
		ID: r.text(0), Name: r.text(1), Owner: r.text(2), Public: r.bool(3), Type: r.text(4), FileSizeLimit: r.number(5),
		AllowedMimeTypes: json.RawMessage(r[6]), CreatedAt: r.text(7), UpdatedAt: r.text(8),
	}
}

func (c *call) createBucket() error {
	f, err := readJSON(c.w, c.r)
	if err != nil {
		return err
	}
	f.require("name")
	name, id := f.text("name"), f.text("id")
	public := f.boolean("public", false)
	kind := f.oneOf("type", "STANDARD", "STANDARD", "ANALYTICS")
	limits := f.bucketLimits()
	if f.err != nil {
		return f.err
	}
	if err := checkNewBucketName(name); err != nil {
		return err
	}
	if kind == "ANALYTICS" {
		return &Error{Status: 400, Name: "FeatureNotEnabled", Code: "FeatureNotEnabled",
			Message: "The feature iceberg_catalog is not enabled for this resource"}
	}
	if id == "" {
		id = name
	}
	if !storable(id) || len(id) > maxBucketName {
		return errInvalidBucketName()
	}
	if err := limits.check(c.h.limit); err != nil {
		return err
	}
	if err := c.insertBucket(id, name, public, limits); err != nil {
		return err
	}
	return writeJSON(c.w, struct {
		Name string `json:"name"`
	}{name})
}

// insertBucket makes the row of a bucket under the caller's role.
func (c *call) insertBucket(id, name string, public bool, limits bucketLimits) error {
	owner := c.owner()
	_, err := c.query(c.ctx(), c.asUser(), sql(
		`insert into storage.buckets (id, name, owner, owner_id, public, file_size_limit, allowed_mime_types, type)
		 values ($1, $2, $3, $4, $5, $6, $7, 'STANDARD')`,
		id, name, ownerUUID(owner), owner, public, limits.size, limits.mime))
	if isState(err, pgUniqueViolation) {
		return withCause(errDuplicate("BucketAlreadyExists"), err)
	}
	return err
}

// ownerUUID is the value of an owner column: a subject that is a UUID.
func ownerUUID(subject *string) *string {
	if subject == nil || len(*subject) != 36 {
		return nil
	}
	if _, err := uuid.Parse(*subject); err != nil {
		return nil
	}
	return subject
}

func (c *call) listBuckets() error {
	f := readQuery(parseQuery(c.r.URL.RawQuery))
	limit := f.integer("limit", -1, 1)
	offset := f.integer("offset", 0, 0)
	column := f.oneOf("sortColumn", "", "id", "name", "created_at", "updated_at")
	order := f.oneOf("sortOrder", "asc", "asc", "desc")
	search := f.text("search")
	if f.err != nil {
		return f.err
	}
	text := `select ` + bucketColumns + ` from storage.buckets`
	var args []any
	if search != "" {
		if !storable(search) {
			return writeJSON(c.w, []bucket{})
		}
		args = append(args, "%"+likeEscaper.Replace(search)+"%")
		text += ` where name ilike $1`
	}
	if column != "" {
		text += ` order by ` + column + ` ` + order
	}
	if limit > 0 {
		text += ` limit ` + strconv.FormatInt(limit, 10)
	}
	if offset > 0 {
		text += ` offset ` + strconv.FormatInt(offset, 10)
	}
	st := sql(text, args...)
	st.Unprepared = limit > 0 || offset > 0 // a text of its own for each page
	res, err := c.query(c.ctx(), c.asUser(), st)
	if err != nil {
		return err
	}
	withType := !hidesBucketType(c.r.Header)
	all := make([]bucket, 0, len(res[0]))
	for _, r := range res[0] {
		b := readBucket(r)
		if !withType {
			b.Type = ""
		}
		all = append(all, b)
	}
	return writeJSON(c.w, all)
}

var (
	oldPython  = regexp.MustCompile(`(?i)supabase-py/(\d+)\.(\d+)\.(\d+)`)
	oldStorage = regexp.MustCompile(`(?i)supabase-py/storage3 v(\d+)\.(\d+)\.(\d+)`)
)

// hidesBucketType reports whether the client is one that fails on a bucket
// that tells its type: supabase-py before 2.18.0, storage3 before 0.12.1.
func hidesBucketType(h interface{ Get(string) string }) bool {
	return versionBefore(oldPython, h.Get("X-Client-Info"), [3]int{2, 18, 0}) ||
		versionBefore(oldStorage, h.Get("User-Agent"), [3]int{0, 12, 1})
}

func versionBefore(client *regexp.Regexp, header string, than [3]int) bool {
	m := client.FindStringSubmatch(header)
	if m == nil {
		return false
	}
	for i, want := range than {
		n, err := strconv.Atoi(m[i+1])
		if err != nil || n > want {
			return false
		}
		if n < want {
			return true
		}
	}
	return false
}

func (c *call) getBucket() error {
	if !storable(c.bucket) {
		return errNoSuchBucket()
	}
	r, err := c.one(c.ctx(), c.asUser(), sql(`select `+bucketColumns+` from storage.buckets where id = $1`, c.bucket))
	if err != nil {
		return err
	}
	if r == nil {
		return errNoSuchBucket()
	}
	b := readBucket(r)
	b.Type = ""
	return writeJSON(c.w, b)
}

func (c *call) updateBucket() error {
	f, err := readJSON(c.w, c.r)
	if err != nil {
		return err
	}
	if !f.has("public") && !f.has("file_size_limit") && !f.has("allowed_mime_types") {
		return errValidation("body must have required property 'public', body must have required property 'file_size_limit', " +
			"body must have required property 'allowed_mime_types', body must match a schema in anyOf")
	}
	public := f.boolean("public", false)
	limits := f.bucketLimits()
	if f.err != nil {
		return f.err
	}
	if err := checkBucketName(c.bucket); err != nil {
		return err
	}
	if err := limits.check(c.h.limit); err != nil {
		return err
	}
	var set []string
	args := []any{c.bucket}
	change := func(column string, value any) {
		args = append(args, value)
		set = append(set, column+" = $"+strconv.Itoa(len(args)))
	}
	if f.has("public") {
		change("public", public)
	}
	if limits.hasSize {
		change("file_size_limit", limits.size)
	}
	if limits.hasMime {
		change("allowed_mime_types", limits.mime)
	}
	r, err := c.one(c.ctx(), c.asUser(), sql(`update storage.buckets set `+strings.Join(set, ", ")+` where id = $1 returning id`, args...))
	if err != nil {
		return err
	}
	if r == nil {
		return errNoSuchBucket()
	}
	return writeJSON(c.w, message{"Successfully updated"})
}

func (c *call) deleteBucket() error {
	if err := c.checkUnusedBody(true); err != nil {
		return err
	}
	if err := c.removeBucket(); err != nil {
		return err
	}
	return writeJSON(c.w, message{"Successfully deleted"})
}

// removeBucket deletes the bucket of the path, which must be empty.
func (c *call) removeBucket() error {
	if !storable(c.bucket) {
		return errNoSuchBucket()
	}
	return c.h.db.Tx(c.ctx(), c.asService(), func(tx *session.Tx) error {
		var id string
		var used bool
		err := tx.QueryRow(c.ctx(), `select id from storage.buckets where id = $1 for update`, c.bucket).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return errNoSuchBucket()
		}
		if err == nil {
			err = tx.QueryRow(c.ctx(), `select exists (select from storage.objects where bucket_id = $1)`, c.bucket).Scan(&used)
		}
		switch {
		case err != nil:
			return err
		case used:
			return &Error{Status: 409, Name: "ResourceNotEmpty", Code: "ResourceNotEmpty",
				Message: "The bucket you tried to delete is not empty"}
		}
		if err := tx.Set(c.ctx(), c.asUser()); err != nil {
			return err
		}
		tag, err := tx.Exec(c.ctx(), `delete from storage.buckets where id = $1`, c.bucket)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errNoSuchBucket()
		}
		return nil
	})
}

// emptyBatch is how many objects one transaction of emptyBucket deletes.
const emptyBatch = 1000

// emptyBucket deletes every object that was there when the call came. It is
// finished when it answers, although the message speaks of a queue.
func (c *call) emptyBucket() error {
	if err := c.checkUnusedBody(true); err != nil {
		return err
	}
	if !storable(c.bucket) {
		return errNoSuchBucket()
	}
	found, err := c.one(c.ctx(), c.asUser(), sql(`select now()::text from storage.buckets where id = $1`, c.bucket))
	if err != nil {
		return err
	}
	if found == nil {
		return errNoSuchBucket()
	}
	for {
		res, err := c.query(c.ctx(), c.asUser(), sql(
			`delete from storage.objects where id in (
			   select id from storage.objects where bucket_id = $1 and created_at <= $2::timestamptz
			   order by name collate "C" limit `+strconv.Itoa(emptyBatch)+`)
			 returning version`, c.bucket, found.text(0)))
		if err != nil {
			return err
		}
		c.removeBytes(versions(res[0], 0)...)
		if len(res[0]) < emptyBatch {
			return writeJSON(c.w, message{"Empty bucket has been queued. Completion may take up to an hour."})
		}
	}
}

// versions are the values of a column that name bytes.
func versions(rows []row, column int) []string {
	all := make([]string, 0, len(rows))
	for _, r := range rows {
		if v := r.text(column); v != "" {
			all = append(all, v)
		}
	}
	return all
}
