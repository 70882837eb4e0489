package rest

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/session"
)

// databaseSettings are the names of the options that the database may have.
var databaseSettings = func() []string {
	var names []string
	for name, x := range options {
		if x.inDatabase {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}()

// loads count how often the schema was read.
type loads struct {
	done, failed atomic.Int64
	last         atomic.Int64 // nanoseconds of the last one that did not fail
}

// loadSchema reads the schema over the pool. The list of exposed schemas may
// itself stand in the database.
func (h *Handler) loadSchema(ctx context.Context) (*catalog.Snapshot, error) {
	var snapshot *catalog.Snapshot
	start := time.Now()
	err := h.db.With(ctx, func(conn *pgx.Conn) error {
		options := h.options.Load()
		schemas := options.Schemas
		before := h.inForce.Load() // tells, from the second time on, whether statements may be prepared
		for range 2 {
			s, err := catalog.Load(ctx, conn, catalog.Options{Schemas: schemas,
				NoSettings: h.cfg.NoDatabaseConfig, PreConfig: h.cfg.PreConfig, Settings: databaseSettings, Unlogged: h.cfg.Plain,
				Prepare: before != nil && !before.unprepared})
			if err != nil {
				return err
			}
			snapshot = s
			if s.LongLog {
				if err := catalog.FoldLog(ctx, conn); err != nil {
					h.log.LogAttrs(ctx, slog.LevelDebug, "requests read a log that is longer than it should be", slog.Any("error", err))
				}
			}
			c := h.effective(options, s)
			if slices.Equal(c.schemas, schemas) {
				for _, problem := range c.problems {
					h.log.LogAttrs(ctx, slog.LevelError, "a setting of the database is not used", slog.Any("error", problem))
				}
				return nil
			}
			schemas = c.schemas
		}
		return nil
	})
	if err != nil {
		h.loads.failed.Add(1)
	} else {
		h.loads.done.Add(1)
		h.loads.last.Store(int64(time.Since(start)))
	}
	return snapshot, err
}

// Ready returns nil when the schema is read and the database answers.
func (h *Handler) Ready(ctx context.Context) error {
	if _, err := h.cache.Get(ctx); err != nil {
		return err
	}
	_, err := h.db.Do(ctx, nil, session.Options{ReadOnly: true}, session.Statement{SQL: "select 1"})
	return err
}

// Stats are the handler's numbers.
type Stats struct {
	Pool                     session.Stats
	SchemaLoads, FailedLoads int64
	SchemaLoadTime           time.Duration // of the last one
}

// Stats tells the handler's numbers.
func (h *Handler) Stats() Stats {
	return Stats{Pool: h.db.Stats(), SchemaLoads: h.loads.done.Load(), FailedLoads: h.loads.failed.Load(), SchemaLoadTime: time.Duration(h.loads.last.Load())}
}

// Schema is the snapshot of the schema in force; one is read when there is none.
func (h *Handler) Schema(ctx context.Context) (*catalog.Snapshot, error) { return h.cache.Get(ctx) }
