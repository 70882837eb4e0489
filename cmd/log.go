package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

const traceLevel = slog.LevelDebug - 4

// levelNames are what the errors say.
const levelNames = "trace, debug, info, warn, error, off"

// levels are the names of SUPARUST_LOG_LEVEL.
var levels = map[string]slog.Level{
	"trace": traceLevel, "debug": slog.LevelDebug, "info": slog.LevelInfo,
	"warn": slog.LevelWarn, "warning": slog.LevelWarn, "error": slog.LevelError, "crit": slog.LevelError, "off": slog.LevelError + 100,
}

// logSettings are what is logged, and how.
type logSettings struct {
	levelFilter
	format  string // "" chooses by what it is written to
	noColor bool
}

// readLogSettings reads SUPARUST_LOG_LEVEL, SUPARUST_LOG_FORMAT, SUPARUST_LOG (target=level, …; RUST_LOG is its old name),
// NO_COLOR and TERM. The error tells of all that cannot be.
func readLogSettings(lookup func(string) (string, bool)) (logSettings, error) {
	var l logSettings
	var levelErr, formatErr error
	l.levelFilter, levelErr = logFilter(lookup)
	switch l.format, _ = lookup("SUPARUST_LOG_FORMAT"); l.format {
	case "", "json", "pretty":
	default:
		formatErr = usageError{fmt.Sprintf("the setting SUPARUST_LOG_FORMAT: %q is neither json nor pretty", l.format)}
	}
	noColor, _ := lookup("NO_COLOR")
	terminal, _ := lookup("TERM")
	l.noColor = noColor != "" || terminal == "dumb"
	return l, errors.Join(levelErr, formatErr)
}

// logger makes the server's log.
func (a *app) logger(lookup func(string) (string, bool)) (*slog.Logger, error) {
	l, err := readLogSettings(lookup)
	if err != nil {
		return nil, err
	}
	terminal := isTerminal(a.Err)
	var handler slog.Handler
	if l.format == "pretty" || l.format == "" && terminal {
		handler = tint.NewTextHandler(a.Err, &tint.Options{Level: l.lowest(), TimeFormat: time.TimeOnly, NoColor: l.noColor || !terminal, ReplaceAttr: prettyNames})
	} else {
		handler = slog.NewJSONHandler(a.Err, &slog.HandlerOptions{Level: l.lowest(), ReplaceAttr: jsonNames})
	}
	return slog.New(&targetHandler{Handler: handler, filter: l.levelFilter, level: l.of(serverTarget)}), nil
}

// jsonNames gives JSON records the field names of the documentation.
func jsonNames(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		a.Key = "timestamp"
		if a.Value.Kind() == slog.KindTime {
			a.Value = slog.TimeValue(a.Value.Time().UTC())
		}
	case slog.MessageKey:
		a.Key = "message"
	case slog.LevelKey:
		if level, ok := a.Value.Any().(slog.Level); ok && level == traceLevel {
			a.Value = slog.StringValue("TRACE")
		}
	}
	return a
}

// prettyNames gives the lowest level of pretty records its name.
func prettyNames(groups []string, a slog.Attr) slog.Attr {
	if level, ok := a.Value.Any().(slog.Level); ok && len(groups) == 0 && a.Key == slog.LevelKey && level == traceLevel {
		a.Value = slog.StringValue("TRC")
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

// of is the least level of a target's records.
func (f levelFilter) of(target string) slog.Level {
	if level, ok := f.targets[target]; ok {
		return level
	}
	return f.all
}

func logFilter(lookup func(string) (string, bool)) (levelFilter, error) {
	f := levelFilter{all: slog.LevelInfo, targets: map[string]slog.Level{}}
	var errs []error
	for _, name := range []string{"PGRST_LOG_LEVEL", "SUPARUST_LOG_LEVEL"} { // the later one wins
		text, _ := lookup(name)
		if text == "" {
			continue
		}
		level, ok := levels[strings.ToLower(text)]
		if !ok {
			errs = append(errs, usageError{fmt.Sprintf("the setting %s: %q is none of %s", name, text, levelNames)})
			continue
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
			errs = append(errs, usageError{fmt.Sprintf("the setting SUPARUST_LOG: %q is no target=level, such as rest=debug, with a level of %s", part, levelNames)})
		case target == "":
			f.all = level
		default:
			f.targets[target] = level
		}
	}
	return f, errors.Join(errs...)
}

// serverTarget is the target of records that name none.
const serverTarget = "server"

// targetHandler applies the level of a record's target, which it gives to those that have none.
type targetHandler struct {
	slog.Handler
	filter levelFilter
	level  slog.Level
	named  bool // the target
}

// Handle writes the record.
func (h *targetHandler) Handle(ctx context.Context, r slog.Record) error {
	if !h.named {
		r = r.Clone()
		r.AddAttrs(slog.String("target", serverTarget))
	}
	return h.Handler.Handle(ctx, r)
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
		next.level, next.named = h.filter.of(a.Value.String()), true
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
