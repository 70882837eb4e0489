package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/project"
)

// PushOptions and Pushed say what PushDatabase brings, and what it brought.
type (
	PushOptions = project.PushOptions
	Pushed      = project.Pushed
)

// PushDatabase applies the migrations that c's project has gained to the
// database at url, which may be a hosted one.
func PushDatabase(ctx context.Context, c Config, url string, o PushOptions) (pushed Pushed, err error) {
	if c.project == nil {
		return pushed, errors.New("there is nothing to push: no supabase folder was found from here upward")
	}
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return pushed, errors.New("the database's address cannot be read: write it as postgresql://user:password@host:5432/database, special characters as %XX") // the cause holds the password
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return pushed, fmt.Errorf("connect to the database: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	return c.project.Push(ctx, conn, o)
}
