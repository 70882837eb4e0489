package catalog

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// query is one of those that read the catalog.
type query struct {
	sql  string
	args [][]byte
	// once is set for what is not worth preparing.
	once bool
}

// queries lists what is to be read, in the order of sending.
func (o *Options) queries() []query {
	list := [][]byte{[]byte(ArrayLiteral(o.Schemas))}
	order := []query{{sql: beginSQL, once: true}, {sql: preConfigSQL(o.PreConfig), args: [][]byte{[]byte(ArrayLiteral(o.Settings))}, once: true},
		{sql: pathSQL, once: true}}
	if o.Unlogged {
		order = append(order, query{sql: unloggedSQL})
	} else {
		order = append(order, query{sql: changesSQL}, query{sql: fingerprintSQL})
	}
	order = append(order, query{sql: versionSQL}, query{sql: relationsSQL, args: list}, query{sql: columnsSQL, args: list},
		query{sql: domainsSQL}, query{sql: constraintsSQL}, query{sql: viewsSQL}, query{sql: functionsSQL, args: list}, query{sql: typesSQL, args: list},
		query{sql: rolesSQL}, query{sql: settableSQL}, query{sql: configSQL}, query{sql: commentsSQL, args: list}, query{sql: enumsSQL},
		query{sql: castsSQL}, query{sql: handlersSQL, args: list}, query{sql: endSQL, once: true})
	return order
}

// prepared are the queries that are prepared on a connection, by their text.
type prepared struct {
	names map[string]string
	seq   int
}

// preparedKey is where a connection keeps them.
const preparedKey = "github.com/suparust/suparust/server/internal/catalog"

func preparedOn(pc *pgconn.PgConn) *prepared {
	p, ok := pc.CustomData()[preparedKey].(*prepared)
	if !ok {
		p = &prepared{names: map[string]string{}}
		pc.CustomData()[preparedKey] = p
	}
	return p
}

// unknownStatement is the SQLSTATE for a prepared statement that is not there.
const unknownStatement = "26000"

// fetch runs all queries in one pipeline. One that failed with queries prepared
// before is run again with new ones: another program may have dropped those.
func (l *loader) fetch(ctx context.Context, pc *pgconn.PgConn) error {
	order := l.options.queries()
	if !l.options.Prepare {
		return l.pipeline(ctx, pc, order, nil)
	}
	p := preparedOn(pc)
	err := l.pipeline(ctx, pc, order, p)
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.Code == unknownStatement && len(p.names) > 0 {
		clear(p.names)
		err = l.pipeline(ctx, pc, order, p)
	}
	return err
}

// pipeline sends the queries, prepares those that p has not got where there is a
// p, and keeps their rows.
func (l *loader) pipeline(ctx context.Context, pc *pgconn.PgConn, order []query, kept *prepared) error {
	p := pc.StartPipeline(ctx)
	var fresh [][2]string // texts and names of those that are prepared by the way
	for _, q := range order {
		if q.once || kept == nil {
			p.SendQueryParams(q.sql, q.args, nil, nil, nil)
			continue
		}
		name, ok := kept.names[q.sql]
		if !ok {
			kept.seq++
			name = "srs_schema_" + strconv.Itoa(kept.seq)
			fresh = append(fresh, [2]string{q.sql, name})
			p.SendPrepare(name, q.sql, nil)
		}
		p.SendQueryPrepared(name, q.args, nil, nil)
	}
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	if err := p.Sync(); err != nil {
		note(err)
	}
	for n := 0; ; {
		res, err := p.GetResults()
		if err != nil {
			note(err)
			var pe *pgconn.PgError
			if errors.As(err, &pe) {
				continue
			}
			break
		}
		if res == nil {
			break
		}
		if _, ok := res.(*pgconn.StatementDescription); ok {
			kept.names[fresh[0][0]], fresh = fresh[0][1], fresh[1:]
			continue
		}
		rr, ok := res.(*pgconn.ResultReader)
		if !ok {
			continue
		}
		read := rr.Read()
		if read.Err != nil {
			note(read.Err)
		} else if n < len(order) {
			l.raw[order[n].sql] = read.Rows
		}
		n++
	}
	if err := p.Close(); err != nil {
		note(err)
	}
	if first != nil && !pc.IsClosed() && pc.TxStatus() != 'I' {
		_, err := pc.Exec(context.WithoutCancel(ctx), "rollback").ReadAll()
		first = errors.Join(first, err)
	}
	return first
}
