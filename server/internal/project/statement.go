package project

import "strings"

// data returns the rows of a CopyData piece: without the rest of the statement's line and without the line `\.`.
func (p Piece) data() string {
	_, rows, _ := strings.Cut(p.Text, "\n")
	trimmed := strings.TrimRight(rows, "\r\n")
	if trimmed == `\.` {
		return ""
	}
	if before, ok := strings.CutSuffix(trimmed, "\n\\."); ok {
		return before + "\n"
	}
	return rows
}

// sent returns the statement as it goes to PostgreSQL and into the history, without surrounding space and semicolon,
// and its byte offset in the file.
func (p Piece) sent() (string, int) {
	text := strings.TrimRight(p.Text, ";")
	left := strings.TrimLeftFunc(text, isSpaceRune)
	return strings.TrimRightFunc(left, isSpaceRune), p.Offset + len(text) - len(left)
}

// is reports whether the statement begins with these words.
func (p Piece) is(words ...string) bool {
	if len(p.words) < len(words) {
		return false
	}
	for i, w := range words {
		if p.words[i] != w {
			return false
		}
	}
	return true
}

func (p Piece) has(word string) bool {
	for _, w := range p.words {
		if w == word {
			return true
		}
	}
	return false
}

// alone reports whether PostgreSQL refuses the statement inside a transaction block.
func (p Piece) alone() bool {
	switch {
	case p.is("vacuum"), p.is("cluster"), p.is("alter", "system"),
		p.is("create", "database"), p.is("drop", "database"),
		p.is("create", "tablespace"), p.is("drop", "tablespace"),
		p.is("create", "subscription"), p.is("drop", "subscription"), p.is("alter", "subscription"):
		return true
	case p.is("create", "index"), p.is("create", "unique", "index"), p.is("drop", "index"):
		return p.has("concurrently")
	case p.is("reindex"):
		return p.has("concurrently") || p.has("database") || p.has("system") || p.has("schema")
	case p.is("alter", "table"):
		return p.has("detach") && p.has("concurrently")
	}
	return false
}

// opens and closes report transaction control written in the file.
func (p Piece) opens() bool { return p.is("begin") || p.is("start", "transaction") }

func (p Piece) closes() bool {
	return p.is("commit") || p.is("end") || p.is("rollback") && !p.has("to") || p.is("abort")
}
