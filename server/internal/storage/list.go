package storage

import (
	"encoding/json"
	"math"
	"strings"
)

const (
	defaultList = 100
	maxList     = 1500
)

// listed is an entry of the older listing: a file, or a folder with nothing
// but its name.
type listed struct {
	Name           string          `json:"name"`
	ID             *string         `json:"id"`
	UpdatedAt      *string         `json:"updated_at"`
	CreatedAt      *string         `json:"created_at"`
	LastAccessedAt *string         `json:"last_accessed_at"`
	Metadata       json.RawMessage `json:"metadata"`
}

// listObjects lists one level of a bucket. A bucket that is missing or hidden
// has nothing to list.
func (c *call) listObjects() error {
	f, err := readJSON(c.w, c.r)
	if err != nil {
		return err
	}
	f.require("prefix")
	prefix := f.text("prefix")
	limit := f.integer("limit", defaultList, 1)
	offset := f.integer("offset", 0, 0)
	column, order := f.sortBy("name", "name", "updated_at", "created_at", "last_accessed_at")
	if order == "" {
		order = "asc"
	}
	search := f.text("search")
	if f.err != nil {
		return f.err
	}
	if err := checkBucketName(c.bucket); err != nil {
		return err
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	all := []listed{}
	if !storable(prefix + search) {
		return writeJSON(c.w, all)
	}
	res, err := c.query(c.ctx(), c.asUser(), sql(
		`select name, id::text, `+isoTime("updated_at")+`, `+isoTime("created_at")+`, `+isoTime("last_accessed_at")+`, metadata::text
		 from storage.search($1, $2, $3::int, $4::int, $5::int, $6, $7, $8)`,
		prefix, c.bucket, min(limit, maxList), strings.Count(prefix+search, "/")+1, min(offset, math.MaxInt32), search, column, order))
	if err != nil {
		return err
	}
	for _, r := range res[0] {
		all = append(all, listed{r.text(0), r.optional(1), r.optional(2), r.optional(3), r.optional(4), r.json(5)})
	}
	return writeJSON(c.w, all)
}

// sortBy reads the object of that name; its column is required when it is
// there.
func (f *fields) sortBy(def string, columns ...string) (column, order string) {
	s := f.object("sortBy")
	if s == nil {
		return def, ""
	}
	s.require("column")
	column = s.oneOf("column", def, columns...)
	order = s.oneOf("order", "", "asc", "desc")
	f.join(s)
	return column, order
}
