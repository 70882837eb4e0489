// Package sqlast is the engine's own small SQL tree and its renderer. What a
// client writes can enter a statement in three ways only: as a parameter, as
// an identifier, which is always quoted, and as the name of a cast's type,
// whose alphabet is that of a plain word. Everything else is made of closed
// sets and of text that the catalog's loader produced.
package sqlast

import (
	"strconv"
	"strings"

	"github.com/suparust/suparust/server/internal/catalog"
)

// Statement is rendered SQL with its parameters in text form.
type Statement struct {
	SQL    string
	Params [][]byte
}

// Query is anything that is a whole statement or a subquery.
type Query interface{ query(*writer) }

// Render writes q as a statement.
func Render(q Query) Statement {
	w := &writer{}
	w.buf = make([]byte, 0, 512)
	q.query(w)
	return Statement{SQL: string(w.buf), Params: w.params}
}

type writer struct {
	buf    []byte
	params [][]byte
}

func (w *writer) raw(s string) { w.buf = append(w.buf, s...) }

// ident writes a quoted identifier. A NUL byte ends it, because PostgreSQL
// could not hold more.
func (w *writer) ident(name string) {
	if i := strings.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	w.buf = append(w.buf, '"')
	for {
		i := strings.IndexByte(name, '"')
		if i < 0 {
			break
		}
		w.buf = append(w.buf, name[:i]...)
		w.buf = append(w.buf, '"', '"')
		name = name[i+1:]
	}
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, '"')
}

// literal writes a string constant.
func (w *writer) literal(text string) {
	if i := strings.IndexByte(text, 0); i >= 0 {
		text = text[:i]
	}
	if strings.IndexByte(text, '\\') >= 0 {
		w.raw(" E'")
		text = strings.ReplaceAll(text, `\`, `\\`)
	} else {
		w.raw("'")
	}
	w.raw(strings.ReplaceAll(text, "'", "''"))
	w.raw("'")
}

func (w *writer) param(value []byte) {
	w.params = append(w.params, value)
	w.buf = append(w.buf, '$')
	w.buf = strconv.AppendInt(w.buf, int64(len(w.params)), 10)
}

func (w *writer) int(n int64) { w.buf = strconv.AppendInt(w.buf, n, 10) }

func (w *writer) text(t catalog.Text) { w.raw(t.SQL()) }

func (w *writer) ref(r Ref) {
	if r.Schema != "" {
		w.ident(r.Schema)
		w.raw(".")
	}
	w.ident(r.Name)
}

func writeList[T any](w *writer, sep string, items []T, one func(T)) {
	for i, item := range items {
		if i > 0 {
			w.raw(sep)
		}
		one(item)
	}
}

// Ref names a relation or function, with its schema unless that is empty.
type Ref struct{ Schema, Name string }

// RefOf is the reference of a catalog name.
func RefOf(n catalog.Name) Ref { return Ref{n.Schema, n.Name} }
