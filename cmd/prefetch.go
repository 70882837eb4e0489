package cmd

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/suparust/suparust/server"
)

type prefetchCommand struct {
	Workdir string `help:"Prepare the project in DIR, the folder that contains supabase/, instead of searching upward." placeholder:"DIR" type:"path"`
}

// Help is shown by `suparust prefetch --help`.
func (prefetchCommand) Help() string {
	return `For images and CI caches: afterwards a first start needs no network and takes no longer than any other. What is
fetched and made stays in the cache directory, SUPARUST_CACHE_DIR.

Examples:

    suparust prefetch
    SUPARUST_CACHE_DIR=/opt/suparust suparust prefetch
`
}

// Run fetches the binaries and builds the template.
func (c prefetchCommand) Run(a *app) error {
	s, err := a.settings(settingFlags{Workdir: c.Workdir})
	if err != nil {
		return err
	}
	if s.config.Logger, err = a.logger(s.environ.lookup); err != nil {
		return err
	}
	s.config.Progress = a.Err
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	test := s.config
	test.Ephemeral()
	template, err := server.LoadTemplate(ctx, test)
	if err != nil {
		return err
	}
	bin := template.Binaries()
	fmt.Fprintf(a.Out, "PostgreSQL %s is ready (%s).\n", bin.Version, bin.BinDir)
	fmt.Fprintf(a.Out, "The template of test databases is ready (%d MB).\n", megabytes(template.Size()))
	if template, err = server.LoadTemplate(ctx, s.config); err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "The template for `suparust start` is ready (%d MB).\n", megabytes(template.Size()))
	return nil
}

func megabytes(n int64) int64 { return (n + 1<<19) >> 20 }
