package session

import (
	"container/list"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// maxPrepared bounds the statements prepared on one connection.
const maxPrepared = 512

// conn is a connection with the statements prepared on it.
type conn struct {
	pg       *pgx.Conn
	prepared map[string]*list.Element // of *statement
	lru      *list.List               // front is the most recently used
	seq      int
}

type statement struct {
	key  string
	name string
	desc *pgconn.StatementDescription // nil until PostgreSQL has described it
}

func newConn(pc *pgx.Conn) *conn {
	return &conn{pg: pc, prepared: map[string]*list.Element{}, lru: list.New()}
}

// queue puts the execution of sql into the pipeline, and its preparation
// before it where this connection has not got it. It reports what the answers
// will be.
func (c *conn) queue(p *pgconn.Pipeline, scope, sql string, params [][]byte) []*statement {
	key := scope + sql
	if e, ok := c.prepared[key]; ok {
		c.lru.MoveToFront(e)
		st := e.Value.(*statement)
		st.execute(p, params)
		return nil
	}
	if c.lru.Len() >= maxPrepared {
		c.evict(p)
	}
	c.seq++
	st := &statement{key: key, name: "srs_" + strconv.Itoa(c.seq)}
	c.prepared[key] = c.lru.PushFront(st)
	p.SendPrepare(st.name, sql, nil)
	p.SendQueryPrepared(st.name, params, nil, nil)
	return []*statement{st}
}

func (s *statement) execute(p *pgconn.Pipeline, params [][]byte) {
	if s.desc != nil {
		p.SendQueryStatement(s.desc, params, nil, nil)
		return
	}
	p.SendQueryPrepared(s.name, params, nil, nil)
}

func (c *conn) evict(p *pgconn.Pipeline) {
	e := c.lru.Back()
	st := e.Value.(*statement)
	c.lru.Remove(e)
	delete(c.prepared, st.key)
	p.SendDeallocate(st.name)
}

// forget drops a statement whose preparation failed.
func (c *conn) forget(st *statement) {
	if e, ok := c.prepared[st.key]; ok && e.Value == st {
		c.lru.Remove(e)
		delete(c.prepared, st.key)
	}
}

// forgetAll drops every statement, after PostgreSQL has refused one as stale.
// The names are never used again, so what is left on the server's side only
// costs memory until the connection closes.
func (c *conn) forgetAll() {
	clear(c.prepared)
	c.lru.Init()
}
