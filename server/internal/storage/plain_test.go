package storage_test

import (
	"context"
	"testing"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// swept notes how a store is swept.
type swept struct {
	blob.Store
	with chan blob.SweepOptions
}

func (s swept) Sweep(_ context.Context, o blob.SweepOptions) (int, error) {
	s.with <- o
	return 0, nil
}

// TestWithoutPlatform: a database that has Supabase's schemas and nothing of
// the server's own is served, and its files are let alone.
func TestWithoutPlatform(t *testing.T) {
	t.Parallel()
	for name, immediate := range map[string]bool{"stored first": true, "asked first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			with := make(chan blob.SweepOptions, 1)
			a, c := startS3(t, func(c *storage.Config) {
				if !immediate {
					c.Blobs = slow{c.Blobs}
				}
				c.Blobs, c.KeepOrphans = swept{c.Blobs, with}, true
			})
			if o := <-with; o.Owner != nil || o.Orphans != nil {
				t.Error("rows are asked which files are needed")
			}
			a.exec(`drop schema suparust cascade`)
			a.exec(`insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values ('b', 'b', true, 10, '{text/plain}')`)
			a.put("b/k", "one")
			a.do("PUT", "/object/b/k", a.service, "two", headers{"Content-Type": "text/plain"}).ok(t)
			a.do("POST", "/object/b/large", a.service, "0123456789A", headers{"Content-Type": "text/plain"}).
				fails(t, 400, "413", "Payload too large", "The object exceeded the maximum allowed size", "EntityTooLarge")
			a.do("POST", "/object/copy", a.service, map[string]any{"bucketId": "b", "sourceKey": "k", "destinationKey": "copy"}).ok(t)
			a.do("POST", "/object/move", a.service, map[string]any{"bucketId": "b", "sourceKey": "copy", "destinationKey": "moved"}).ok(t)
			at := a.create(t, a.service, object("b", "tus", "contentType", "text/plain"), 1)
			a.patch(at, a.service, 0, "x").has(t, 204, headers{"Tus-Complete": "1"})
			upload := c.begin("/b/parts", headers{"Content-Type": "text/plain"})
			etag := c.ok(200, "PUT", "/b/parts", "partNumber=1&uploadId="+upload, "part").header.Get("ETag")
			c.ok(200, "POST", "/b/parts", "uploadId="+upload, complete("1", etag))
			a.do("GET", "/object/public/b/k", "", nil).is(t, 200, "two")
			if got := a.one(`select count(*) from storage.objects`); got != "4" {
				t.Errorf("%s objects", got)
			}
			a.bytesMatchRows(t)
		})
	}
}

// TestServiceRoleByPolicies: in a database of somebody else's service_role may
// have what it may from policies alone, which ask who calls.
func TestServiceRoleByPolicies(t *testing.T) {
	t.Parallel()
	a, c := startS3(t, func(c *storage.Config) { c.KeepOrphans = true })
	a.exec(`alter role service_role nobypassrls`)
	for _, table := range []string{"buckets", "objects"} {
		a.exec(`create policy service on storage.` + table + ` using (auth.role() = 'service_role' and current_setting('storage.operation') <> '')`)
	}
	a.bucket("b", true)
	a.put("b/k", "one")
	a.do("GET", "/object/b/k", a.service, nil).is(t, 200, "one")
	a.do("GET", "/object/public/b/k", "", nil).is(t, 200, "one")
	a.do("GET", "/object/info/b/k", a.service, nil).ok(t)
	a.do("POST", "/object/sign/b/k", a.service, map[string]any{"expiresIn": 60}).ok(t)
	a.do("POST", "/object/copy", a.service, map[string]any{"bucketId": "b", "sourceKey": "k", "destinationKey": "copy"}).ok(t)
	c.ok(200, "GET", "/b/k", "", "")
}
