package server

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/suparust/suparust/server/internal/project"
)

// seedParallel is how many files of a project are stored at once.
const seedParallel = 5

// seedObjects stores the files that the project's config.toml puts into
// buckets, those that are new or have changed. seeded says that there were any.
func (s *Server) seedObjects(ctx context.Context) (seeded bool, err error) {
	p := s.cfg.project
	if p == nil || s.cfg.Migrations != nil || s.cfg.plain() {
		return false, nil
	}
	objects, missing, err := p.Objects()
	if err != nil {
		return false, err
	}
	for _, name := range missing {
		s.cfg.Logger.Warn("an objects_path of config.toml is not there: make that folder, or take the line out", "path", name)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(seedParallel)
	for _, o := range objects {
		group.Go(func() error {
			if err := s.seedObject(ctx, p, o); err != nil {
				return fmt.Errorf("store %s in the bucket %s: %w; change the file, or the bucket in config.toml", o.Path, o.Bucket, err)
			}
			return nil
		})
	}
	return len(objects) > 0, group.Wait()
}

func (s *Server) seedObject(ctx context.Context, p *project.Project, o project.Object) error {
	f, err := p.Open(o)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	changed, err := s.storage.Seed(ctx, o.Bucket, o.Key, f, info.Size())
	if changed {
		s.cfg.Logger.With("target", "storage").Info("stored a file of the project", "path", o.Path, "bucket", o.Bucket, "key", o.Key)
	}
	return err
}
