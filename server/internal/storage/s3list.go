package storage

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/suparust/suparust/server/internal/session"
)

// maxS3Page bounds the entries of one answer.
const maxS3Page = 1000

// s3Listing is what a list of objects asks for.
type s3Listing struct {
	prefix, delimiter, after string
	encode                   bool
	limit                    int64
}

// s3Entry is an object, or a folder: what keys have in common up to the delimiter.
type s3Entry struct {
	name    string
	folder  bool
	updated string
	raw     []byte // metadata
}

func (c *call) s3Listing(q url.Values) (s3Listing, error) {
	l := s3Listing{prefix: q.Get("prefix"), delimiter: q.Get("delimiter"), limit: maxS3Page}
	var err error
	if l.encode, err = wantsEncoding(q); err != nil {
		return l, err
	}
	if l.limit, err = queryInteger(q, "max-keys", maxS3Page, 0, 1<<53); err != nil {
		return l, err
	}
	l.limit = min(l.limit, maxS3Page)
	return l, nil
}

// wantsEncoding reads encoding-type.
func wantsEncoding(q url.Values) (bool, error) {
	switch q.Get("encoding-type") {
	case "":
		return false, nil
	case "url":
		return true, nil
	default:
		return false, errValidationS3("encoding-type", "must be equal to one of the allowed values")
	}
}

// queryInteger reads an integer of the query.
func queryInteger(q url.Values, name string, otherwise, least, most int64) (int64, error) {
	text := q.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return 0, errValidationS3(name, "must be integer")
	case n < least:
		return 0, errValidationS3(name, "must be >= "+strconv.FormatInt(least, 10))
	case n > most:
		return 0, errValidationS3(name, "must be <= "+strconv.FormatInt(most, 10))
	}
	return n, nil
}

// errValidationS3 is a parameter that does not fit.
func errValidationS3(name, message string) *Error {
	return errInvalidRequest("Querystring, " + name + " " + message)
}

func (c *call) s3ListObjectsV2() error {
	q := c.r.URL.Query()
	l, err := c.s3Listing(q)
	if err != nil {
		return err
	}
	token := q.Get("continuation-token")
	l.after = q.Get("start-after")
	if token != "" {
		u, err := readCursor(token)
		if err != nil {
			return err
		}
		l.after = u.after
	}
	entries, more, err := c.s3Page(l)
	if err != nil {
		return err
	}
	d := newXML("ListBucketResult")
	d.text("Name", c.bucket)
	d.text("Prefix", l.name(l.prefix))
	d.some("ContinuationToken", token)
	if token == "" {
		d.some("StartAfter", l.name(l.after))
	}
	l.contents(d, entries)
	d.boolean("IsTruncated", more)
	d.number("MaxKeys", l.limit)
	l.describe(d)
	d.number("KeyCount", int64(len(entries)))
	l.folders(d, entries)
	if more {
		d.text("NextContinuationToken", cursor{after: entries[len(entries)-1].name}.encode())
	}
	return c.writeXML(d)
}

func (c *call) s3ListObjects() error {
	q := c.r.URL.Query()
	l, err := c.s3Listing(q)
	if err != nil {
		return err
	}
	l.after = q.Get("marker")
	entries, more, err := c.s3Page(l)
	if err != nil {
		return err
	}
	d := newXML("ListBucketResult")
	d.text("Name", c.bucket)
	d.text("Prefix", l.name(l.prefix))
	marker := l.after
	if more { // the platform has the next one here, too, and its clients go on with it
		marker = entries[len(entries)-1].name
	}
	d.some("Marker", l.name(marker))
	if more && l.delimiter != "" {
		d.text("NextMarker", l.name(marker))
	}
	d.number("MaxKeys", l.limit)
	d.boolean("IsTruncated", more)
	l.contents(d, entries)
	l.folders(d, entries)
	l.describe(d)
	return c.writeXML(d)
}

// s3ListVersions lists the objects as the only versions of themselves, which
// is what they are: clients that empty a bucket ask for its versions.
func (c *call) s3ListVersions() error {
	q := c.r.URL.Query()
	l, err := c.s3Listing(q)
	if err != nil {
		return err
	}
	l.after = q.Get("key-marker")
	entries, more, err := c.s3Page(l)
	if err != nil {
		return err
	}
	d := newXML("ListVersionsResult")
	d.text("Name", c.bucket)
	d.text("Prefix", l.name(l.prefix))
	d.text("KeyMarker", l.name(l.after))
	d.text("VersionIdMarker", q.Get("version-id-marker"))
	if more {
		last := entries[len(entries)-1]
		d.text("NextKeyMarker", l.name(last.name))
		if !last.folder {
			d.text("NextVersionIdMarker", onlyVersion)
		}
	}
	d.number("MaxKeys", l.limit)
	d.boolean("IsTruncated", more)
	for _, e := range entries {
		if e.folder {
			continue
		}
		d.open("Version")
		l.fields(d, e)
		d.text("VersionId", onlyVersion)
		d.boolean("IsLatest", true)
		d.close("Version")
	}
	l.folders(d, entries)
	l.describe(d)
	return c.writeXML(d)
}

// onlyVersion is the version's id of an object that is not versioned.
const onlyVersion = "null"

// name is a key as the answer writes it.
func (l s3Listing) name(key string) string {
	if l.encode {
		return encodeComponent(key)
	}
	return key
}

func (l s3Listing) describe(d *xmlDoc) {
	d.some("Delimiter", l.name(l.delimiter))
	if l.encode {
		d.text("EncodingType", "url")
	}
}

func (l s3Listing) contents(d *xmlDoc, entries []s3Entry) {
	for _, e := range entries {
		if e.folder {
			continue
		}
		d.open("Contents")
		l.fields(d, e)
		d.close("Contents")
	}
}

// fields are what a list tells of an object.
func (l s3Listing) fields(d *xmlDoc, e s3Entry) {
	meta := readMetadata(e.raw)
	d.text("Key", l.name(e.name))
	d.some("LastModified", e.updated)
	d.some("ETag", meta.etag)
	d.number("Size", max(meta.size, 0))
	d.text("StorageClass", "STANDARD")
}

func (l s3Listing) folders(d *xmlDoc, entries []s3Entry) {
	for _, e := range entries {
		if e.folder {
			d.inner("CommonPrefixes", "Prefix", l.name(e.name))
		}
	}
}

// s3Page reads one page under the caller's role, and whether there is another.
func (c *call) s3Page(l s3Listing) (entries []s3Entry, more bool, err error) {
	if err := c.bucketExists(); err != nil {
		return nil, false, err
	}
	if l.limit == 0 || !onlyNameBytes(l.prefix, true) {
		return nil, false, nil // no key has such a prefix
	}
	l.after = strings.ToValidUTF8(strings.ReplaceAll(l.after, "\x00", ""), "\uFFFD")
	res, err := c.query(c.ctx(), c.asUser(), l.statement(c.bucket))
	if err != nil {
		return nil, false, err
	}
	for _, r := range res[0] {
		e := s3Entry{name: r.text(0), folder: r.bool(1)}
		if !e.folder {
			e.updated, e.raw = r.text(2), r[3]
		}
		entries = append(entries, e)
	}
	if int64(len(entries)) > l.limit {
		return entries[:l.limit], true, nil
	}
	return entries, false, nil
}

// bucketExists refuses a bucket that is not there, as service_role: what the
// caller sees in it is for the policies.
func (c *call) bucketExists() error {
	_, err := c.findLimits()
	return err
}

// statement reads one entry more than the page holds. With a delimiter each
// step of the recursion jumps over what is in the folder before.
func (l s3Listing) statement(bucket string) session.Statement {
	count := strconv.FormatInt(l.limit+1, 10)
	columns := isoTime("o.updated_at") + ` as updated, o.metadata::text as metadata`
	// below is what the keys under the prefix are less than
	within := `o.bucket_id = $1 and o.name collate "C" >= $2 and ($3 = '' or o.name collate "C" < $3)`
	args := []any{bucket, l.first(), past(l.prefix)}
	var text string
	if l.delimiter == "" || strings.ContainsRune(l.delimiter, 0) {
		text = `select o.name, false, ` + columns + ` from storage.objects o where ` + within +
			` order by o.name collate "C" limit ` + count
	} else {
		args = append(args, l.prefix, strings.ToValidUTF8(l.delimiter, "\uFFFD"))
		const folder = `case when strpos(substr(o.name, length($4) + 1), $5) > 0
			then left(o.name, length($4) + strpos(substr(o.name, length($4) + 1), $5) + length($5) - 1) end as folder`
		entry := `select o.name, ` + folder + `, ` + columns + ` from storage.objects o where `
		text = `with recursive entries as (
			(` + entry + within + ` order by o.name collate "C" limit 1)
			union all
			select n.* from entries e cross join lateral (` + entry + `o.bucket_id = $1 and o.name collate "C" >=
				case when e.folder is null then e.name || chr(1) else left(e.folder, -1) || chr(ascii(right(e.folder, 1)) + 1) end
				and ($3 = '' or o.name collate "C" < $3) order by o.name collate "C" limit 1) n)
			select coalesce(folder, name), folder is not null, updated, metadata from entries limit ` + count
	}
	st := sql(text, args...)
	st.Unprepared = l.limit != maxS3Page
	return st
}

// first is the least key of the page.
func (l s3Listing) first() string {
	if l.after == "" || l.after < l.prefix {
		return l.prefix
	}
	if rest, ok := strings.CutPrefix(l.after, l.prefix); ok && l.delimiter != "" && rest != "" {
		if i := strings.Index(rest, l.delimiter); i >= 0 && i+len(l.delimiter) == len(rest) {
			return past(l.after) // the folder itself was the last entry
		}
	}
	return l.after + "\x01"
}

// past is the least text that is greater than all that begin with prefix, ""
// when prefix is empty. Keys are ASCII.
func past(prefix string) string {
	if prefix == "" {
		return ""
	}
	last := len(prefix) - 1
	if prefix[last] >= 0x7f {
		return prefix + "\U0010FFFF"
	}
	return prefix[:last] + string(rune(prefix[last]+1))
}
