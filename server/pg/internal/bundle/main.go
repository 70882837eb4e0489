// Command bundle writes the archive of PostgreSQL's binaries that the build tag embedpg builds into the program.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"

	"github.com/suparust/suparust/server/pg"
)

func main() {
	major := flag.Int("major", pg.DefaultMajor, "PostgreSQL's major version")
	dir := flag.String("o", "server/pg/embedded", "directory to write to")
	cache := flag.String("cache", "", "cache directory (default: the user's)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	meta, err := pg.WriteBundle(ctx, pg.ResolveOptions{Major: *major, CacheDir: *cache, Progress: os.Stderr, Logger: log}, *dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
	fmt.Printf("PostgreSQL %s for %s/%s in %s: build with -tags embedpg\n", meta.Version, meta.OS, meta.Arch, *dir)
}
