package storage

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// s3ListParts lists the parts of an upload that the caller's role may see.
func (c *call) s3ListParts() error {
	q := c.r.URL.Query()
	limit, err := queryInteger(q, "max-parts", maxS3Page, 1, maxS3Page)
	if err != nil {
		return err
	}
	after, err := queryInteger(q, "part-number-marker", 0, 0, 1<<31-1)
	if err != nil {
		return err
	}
	u, err := c.findUpload()
	if err != nil {
		return err
	}
	res, err := c.query(c.ctx(), c.asUser(), sql(
		`select part_number, `+isoTime("created_at")+`, etag, size from storage.s3_multipart_uploads_parts
		 where upload_id = $1 and part_number > $2::int order by part_number limit $3::int`, u.id, after, limit+1))
	if err != nil {
		return err
	}
	rows, more := res[0], false
	if int64(len(rows)) > limit {
		rows, more = rows[:limit], true
	}
	d := newXML("ListPartsResult")
	d.text("Bucket", c.bucket)
	d.text("Key", c.key)
	d.text("UploadId", u.id)
	d.some("PartNumberMarker", q.Get("part-number-marker"))
	if more {
		d.text("NextPartNumberMarker", rows[limit-1].text(0))
	}
	d.number("MaxParts", limit)
	d.boolean("IsTruncated", more)
	for _, r := range rows {
		d.open("Part")
		d.text("PartNumber", r.text(0))
		d.text("LastModified", r.text(1))
		d.text("ETag", r.text(2))
		d.text("Size", r.text(3))
		d.close("Part")
	}
	return c.writeXML(d)
}

// s3ListUploads lists the uploads of a bucket that have not ended.
func (c *call) s3ListUploads() error {
	q := c.r.URL.Query()
	encode, err := wantsEncoding(q)
	if err != nil {
		return err
	}
	limit, err := queryInteger(q, "max-uploads", maxS3Page, 1, maxS3Page)
	if err != nil {
		return err
	}
	if err := c.bucketExists(); err != nil {
		return err
	}
	prefix, delimiter := q.Get("prefix"), q.Get("delimiter")
	keyMarker, idMarker := readMarker(q.Get("key-marker")), readMarker(q.Get("upload-id-marker"))
	var rows []row
	if storable(prefix + delimiter + keyMarker + idMarker) {
		res, err := c.query(c.ctx(), c.asUser(), sql(
			`select item, folder, id, created from (
			   select distinct on (item collate "C", case when folder then '' else id end collate "C") item, folder, id, created from (
			     select case when at > 0 then left(key, length($2) + at + length($3) - 1) else key end as item, at > 0 as folder, id,
			       `+isoTime("created_at")+` as created
			     from (select *, case when $3 = '' then 0 else strpos(substr(key, length($2) + 1), $3) end as at
			       from storage.s3_multipart_uploads where bucket_id = $1 and starts_with(key, $2)) u) i
			   where $4 = '' or item collate "C" > $4 or item = $4 and not folder and $5 <> '' and id collate "C" > $5
			   order by item collate "C", case when folder then '' else id end collate "C") e
			 limit $6::int`, c.bucket, prefix, delimiter, keyMarker, idMarker, limit+1))
		if err != nil {
			return err
		}
		rows = res[0]
	}
	more := int64(len(rows)) > limit
	if more {
		rows = rows[:limit]
	}
	name := s3Listing{encode: encode}.name
	d := newXML("ListMultipartUploadsResult")
	d.text("Name", c.bucket)
	d.text("Prefix", prefix)
	d.some("KeyMarker", q.Get("key-marker"))
	d.some("UploadIdMarker", q.Get("upload-id-marker"))
	if more {
		last := rows[len(rows)-1]
		d.text("NextKeyMarker", writeMarker(last.text(0)))
		d.text("NextUploadIdMarker", writeMarker(last.text(2)))
	}
	for _, r := range rows {
		if r.bool(1) {
			continue
		}
		d.open("Upload")
		d.text("Key", name(r.text(0)))
		d.text("Initiated", r.text(3))
		d.text("UploadId", r.text(2))
		d.text("StorageClass", "STANDARD")
		d.close("Upload")
	}
	d.boolean("IsTruncated", more)
	d.number("MaxUploads", limit)
	d.some("Delimiter", delimiter)
	if encode {
		d.text("EncodingType", "url")
	}
	d.text("KeyCount", strconv.Itoa(len(rows)))
	for _, r := range rows {
		if r.bool(1) {
			d.inner("CommonPrefixes", "Prefix", name(r.text(0)))
		}
	}
	return c.writeXML(d)
}

// Markers are written as the platform does; a plain one is taken as well.
const markerPrefix = "l:"

func writeMarker(s string) string { return base64.StdEncoding.EncodeToString([]byte(markerPrefix + s)) }

func readMarker(s string) string {
	if raw, err := base64.StdEncoding.DecodeString(s); err == nil {
		if plain, ok := strings.CutPrefix(string(raw), markerPrefix); ok {
			return plain
		}
	}
	return s
}
