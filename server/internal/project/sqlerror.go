package project

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLError is a statement of a project's file that PostgreSQL refused.
type SQLError struct {
	File      string // from the project's root
	Line      int    // of the position PostgreSQL reported, else of the statement; from 1
	Column    int    // in characters, from 1; 0 when PostgreSQL reported no position
	Statement string // without its semicolon; "" when the commit at the end of the file failed
	Index     int    // number of the statement in the file, from 1; 0 when the commit failed
	Total     int    // statements in the file
	Applied   int    // statements before it that a COMMIT in the file, or a statement that runs alone, made permanent
	Code      string // SQLSTATE
	Message   string
	Detail    string
	Hint      string
	Where     string // PostgreSQL's context: the function, the line of COPY

	source   string // the line at Line
	internal string // a query inside a function that failed, with its caret
	cause    *pgconn.PgError
}

// Unwrap returns the *pgconn.PgError.
func (e *SQLError) Unwrap() error { return e.cause }

// Error shows the file, line and column, the message, the line with a caret below the place, and what to do.
func (e *SQLError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:", e.File, e.Line)
	if e.Column > 0 {
		fmt.Fprintf(&b, "%d:", e.Column)
	}
	fmt.Fprintf(&b, " %s (SQLSTATE %s), ", e.Message, e.Code)
	if e.Index > 0 {
		fmt.Fprintf(&b, "statement %d of %d\n", e.Index, e.Total)
	} else {
		fmt.Fprintf(&b, "when the file's %d statements were committed\n", e.Total)
	}
	if e.source != "" {
		margin := fmt.Sprintf("%5d | ", e.Line)
		writeSource(&b, margin, e.source, e.Column)
	}
	if e.internal != "" {
		b.WriteString(e.internal)
	}
	for _, note := range []struct{ name, text string }{{"detail", e.Detail}, {"where", e.Where}, {"hint", e.Hint}} {
		if note.text != "" {
			fmt.Fprintf(&b, "%s: %s\n", note.name, strings.ReplaceAll(strings.TrimSpace(note.text), "\n", "\n  "))
		}
	}
	if e.Applied > 0 {
		fmt.Fprintf(&b, "Statements 1 to %d of the file are committed and stay; the rest was rolled back. Reset the database before trying again, or split the file.", e.Applied)
	} else {
		b.WriteString("The file was rolled back: nothing of it is applied.")
	}
	return b.String()
}

// newSQLError says where in the file a statement failed. index is the number of the statement from 0, or -1 for the
// commit.
func newSQLError(f *File, pieces []Piece, index int, cause *pgconn.PgError) *SQLError {
	e := &SQLError{
		File: f.Path, Total: len(pieces),
		Code: cause.Code, Message: cause.Message, Detail: cause.Detail, Hint: cause.Hint, Where: cause.Where,
		cause: cause,
	}
	var at int
	if index >= 0 {
		p := pieces[index]
		text, offset := p.sent()
		e.Index, e.Statement = index+1, text
		at = p.Start
		if cause.Position > 0 {
			at = offset + runeOffset(text, int(cause.Position)-1)
			e.Column = 1 + utf8.RuneCountInString(f.text[strings.LastIndexByte(f.text[:at], '\n')+1:at])
		}
	} else {
		at = len(strings.TrimRightFunc(f.text, isSpaceRune))
	}
	e.Line = 1 + strings.Count(f.text[:at], "\n")
	e.source = lineAt(f.text, at)
	if cause.InternalQuery != "" {
		e.internal = internalQuery(cause)
	}
	return e
}

var copyLine = regexp.MustCompile(`^COPY .*, line ([0-9]+)`)

// atCopyRow moves the error from the COPY statement to the row that it names.
func (e *SQLError) atCopyRow(f *File, data Piece) {
	m := copyLine.FindStringSubmatch(e.Where)
	if m == nil {
		return
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n < 1 {
		return
	}
	at := data.Offset
	for range n {
		next := strings.IndexByte(f.text[at:], '\n')
		if next < 0 {
			return
		}
		at += next + 1
	}
	e.Line, e.Column = 1+strings.Count(f.text[:at], "\n"), 0
	e.source = lineAt(f.text, at)
}

func internalQuery(cause *pgconn.PgError) string {
	var b strings.Builder
	b.WriteString("in the query:\n")
	at, column := 0, 0
	if cause.InternalPosition > 0 {
		at = runeOffset(cause.InternalQuery, int(cause.InternalPosition)-1)
		column = 1 + utf8.RuneCountInString(cause.InternalQuery[strings.LastIndexByte(cause.InternalQuery[:at], '\n')+1:at])
	}
	writeSource(&b, "      | ", lineAt(cause.InternalQuery, at), column)
	return b.String()
}

// maxSource is how much of a long line is shown, in characters.
const maxSource = 120

// writeSource writes a line and, when column is not 0, a caret below that column.
func writeSource(b *strings.Builder, margin, line string, column int) {
	runes := []rune(line)
	before, after := "", ""
	if len(runes) > maxSource {
		from := max(0, min(column-maxSource/2, len(runes)-maxSource))
		to := from + maxSource
		if from > 0 {
			before = "…"
		}
		if to < len(runes) {
			after = "…"
		}
		runes = runes[from:to]
		column -= min(column, from)
	}
	fmt.Fprintf(b, "%s%s%s%s\n", margin, before, string(runes), after)
	if column == 0 {
		return
	}
	b.WriteString(strings.Repeat(" ", len(margin)-2) + "| ")
	if before != "" {
		b.WriteByte(' ')
	}
	for i := range column - 1 {
		if i < len(runes) && runes[i] == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	b.WriteString("^\n")
}

// runeOffset is the byte offset of the n-th character of s, at most its length.
func runeOffset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// lineAt returns the line of text around the byte offset, without its end.
func lineAt(text string, at int) string {
	start := strings.LastIndexByte(text[:at], '\n') + 1
	line, _, _ := strings.Cut(text[start:], "\n")
	return strings.TrimSuffix(line, "\r")
}
