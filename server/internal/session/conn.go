package session

import (
	"container/list"
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Bounds of what is prepared on one connection. What PostgreSQL holds for a
// statement is many times its text, so a long one, which is made of a request
// that hardly comes twice, is not kept.
const (
	maxPrepared     = 512
	maxPreparedText = 16 << 10 // of one statement
	maxAllPrepared  = 1 << 20  // of all of them
)

// conn is a connection with the statements prepared on it.
type conn struct {
	db       *DB
	pg       *pgx.Conn
	socket   *peek
	opened   time.Time
	used     time.Time                // when it was last given back
	prepared map[string]*list.Element // of *statement
	lru      *list.List               // front is the most recently used
	text     int                      // length of all their texts
	seq      int
	key      []byte // scratch
	// evicted are the names of statements that PostgreSQL still holds; the
	// first closing of them have been sent to it.
	evicted []string
	closing int
}

type statement struct {
	key  string
	name string
	desc *pgconn.StatementDescription // nil until PostgreSQL has described it
}

func newConn(pc *pgx.Conn) *conn {
	return &conn{pg: pc, socket: newPeek(pc.PgConn().Conn()), prepared: map[string]*list.Element{}, lru: list.New()}
}

// queue puts the execution of sql into the pipeline, and its preparation
// before it where this connection has not got it. It reports what the answers
// will be.
func (c *conn) queue(p *pgconn.Pipeline, scope, sql string, params [][]byte, formats []int16) []*statement {
	if len(sql) > maxPreparedText || c.db.unprepared.Load() {
		p.SendQueryParams(sql, params, nil, nil, formats)
		return nil
	}
	c.key = append(append(c.key[:0], scope...), sql...)
	if e, ok := c.prepared[string(c.key)]; ok {
		c.lru.MoveToFront(e)
		st := e.Value.(*statement)
		st.execute(p, params, formats)
		return nil
	}
	key := string(c.key)
	for c.lru.Len() > 0 && (c.lru.Len() >= maxPrepared || c.text+len(key) > maxAllPrepared) {
		c.evict()
	}
	c.text += len(key)
	c.seq++
	st := &statement{key: key, name: "srs_" + strconv.Itoa(c.seq)}
	c.prepared[key] = c.lru.PushFront(st)
	p.SendPrepare(st.name, sql, nil)
	p.SendQueryPrepared(st.name, params, nil, formats)
	return []*statement{st}
}

func (s *statement) execute(p *pgconn.Pipeline, params [][]byte, formats []int16) {
	if s.desc != nil {
		p.SendQueryStatement(s.desc, params, nil, formats)
		return
	}
	p.SendQueryPrepared(s.name, params, nil, formats)
}

func (c *conn) evict() {
	e := c.lru.Back()
	st := e.Value.(*statement)
	c.remove(e, st)
	c.evicted = append(c.evicted, st.name)
}

// start begins a pipeline with the end of the statements that earlier ones
// have evicted: behind anything that can fail it might be skipped, and the
// statements would add up on the server.
func (c *conn) start(ctx context.Context) *pgconn.Pipeline {
	p := c.pg.PgConn().StartPipeline(ctx)
	for _, name := range c.evicted {
		p.SendDeallocate(name)
	}
	c.closing = len(c.evicted)
	return p
}

// synced notes that what start sent has left.
func (c *conn) synced() {
	c.evicted = append(c.evicted[:0], c.evicted[c.closing:]...)
	c.closing = 0
}

// forget drops a statement whose preparation failed.
func (c *conn) forget(st *statement) {
	if e, ok := c.prepared[st.key]; ok && e.Value == st {
		c.remove(e, st)
	}
}

func (c *conn) remove(e *list.Element, st *statement) {
	c.lru.Remove(e)
	delete(c.prepared, st.key)
	c.text -= len(st.key)
}

// forgetAll drops every statement, after PostgreSQL has refused one as stale.
func (c *conn) forgetAll() {
	for e := c.lru.Front(); e != nil; e = e.Next() {
		c.evicted = append(c.evicted, e.Value.(*statement).name)
	}
	clear(c.prepared)
	c.lru.Init()
	c.text = 0
}

// mode puts how the driver sends a statement before its arguments.
func (c *conn) mode(args []any) []any {
	if !c.db.unprepared.Load() {
		return args
	}
	return append([]any{pgx.QueryExecModeCacheDescribe}, args...)
}
