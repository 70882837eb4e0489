package storage

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/suparust/suparust/server/internal/session"
)

const maxListV2 = 1000

// page is an answer of the newer listing.
type page struct {
	HasNext       bool   `json:"hasNext"`
	NextCursor    string `json:"nextCursor,omitempty"`
	NextCursorKey string `json:"nextCursorKey,omitempty"`
	Folders       []any  `json:"folders"`
	Objects       []any  `json:"objects"`
}

type flatEntry struct {
	ID             *string         `json:"id"`
	Name           string          `json:"name"`
	Metadata       json.RawMessage `json:"metadata"`
	UpdatedAt      *string         `json:"updated_at"`
	CreatedAt      *string         `json:"created_at"`
	LastAccessedAt *string         `json:"last_accessed_at"`
}

type levelEntry struct {
	Key            string          `json:"key"`
	Name           string          `json:"name"`
	ID             *string         `json:"id"`
	UpdatedAt      *string         `json:"updated_at"`
	CreatedAt      *string         `json:"created_at"`
	LastAccessedAt *string         `json:"last_accessed_at"`
	Metadata       json.RawMessage `json:"metadata"`
}

// cursor is where a page begins, and in which order.
type cursor struct {
	after  string // the last name of the page before
	order  string
	column string
	at     string // the value of column there
	// kind is that of the last name, of one level: a file and a folder can have
	// the same. The platform's cursors do not tell.
	kind string
}

// The kinds of names.
const (
	kindFile   = "file"
	kindFolder = "folder"
)

// line is the field that a line with this first letter holds.
func (u *cursor) line(letter string) *string {
	switch letter {
	case "l":
		return &u.after
	case "o":
		return &u.order
	case "c":
		return &u.column
	case "a":
		return &u.at
	case "k":
		return &u.kind
	default:
		return nil
	}
}

func (u cursor) encode() string {
	var lines []string
	for _, letter := range []string{"l", "o", "c", "a", "k"} {
		if v := *u.line(letter); v != "" {
			lines = append(lines, letter+":"+v)
		}
	}
	return base64.StdEncoding.EncodeToString([]byte(strings.Join(lines, "\n")))
}

// readCursor reads a cursor that encode, or the platform, wrote.
func readCursor(s string) (cursor, error) {
	bad := errInvalidParameter("continuation token")
	raw, err := base64.RawStdEncoding.DecodeString(rawBase64.Replace(s))
	text := strings.ToValidUTF8(string(raw), "\uFFFD")
	if err != nil || !storable(text) {
		return cursor{}, bad
	}
	u := cursor{order: "asc"}
	for line := range strings.SplitSeq(text, "\n") {
		letter, value, ok := strings.Cut(line, ":")
		to := u.line(letter)
		if !ok || to == nil {
			return cursor{}, bad
		}
		*to = value
	}
	if u.at != "" {
		if t, err := time.Parse(time.RFC3339Nano, u.at); err != nil || t.Year() < 1 { // PostgreSQL knows no year 0
			return cursor{}, bad
		}
	}
	return u, nil
}

// listObjectsV2 lists a bucket page by page, flat or one level of it.
func (c *call) listObjectsV2() error {
	f, err := readJSON(c.w, c.r)
	if err != nil {
		return err
	}
	prefix := f.text("prefix")
	limit := min(f.integer("limit", maxListV2, 1), maxListV2)
	token := f.text("cursor")
	level := f.boolean("with_delimiter", false)
	var u cursor
	if f.has("sortBy") {
		u.column, u.order = f.sortBy("name", "name", "updated_at", "created_at")
	}
	if f.err != nil {
		return f.err
	}
	if err := checkBucketName(c.bucket); err != nil {
		return err
	}
	if token != "" {
		if u, err = readCursor(token); err != nil {
			return err
		}
	}
	if !storable(prefix) {
		return writeJSON(c.w, page{Folders: []any{}, Objects: []any{}})
	}
	read := c.listFlat
	if level {
		read = c.listLevel
	}
	entries, err := read(prefix, limit+1, u)
	if err != nil {
		return err
	}
	return writeJSON(c.w, makePage(entries, int(limit), u, prefix, level))
}

// listFlat reads all keys under a literal prefix.
func (c *call) listFlat(prefix string, limit int64, u cursor) ([]levelEntry, error) {
	compare, order := ">", "asc"
	if u.order == "desc" {
		compare, order = "<", "desc"
	}
	timed := u.column == "updated_at" || u.column == "created_at"
	text := `select null, name, id::text, ` + isoTime("updated_at") + `, ` + isoTime("created_at") + `, ` +
		isoTime("last_accessed_at") + `, metadata::text from storage.objects where bucket_id = $1`
	args := []any{c.bucket}
	arg := func(v string) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	if prefix != "" {
		text += ` and name like ` + arg(likeEscaper.Replace(prefix)+"%")
	}
	// times are compared as they are shown, by the millisecond
	shown := `date_trunc('milliseconds', ` + u.column + `)`
	switch {
	case u.after == "":
	case timed && u.at != "":
		text += ` and (` + shown + `, name collate "C") ` + compare + ` (` + arg(u.at) + `::timestamptz, ` + arg(u.after) + `)`
	default:
		text += ` and name collate "C" ` + compare + ` ` + arg(u.after)
	}
	text += ` order by `
	if timed {
		text += shown + ` ` + order + `, `
	}
	text += `name collate "C" ` + order + ` limit ` + strconv.FormatInt(limit, 10)
	st := sql(text, args...)
	st.Unprepared = limit != maxListV2+1
	return c.listEntries(st)
}

// between is a text between what the page before has ended with and what comes
// next. Names are ASCII: what follows is none of them.
func (u cursor) between(order string) string {
	const first, last = "\x01", "\U0010FFFF"
	switch {
	case u.kind == "":
		return u.after
	case u.kind == kindFolder && order == "asc":
		return u.after + "/" + last
	case u.kind == kindFolder:
		return u.after + string('/'-1) + last
	case order == "asc":
		return u.after + first
	}
	r, size := utf8.DecodeLastRuneInString(u.after)
	if r <= 1 {
		return u.after // no name ends so
	}
	return u.after[:len(u.after)-size] + string(r-1) + last
}

// place tells storage.search_by_timestamp which of a file and a folder of the
// same name and time was the last: "" is both.
func (u cursor) place() string {
	switch u.kind {
	case kindFile:
		return "\x01"
	case kindFolder:
		return "\x02"
	default:
		return ""
	}
}

// listLevel reads one level: the objects and folders right under the prefix.
func (c *call) listLevel(prefix string, limit int64, u cursor) ([]levelEntry, error) {
	column, order := u.column, "asc"
	if column == "" {
		column = "name"
	}
	if u.order == "desc" {
		order = "desc"
	}
	after := u.after
	switch {
	case column == "name":
		after = u.between(order)
	case !c.h.keep: // there search_v2 is somebody else's
		after += u.place()
	}
	return c.listEntries(sql(
		`select key, name, id::text, `+isoTime("updated_at")+`, `+isoTime("created_at")+`, `+isoTime("last_accessed_at")+`, metadata::text
		 from storage.search_v2($1, $2, $3::int, $4::int, $5, $6, $7, $8)`,
		prefix, c.bucket, limit, strings.Count(prefix, "/")+1, after, order, column, u.at))
}

func (c *call) listEntries(st session.Statement) ([]levelEntry, error) {
	res, err := c.query(c.ctx(), c.asUser(), st)
	if err != nil {
		return nil, err
	}
	all := make([]levelEntry, 0, len(res[0]))
	for _, r := range res[0] {
		all = append(all, levelEntry{r.text(0), r.text(1), r.optional(2), r.optional(3), r.optional(4), r.optional(5), r.json(6)})
	}
	return all, nil
}

func makePage(entries []levelEntry, limit int, u cursor, prefix string, level bool) page {
	p := page{Folders: []any{}, Objects: []any{}, HasNext: len(entries) > limit}
	if p.HasNext {
		entries = entries[:limit]
		last := entries[limit-1]
		next := cursor{after: last.Name, order: u.order, column: u.column}
		at := map[string]*string{"updated_at": last.UpdatedAt, "created_at": last.CreatedAt}[u.column]
		if at != nil {
			next.at = *at
		}
		switch {
		case !level:
		case last.ID != nil:
			next.kind = kindFile
		default:
			next.kind = kindFolder
			if at == nil && len(last.Name) < len(prefix) { // the folder without a name, whose slash is left out
				next.after = prefix
			}
		}
		p.NextCursor, p.NextCursorKey = next.encode(), last.Name
	}
	for _, e := range entries {
		switch {
		case !level:
			p.Objects = append(p.Objects, flatEntry{e.ID, e.Name, e.Metadata, e.UpdatedAt, e.CreatedAt, e.LastAccessedAt})
		case e.ID == nil:
			e.Name = strings.TrimSuffix(e.Name, "/") + "/"
			p.Folders = append(p.Folders, e)
		default:
			p.Objects = append(p.Objects, e)
		}
	}
	return p
}
