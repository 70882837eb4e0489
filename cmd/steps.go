package cmd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

// steps is a log for the person in front of a command that works and ends: one sentence each, no time, no level.
type steps struct{ out io.Writer }

// Enabled leaves out what only matters to who looks for a fault.
func (s *steps) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle writes "Applying migration supabase/migrations/1_notes.sql...".
func (s *steps) Handle(_ context.Context, r slog.Record) error {
	first, n := utf8.DecodeRuneInString(r.Message)
	var b strings.Builder
	if r.Level >= slog.LevelWarn {
		b.WriteString("Warning: " + r.Message)
	} else {
		b.WriteString(string(unicode.ToUpper(first)) + r.Message[n:])
	}
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "target":
		case "file", "path":
			fmt.Fprintf(&b, " %s", a.Value)
		default:
			fmt.Fprintf(&b, " (%s: %s)", a.Key, a.Value)
		}
		return true
	})
	if r.Level < slog.LevelWarn {
		b.WriteString("...")
	}
	_, err := fmt.Fprintln(s.out, b.String())
	return err
}

// WithAttrs leaves the attributes out: they say which part of the server speaks.
func (s *steps) WithAttrs([]slog.Attr) slog.Handler { return s }

// WithGroup leaves the group out.
func (s *steps) WithGroup(string) slog.Handler { return s }
