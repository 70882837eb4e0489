package storage

import (
	"context"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/session"
)

// sql is a statement and its parameters, which are sent as text: nil is NULL,
// a []byte is sent as it is, a []string becomes an array.
func sql(text string, args ...any) session.Statement {
	params := make([][]byte, len(args))
	for i, a := range args {
		params[i] = param(a)
	}
	return session.Statement{SQL: text, Params: params}
}

func param(a any) []byte {
	switch a := a.(type) {
	case []byte:
		return a
	case string:
		return append([]byte{}, a...)
	case *string:
		if a == nil {
			return nil
		}
		return append([]byte{}, *a...)
	case int:
		return strconv.AppendInt(nil, int64(a), 10)
	case int64:
		return strconv.AppendInt(nil, a, 10)
	case *int64:
		if a == nil {
			return nil
		}
		return strconv.AppendInt(nil, *a, 10)
	case bool:
		return strconv.AppendBool(nil, a)
	case []string:
		if a == nil {
			return nil
		}
		return []byte(catalog.ArrayLiteral(a))
	default:
		return nil
	}
}

// query runs statements under s in one round trip and returns the rows of each.
func (c *call) query(ctx context.Context, s *session.Settings, stmts ...session.Statement) ([][]row, error) {
	res, err := c.h.db.Do(ctx, s, session.Options{}, stmts...)
	if err != nil {
		return nil, err
	}
	all := make([][]row, len(res))
	for i, r := range res {
		all[i] = rowsOf(r)
	}
	return all, nil
}

func rowsOf(r session.Result) []row {
	if len(r.Rows) == 0 {
		return nil
	}
	rows := make([]row, len(r.Rows))
	for i, values := range r.Rows {
		rows[i] = values
	}
	return rows
}

// one is query for a single statement that returns at most one row; the row is
// nil when it returned none.
func (c *call) one(ctx context.Context, s *session.Settings, st session.Statement) (row, error) {
	all, err := c.query(ctx, s, st)
	if err != nil || len(all[0]) == 0 {
		return nil, err
	}
	return all[0][0], nil
}

// try runs statements under s and undoes them: what is asked is whether the
// database would let the caller.
func (c *call) try(s *session.Settings, stmts ...session.Statement) ([]session.Result, error) {
	return c.h.db.Do(c.ctx(), s, session.Options{Rollback: true}, stmts...)
}

// row is a row's values as text; nil is NULL.
type row [][]byte

func (r row) text(i int) string { return string(r[i]) }

func (r row) bool(i int) bool { return string(r[i]) == "t" }

// number is an integer, nil when it is NULL.
func (r row) number(i int) *int64 {
	n, err := strconv.ParseInt(string(r[i]), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// postgresEpoch is what PostgreSQL counts binary times from.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// time is a timestamptz in binary form, zero when it is NULL or infinite.
func (r row) time(i int) time.Time {
	if len(r[i]) != 8 {
		return time.Time{}
	}
	us := int64(binary.BigEndian.Uint64(r[i]))
	if us == math.MaxInt64 || us == math.MinInt64 {
		return time.Time{}
	}
	return time.UnixMicro(postgresEpoch.UnixMicro() + us).UTC()
}

// apiTime is a time as the API writes it, "" for none.
func apiTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(timeLayout)
}

// isoTime is the SQL for a timestamp as the API writes it.
func isoTime(column string) string {
	return `to_char(` + column + ` at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
}

// likeEscaper makes text literal in a LIKE pattern.
var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
