package storage_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// slowStore is a store that takes its time for bytes.
type slowStore struct {
	blob.Store
	takes time.Duration
}

func (s *slowStore) wait(ctx context.Context) error {
	t := time.NewTimer(s.takes)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slowStore) Put(ctx context.Context, version string, r io.Reader, limit int64) (blob.Info, error) {
	info, err := s.Store.Put(ctx, version, r, limit)
	if err == nil {
		err = s.wait(ctx)
	}
	return info, err
}

func (s *slowStore) Copy(ctx context.Context, from, to string) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	return s.Store.Copy(ctx, from, to)
}

// TestSlowBytes: bytes may take longer than the end of a write.
func TestSlowBytes(t *testing.T) {
	t.Parallel()
	const end = time.Second
	store := &slowStore{}
	a, c := startS3(t, func(cfg *storage.Config) {
		store.Store, cfg.Blobs = cfg.Blobs, store
		cfg.FinishWithin(end)
	})
	a.bucket("b", true)
	a.put("b/k", "bytes")
	upload := c.begin("/b/parts")
	store.takes = 2*end + end/10 // nothing that began before lasts
	for name, run := range map[string]func(*testing.T){
		"upload": func(t *testing.T) { a.do("POST", "/object/b/new", a.service, "x").ok(t) },
		"part": func(*testing.T) {
			etag := c.ok(200, "PUT", "/b/parts", "partNumber=1&uploadId="+upload, "part").header.Get("ETag")
			c.ok(200, "POST", "/b/parts", "uploadId="+upload, complete("1", etag))
		},
		"copy": func(t *testing.T) {
			a.do("POST", "/object/copy", a.service, map[string]any{"bucketId": "b", "sourceKey": "k", "destinationKey": "copy"}).ok(t)
			a.do("POST", "/object/move", a.service, map[string]any{"bucketId": "b", "sourceKey": "k", "destinationKey": "moved"}).ok(t)
		},
		"resumable": func(t *testing.T) {
			at := a.create(t, a.service, object("b", "tus"), 1)
			a.patch(at, a.service, 0, "x").has(t, 204, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t)
		})
	}
	t.Cleanup(func() {
		if !t.Failed() {
			a.bytesMatchRows(t)
		}
	})
}
