package cmd

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func lookupIn(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

func TestLogLevels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  map[string]string
		want string
	}{
		{"default", nil, "info warn rest-info"},
		{"level", map[string]string{"SUPARUST_LOG_LEVEL": "WARN"}, "warn"},
		{"off", map[string]string{"SUPARUST_LOG_LEVEL": "off"}, ""},
		{"one target", map[string]string{"SUPARUST_LOG": "rest=debug"}, "info warn rest-debug rest-info"},
		{"target above all", map[string]string{"SUPARUST_LOG": "debug,rest=error"}, "debug info warn"},
		{"old name", map[string]string{"RUST_LOG": "rest=debug,hyper::proto=trace,weird[x]=y"}, "info warn rest-debug rest-info"},
		{"both", map[string]string{"SUPARUST_LOG": "warn", "RUST_LOG": "debug"}, "warn"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			a := &app{Stdio: Stdio{Err: &b}}
			log, err := a.logger(lookupIn(tt.env))
			if err != nil {
				t.Fatal(err)
			}
			log.Debug("debug")
			log.Info("info")
			log.Warn("warn")
			rest := log.With("target", "rest")
			rest.Debug("rest-debug")
			rest.WithGroup("g").Info("rest-info")
			var got []string
			for line := range strings.Lines(b.String()) {
				var record struct{ Timestamp, Level, Message string }
				if err := json.Unmarshal([]byte(line), &record); err != nil || record.Timestamp == "" || record.Level == "" {
					t.Fatalf("%s: %v", line, err)
				}
				got = append(got, record.Message)
			}
			if text := strings.Join(got, " "); text != tt.want {
				t.Errorf("logged %q, want %q", text, tt.want)
			}
		})
	}
}

func TestLogSettings(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	a := &app{Stdio: Stdio{Err: &b}}
	log, err := a.logger(lookupIn(map[string]string{"SUPARUST_LOG_FORMAT": "pretty"}))
	if err != nil {
		t.Fatal(err)
	}
	log.Info("hello", "a", 1)
	if text := b.String(); !strings.Contains(text, "INF hello a=1") || strings.Contains(text, "\x1b") {
		t.Errorf("pretty line = %q, want no colours off a terminal", text)
	}
	for name, value := range map[string]string{"SUPARUST_LOG_FORMAT": "xml", "SUPARUST_LOG_LEVEL": "loud", "SUPARUST_LOG": "rest=loud"} {
		var usage usageError
		if _, err := a.logger(lookupIn(map[string]string{name: value})); !errors.As(err, &usage) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v, want a usage error that names it", name, value, err)
		}
	}
}

// TestLogRecords: the time is UTC's wherever the machine is, the lowest level has its name, and who names no target is the
// server.
func TestLogRecords(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	log, err := (&app{Stdio: Stdio{Err: &b}}).logger(lookupIn(map[string]string{"SUPARUST_LOG": "trace"}))
	if err != nil {
		t.Fatal(err)
	}
	record := slog.NewRecord(time.Date(2026, 1, 2, 3, 4, 5, 6000000, time.FixedZone("", 3600)), traceLevel, "m", 0)
	if err := log.Handler().Handle(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if err := log.With("target", "rest").Handler().Handle(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	want := `{"timestamp":"2026-01-02T02:04:05.006Z","level":"TRACE","message":"m","target":"server"}
{"timestamp":"2026-01-02T02:04:05.006Z","level":"TRACE","message":"m","target":"rest"}
`
	if b.String() != want {
		t.Errorf("got %swant %s", b.String(), want)
	}
}
