package storage

import (
	"crypto/md5" // the ETag of several parts is an MD5 of theirs
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server/internal/storage/blob"
)

// s3CompleteUpload makes the object of the upload's parts: of those that the
// request lists, or of all without a request's document.
func (c *call) s3CompleteUpload() error {
	upsert, err := c.wantsReplace()
	if err != nil {
		return err
	}
	var in completeRequest
	if err := c.readXML(&in); err != nil {
		return err
	}
	if in.XMLName.Local != "" && len(in.Part) == 0 {
		return errInvalidRequest("Body, CompleteMultipartUpload must be object")
	}
	u, err := c.writableUpload()
	if err != nil {
		return err
	}
	version := uuid.NewString()
	info, parts, err := c.joinChosen(version, u, in)
	if err != nil {
		return err
	}
	etag, err := c.finishUpload(u, version, info, parts, upsert)
	if err != nil {
		return notReplaced(err, upsert)
	}
	d := newXML("CompleteMultipartUploadResult")
	d.text("Location", c.bucket+"/"+c.key)
	d.text("Bucket", c.bucket)
	d.text("Key", c.key)
	d.text("ETag", etag)
	return c.writeXML(d)
}

// joinChosen stores the bytes of the parts that the client has chosen as one
// version. Parts whose bytes are gone were replaced meanwhile, or their upload
// has ended: the choice is made again.
func (c *call) joinChosen(version string, u *s3Upload, in completeRequest) (blob.Info, []s3Part, error) {
	const tries = 3
	for try := 1; ; try++ {
		parts, err := c.chosenParts(u, in)
		if err != nil {
			return blob.Info{}, nil, err
		}
		info, err := c.joinParts(version, parts)
		if errors.Is(err, blob.ErrNotFound) {
			if try < tries {
				continue
			}
			err = withCause(errGone(), err)
		}
		return info, parts, err
	}
}

// chosenParts are the parts that the client lists, by their numbers, or all of
// them when it lists none.
func (c *call) chosenParts(u *s3Upload, in completeRequest) ([]s3Part, error) {
	res, err := c.query(c.ctx(), c.asService(), sql(
		`select p.id::text, p.part_number, p.size, p.etag
		 from storage.s3_multipart_uploads u left join storage.s3_multipart_uploads_parts p on p.upload_id = u.id
		 where u.id = $1 order by p.part_number`, u.id))
	if err != nil {
		return nil, err
	}
	if len(res[0]) == 0 {
		return nil, errNoSuchUpload()
	}
	var all []s3Part
	for _, r := range res[0] {
		if r[0] == nil {
			break // there is none
		}
		all = append(all, s3Part{id: r.text(0), number: *r.number(1), size: *r.number(2), etag: r.text(3)})
	}
	if len(in.Part) == 0 {
		if len(all) == 0 {
			return nil, errInvalidPart()
		}
		return all, nil
	}
	var chosen []s3Part
	for _, want := range in.Part {
		number, err := strconv.ParseInt(strings.TrimSpace(want.PartNumber), 10, 64)
		if err != nil {
			return nil, errInvalidRequest("Body, PartNumber must be integer")
		}
		i := slices.IndexFunc(all, func(p s3Part) bool { return p.number == number })
		if i < 0 || strings.Trim(strings.TrimSpace(want.ETag), `"`) != all[i].etag {
			return nil, errInvalidPart()
		}
		chosen = append(chosen, all[i])
		all = slices.Delete(all, i, i+1) // each part once
	}
	slices.SortFunc(chosen, func(a, b s3Part) int { return int(a.number - b.number) })
	return chosen, nil
}

func errInvalidPart() *Error {
	return &Error{Status: 400, Name: "InvalidPart", Code: "InvalidPart",
		Message: "One or more of the specified parts could not be found. The part may not have been uploaded, " +
			"or the specified entity tag may not match the part's entity tag."}
}

// joinParts stores the bytes of parts as one version.
func (c *call) joinParts(version string, parts []s3Part) (blob.Info, error) {
	if len(parts) == 1 {
		return blob.Info{Size: parts[0].size, MD5: parts[0].etag}, c.h.blobs.Copy(c.ctx(), parts[0].id, version)
	}
	var size int64
	for _, p := range parts {
		size += p.size
	}
	joined := &partReader{c: c, parts: parts}
	defer joined.close()
	return c.h.blobs.Put(c.ctx(), version, joined, size)
}

// partReader reads parts one after the other, of which one is open at a time.
type partReader struct {
	c     *call
	parts []s3Part
	open  io.ReadCloser
}

// Read implements io.Reader.
func (p *partReader) Read(b []byte) (int, error) {
	for {
		if p.open == nil {
			if len(p.parts) == 0 {
				return 0, io.EOF
			}
			f, err := p.c.h.blobs.Open(p.c.ctx(), p.parts[0].id, 0, p.parts[0].size)
			if err != nil {
				return 0, err
			}
			p.open, p.parts = f, p.parts[1:]
		}
		n, err := p.open.Read(b)
		if errors.Is(err, io.EOF) {
			p.close()
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (p *partReader) close() {
	if p.open != nil {
		_ = p.open.Close() // it was only read
		p.open = nil
	}
}

// finishUpload commits the object's row together with the end of the upload
// and of its parts, those that were not chosen too.
func (c *call) finishUpload(u *s3Upload, version string, info blob.Info, parts []s3Part, upsert bool) (etag string, err error) {
	stored := readMetadata(u.metadata)
	in := content{mime: stored.mimetype, cacheControl: stored.cacheControl}
	if in.mime == "" {
		in.mime = defaultType
	}
	if in.cacheControl == "" {
		in.cacheControl = "no-cache"
	}
	meta := c.metadataOf(info, in)
	meta.ETag = `"` + joinedETag(parts) + `"`
	row := u.row(c)
	row.version = version
	if row.metadata, err = encode(meta); err != nil {
		c.removeBytes(version)
		return "", err
	}
	if row.user == nil {
		row.user = []byte("{}")
	}
	ids := make([]string, len(parts))
	for i, p := range parts {
		ids[i] = p.id
	}
	_, err = c.write(write{newRow: row, upsert: upsert, returning: " returning id::text", upload: u.id, parts: ids})
	return meta.ETag, err
}

// joinedETag is the MD5 of the parts' MD5s and how many they are.
func joinedETag(parts []s3Part) string {
	sum := md5.New()
	for _, p := range parts {
		b, err := hex.DecodeString(p.etag)
		if err != nil {
			b = []byte(p.etag)
		}
		sum.Write(b)
	}
	return hex.EncodeToString(sum.Sum(nil)) + "-" + strconv.Itoa(len(parts))
}
