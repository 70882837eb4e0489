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

// s3Page is one page of a list.
type s3Page struct {
	s3Listing
	entries []s3Entry
	more    bool
}

// last is the page's last entry, of a page after which there is another.
func (p *s3Page) last() s3Entry { return p.entries[len(p.entries)-1] }

// s3List answers a page of a list in a document called kind. after tells behind
// which key it begins, and write adds to the document what is of this kind.
func (c *call) s3List(kind string, after func(url.Values) (string, error), write func(*xmlDoc, url.Values, *s3Page)) error {
	q := c.r.URL.Query()
	p := &s3Page{}
	var err error
	if p.s3Listing, err = c.s3Listing(q); err != nil {
		return err
	}
	if p.after, err = after(q); err != nil {
		return err
	}
	if err := c.readPage(p); err != nil {
		return err
	}
	d := newXML(kind)
	d.text("Name", c.bucket)
	d.text("Prefix", p.name(p.prefix))
	write(d, q, p)
	return c.writeXML(d)
}

// parameter is a value of the query.
func parameter(name string) func(url.Values) (string, error) {
	return func(q url.Values) (string, error) { return q.Get(name), nil }
}

func (c *call) s3ListObjectsV2() error {
	const tokenName = "continuation-token"
	after := func(q url.Values) (string, error) {
		token := q.Get(tokenName)
		if token == "" {
			return q.Get("start-after"), nil
		}
		u, err := readCursor(token)
		return u.after, err
	}
	return c.s3List("ListBucketResult", after, func(d *xmlDoc, q url.Values, p *s3Page) {
		token := q.Get(tokenName)
		d.some("ContinuationToken", token)
		if token == "" {
			d.some("StartAfter", p.name(p.after))
		}
		p.contents(d)
		d.boolean("IsTruncated", p.more)
		d.number("MaxKeys", p.limit)
		p.describe(d)
		d.number("KeyCount", int64(len(p.entries)))
		p.folders(d)
		if p.more {
			d.text("NextContinuationToken", cursor{after: p.last().name}.encode())
		}
	})
}

func (c *call) s3ListObjects() error {
	return c.s3List("ListBucketResult", parameter("marker"), func(d *xmlDoc, _ url.Values, p *s3Page) {
		marker := p.after
		if p.more { // the platform has the next one here, too, and its clients go on with it
			marker = p.last().name
		}
		d.some("Marker", p.name(marker))
		if p.more && p.delimiter != "" {
			d.text("NextMarker", p.name(marker))
		}
		d.number("MaxKeys", p.limit)
		d.boolean("IsTruncated", p.more)
		p.contents(d)
		p.folders(d)
		p.describe(d)
	})
}

// s3ListVersions lists the objects as the only versions of themselves, which
// is what they are: clients that empty a bucket ask for its versions.
func (c *call) s3ListVersions() error {
	return c.s3List("ListVersionsResult", parameter("key-marker"), func(d *xmlDoc, q url.Values, p *s3Page) {
		d.text("KeyMarker", p.name(p.after))
		d.text("VersionIdMarker", q.Get("version-id-marker"))
		if p.more {
			d.text("NextKeyMarker", p.name(p.last().name))
			if !p.last().folder {
				d.text("NextVersionIdMarker", onlyVersion)
			}
		}
		d.number("MaxKeys", p.limit)
		d.boolean("IsTruncated", p.more)
		p.objects(d, "Version", func() {
			d.text("VersionId", onlyVersion)
			d.boolean("IsLatest", true)
		})
		p.folders(d)
		p.describe(d)
	})
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

// contents are the objects of the page.
func (p *s3Page) contents(d *xmlDoc) { p.objects(d, "Contents", func() {}) }

// objects are elements for the objects of the page, of which rest adds the end.
func (p *s3Page) objects(d *xmlDoc, element string, rest func()) {
	for _, e := range p.entries {
		if e.folder {
			continue
		}
		d.open(element)
		p.fields(d, e)
		rest()
		d.close(element)
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

func (p *s3Page) folders(d *xmlDoc) {
	for _, e := range p.entries {
		if e.folder {
			d.inner("CommonPrefixes", "Prefix", p.name(e.name))
		}
	}
}

// readPage reads the page's entries under the caller's role, and whether there
// is another page.
func (c *call) readPage(p *s3Page) error {
	if err := c.bucketExists(); err != nil {
		return err
	}
	if p.limit == 0 || !onlyNameBytes(p.prefix, true) {
		return nil // no key has such a prefix
	}
	l := p.s3Listing // the answer repeats what was asked for as it was
	l.after = strings.ToValidUTF8(strings.ReplaceAll(l.after, "\x00", ""), "\uFFFD")
	res, err := c.query(c.ctx(), c.asUser(), l.statement(c.bucket))
	if err != nil {
		return err
	}
	for _, r := range res[0] {
		e := s3Entry{name: r.text(0), folder: r.bool(1)}
		if !e.folder {
			e.updated, e.raw = r.text(2), r[3]
		}
		p.entries = append(p.entries, e)
	}
	if int64(len(p.entries)) > p.limit {
		p.entries, p.more = p.entries[:p.limit], true
	}
	return nil
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
