package pgcron

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// describe is what libpq, and so cron.job_run_details, says of an error of a
// command.
func describe(e *pgproto3.ErrorResponse, command string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:  %s\n", e.Severity, e.Message)
	switch {
	case e.Position > 0:
		point(&b, command, int(e.Position))
	case e.InternalQuery != "" && e.InternalPosition > 0:
		point(&b, e.InternalQuery, int(e.InternalPosition))
	}
	for _, part := range []struct{ name, text string }{
		{"DETAIL", e.Detail}, {"HINT", e.Hint}, {"QUERY", e.InternalQuery}, {"CONTEXT", e.Where},
	} {
		if part.text != "" {
			fmt.Fprintf(&b, "%s:  %s\n", part.name, part.text)
		}
	}
	return b.String()
}

// How much of a long line is shown, and how much at least to the right of the
// place.
const (
	shownWidth = 60
	shownRight = 10
)

// point shows the line of a query with a mark below its position-th character.
func point(b *strings.Builder, query string, position int) {
	text := []rune(strings.ReplaceAll(query, "\t", " "))
	at := position - 1
	if at > len(text) {
		return
	}
	line, begin := 1, 0
	for i, r := range text[:at] {
		if r == '\n' {
			line, begin = line+1, i+1
		}
	}
	end := at
	for end < len(text) && text[end] != '\n' && text[end] != '\r' {
		end++
	}
	var before, after string
	if end-begin > shownWidth {
		if begin+shownWidth >= at+shownRight {
			end, after = begin+shownWidth, "..."
		} else {
			if end > at+shownRight {
				end, after = at+shownRight, "..."
			}
			if end-begin > shownWidth {
				begin, before = end-shownWidth, "..."
			}
		}
	}
	head := fmt.Sprintf("LINE %d: %s", line, before)
	fmt.Fprintf(b, "%s%s%s\n%s^\n", head, string(text[begin:end]), after, strings.Repeat(" ", len(head)+at-begin))
}
