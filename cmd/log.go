package cmd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// levels are the names of SUPARUST_LOG_LEVEL.
var levels = map[string]slog.Level{
	"trace": slog.LevelDebug - 4, "debug": slog.LevelDebug, "info": slog.LevelInfo,
	"warn": slog.LevelWarn, "warning": slog.LevelWarn, "error": slog.LevelError, "crit": slog.LevelError, "off": slog.LevelError + 100,
}

// logger makes the server's log from SUPARUST_LOG_LEVEL, SUPARUST_LOG_FORMAT and SUPARUST_LOG (target=level, …; RUST_LOG
// is its old name).
func (a *app) logger(lookup func(string) (string, bool)) (*slog.Logger, error) {
	filter, err := logFilter(lookup)
	if err != nil {
		return nil, err
	}
	format, _ := lookup("SUPARUST_LOG_FORMAT")
	terminal := isTerminal(a.Err)
	if format == "" {
		format = "json"
		if terminal {
			format = "pretty"
		}
	}
	var handler slog.Handler
	switch format {
	case "json":
		handler = slog.NewJSONHandler(a.Err, &slog.HandlerOptions{Level: filter.lowest(), ReplaceAttr: jsonNames})
	case "pretty":
		noColor, _ := lookup("NO_COLOR")
		handler = tint.NewTextHandler(a.Err, &tint.Options{Level: filter.lowest(), TimeFormat: time.TimeOnly, NoColor: !terminal || noColor != ""})
	default:
		return nil, usageError{fmt.Sprintf("the setting SUPARUST_LOG_FORMAT: %q is neither json nor pretty", format)}
	}
	return slog.New(&targetHandler{Handler: handler, filter: filter, level: filter.all}), nil
}

// jsonNames gives JSON records the field names of the documentation.
func jsonNames(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		a.Key = "timestamp"
	case slog.MessageKey:
		a.Key = "message"
	}
	return a
}

// levelFilter is the least level of records, for all and for single targets.
type levelFilter struct {
	all     slog.Level
	targets map[string]slog.Level
}

func (f levelFilter) lowest() slog.Level {
	low := f.all
	for _, l := range f.targets {
		low = min(low, l)
	}
	return low
}

func logFilter(lookup func(string) (string, bool)) (levelFilter, error) {
	f := levelFilter{all: slog.LevelInfo, targets: map[string]slog.Level{}}
	for _, name := range []string{"PGRST_LOG_LEVEL", "SUPARUST_LOG_LEVEL"} { // the later one wins
		text, _ := lookup(name)
		if text == "" {
			continue
		}
		level, ok := levels[strings.ToLower(text)]
		if !ok {
			return f, usageError{fmt.Sprintf("the setting %s: %q is none of trace, debug, info, warn, error, off", name, text)}
		}
		f.all = level
	}
	name := "SUPARUST_LOG"
	text, _ := lookup(name)
	if text == "" {
		name = "RUST_LOG"
		text, _ = lookup(name)
	}
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		target, text, named := strings.Cut(part, "=")
		if !named {
			target, text = "", part
		}
		level, ok := levels[strings.ToLower(text)]
		switch {
		case !ok && name == "RUST_LOG": // also read by other programs, in a richer language
		case !ok:
			return f, usageError{fmt.Sprintf("the setting SUPARUST_LOG: %q is not target=level, such as rest=debug", part)}
		case target == "":
			f.all = level
		default:
			f.targets[target] = level
		}
	}
	return f, nil
}

// targetHandler applies the level of a record's target.
type targetHandler struct {
	slog.Handler
	filter levelFilter
	level  slog.Level
}

// Enabled reports whether records of the level are wanted for the target that the attributes named.
func (h *targetHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

// WithAttrs notes the target.
func (h *targetHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.Handler = h.Handler.WithAttrs(attrs)
	for _, a := range attrs {
		if a.Key != "target" {
			continue
		}
		next.level = h.filter.all
		if level, ok := h.filter.targets[a.Value.String()]; ok {
			next.level = level
		}
	}
	return &next
}

// WithGroup keeps the target's level.
func (h *targetHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.Handler = h.Handler.WithGroup(name)
	return &next
}

// progress shows what takes its time: as a bar on a terminal, as records of the log elsewhere.
func (a *app) progress(log *slog.Logger) io.Writer {
	if isTerminal(a.Err) {
		return a.Err
	}
	return lineWriter(func(line string) { log.Info(line) })
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
