package storage_test

import (
	"testing"
)

//covers:storage 1 18 21 28 43 44 45 46 47 48 87
func TestDownload(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("open", true)
	a.bucket("closed", false)
	const content = "0123456789"
	a.put("open/dir/a b.txt", content, headers{"Cache-Control": "max-age=60", "Content-Type": "text/plain;charset=UTF-8"})
	a.put("closed/k", content)
	a.put("open/page", "<p>", headers{"Content-Type": "text/html; charset=utf-8"})
	a.put("open/loud", "<p>", headers{"Content-Type": "Text/HTML"})
	a.put("open/image", "<svg>", headers{"Content-Type": "image/svg+xml", "X-Robots-Tag": "noindex"})
	a.put("open/none", "")
	const path = "/object/public/open/dir/a%20b.txt"

	t.Run("headers", func(t *testing.T) {
		same := headers{
			"Accept-Ranges": "bytes", "Content-Type": "text/plain;charset=UTF-8", "ETag": etag(content), "X-Robots-Tag": "none",
			"Content-Length": "10", "Cache-Control": "max-age=60", "Content-Encoding": "", "Content-Disposition": "", "Content-Range": "",
		}
		for _, r := range []answer{a.do("GET", path, "", nil), a.do("HEAD", path, "", nil), a.do("GET", "/object/open/dir/a%20b.txt", "", nil), a.do("GET", "/object/authenticated/open/dir/a%20b.txt", a.anon, nil)} {
			for name, want := range same {
				if got := r.header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if r.status != 200 || r.header.Get("Last-Modified") == "" || r.body != "" && r.body != content {
				t.Errorf("%v", r)
			}
		}
		for _, page := range []string{"page", "loud"} { // browsers do not care about case
			if got := a.do("GET", "/object/public/open/"+page, "", nil).header.Get("Content-Type"); got != "text/plain" {
				t.Errorf("HTML is served as %q", got)
			}
		}
		r := a.do("GET", "/object/public/open/image", "", nil)
		if r.header.Get("Content-Type") != "image/svg+xml" || r.header.Get("X-Robots-Tag") != "noindex" {
			t.Errorf("%v", r.header)
		}
		for query, want := range map[string]string{
			"?download": "attachment;", "?download=": "attachment;", "?width=1&cacheNonce=x": "",
			"?download=%C3%A9%20x.txt": "attachment; filename=%C3%A9%20x.txt; filename*=UTF-8''%C3%A9%20x.txt",
		} {
			if got := a.do("GET", path+query, "", nil).header.Get("Content-Disposition"); got != want {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
	})

	t.Run("ranges", func(t *testing.T) {
		for spec, want := range map[string][2]string{
			"bytes=0-3": {"0123", "bytes 0-3/10"}, "bytes=7-": {"789", "bytes 7-9/10"}, "bytes=-2": {"89", "bytes 8-9/10"}, "bytes=4-400": {"456789", "bytes 4-9/10"},
		} {
			r := a.do("GET", path, "", nil, headers{"Range": spec})
			if r.status != 206 || r.body != want[0] || r.header.Get("Content-Range") != want[1] || r.header.Get("ETag") != etag(content) {
				t.Errorf("%s: %v", spec, r)
			}
		}
		for _, spec := range []string{"bytes=10-", "bytes=3-1", "bytes=-", "bytes=-0"} {
			r := a.do("GET", path, "", nil, headers{"Range": spec})
			r.fails(t, 416, "416", "invalid_range", "invalid range provided", "InvalidRange")
			if got := r.header.Get("Content-Range"); got != "bytes */10" {
				t.Errorf("%s: %q", spec, got)
			}
		}
		a.do("GET", "/object/public/open/none", "", nil, headers{"Range": "bytes=0-0"}).fails(t, 416, "416", "invalid_range", "invalid range provided", "InvalidRange")
		for _, spec := range []string{"items=0-1", "bytes=0-1,4-5"} {
			a.do("GET", path, "", nil, headers{"Range": spec}).is(t, 200, content)
		}
		if r := a.do("GET", path, "", nil, headers{"Range": "bytes=0-1", "If-Range": etag(content)}); r.status != 206 {
			t.Errorf("If-Range that fits: %d", r.status)
		}
		a.do("GET", path, "", nil, headers{"Range": "bytes=0-1", "If-Range": `"x"`}).is(t, 200, content)
		if r := a.do("HEAD", path, "", nil, headers{"Range": "bytes=0-1"}); r.status != 200 || r.header.Get("Content-Length") != "10" {
			t.Errorf("HEAD: %v", r)
		}
	})

	t.Run("conditions", func(t *testing.T) {
		modified := a.do("HEAD", path, "", nil).header.Get("Last-Modified")
		for _, method := range []string{"GET", "HEAD"} {
			for _, h := range []headers{{"If-None-Match": etag(content)}, {"If-None-Match": `"x", W/` + etag(content)}, {"If-None-Match": "*"}, {"If-Modified-Since": modified}} {
				r := a.do(method, path, "", nil, h)
				if r.status != 304 || r.body != "" || r.header.Get("ETag") != etag(content) || r.header.Get("Cache-Control") != "max-age=60" {
					t.Errorf("%s %v: %v", method, h, r)
				}
			}
		}
		for method, want := range map[string]string{"GET": "max-age=60, stale-while-revalidate=30", "HEAD": "max-age=60, must-revalidate"} {
			r := a.do(method, path, "", nil, headers{"If-None-Match": `"x"`})
			if r.status != 200 || r.header.Get("Cache-Control") != want {
				t.Errorf("%s: %v", method, r)
			}
		}
		if r := a.do("GET", path, "", nil, headers{"If-Modified-Since": "junk"}); r.status != 200 {
			t.Errorf("%v", r)
		}
	})

	t.Run("who may", func(t *testing.T) {
		user := a.user(alice)
		a.do("GET", "/object/public/closed/k", a.service, nil).noSuchBucket(t)
		a.do("GET", "/object/public/none/k", "", nil).noSuchBucket(t)
		a.do("GET", "/object/public/open/nothing", "", nil).noSuchKey(t)
		a.do("GET", "/object/none/k", a.service, nil).noSuchBucket(t)
		a.do("GET", "/object/closed/k", user, nil).noSuchKey(t)
		a.do("GET", "/object/info/closed/k", user, nil).noSuchKey(t)
		a.do("GET", "/object/authenticated/closed/k", "", nil).fails(t, 400, "400", "Error", "headers must have required property 'authorization'", "InvalidRequest")
		a.exec(`create policy own on storage.objects for select to authenticated using (name = 'k' and storage.operation() in ('storage.object.get_authenticated', 'object.get_authenticated_info', 'object.head_authenticated_info'))`)
		a.do("GET", "/object/closed/k", user, nil).is(t, 200, content)
		a.do("GET", "/object/authenticated/closed/k", user, nil).is(t, 200, content)
		if r := a.do("HEAD", "/object/closed/k", user, nil); r.status != 200 {
			t.Errorf("HEAD: %v", r)
		}
		a.do("GET", "/object/closed/a%23", a.service, nil).fails(t, 400, "400", "InvalidKey", "Invalid key: a#", "InvalidKey")
		a.do("GET", "/object/closed/a/%2e%2e/k", a.service, nil).noSuchKey(t)
		a.do("GET", "/object/%00/k", a.service, nil).noSuchBucket(t)
		for _, bucket := range []string{"open", "closed", "none"} {
			a.do("GET", "/object/public/"+bucket+"/a%23", "", nil).fails(t, 400, "400", "InvalidKey", "Invalid key: a#", "InvalidKey")
		}
		a.do("GET", "/object/info/public/closed/a%23", "", nil).noSuchBucket(t)
		a.do("GET", "/object/public/closed/a/%2e%2e/k", "", nil).noSuchBucket(t)
	})

	t.Run("info", func(t *testing.T) {
		for _, p := range []string{"/object/info/public/open/dir/a%20b.txt", "/object/info/open/dir/a%20b.txt", "/object/info/authenticated/open/dir/a%20b.txt"} {
			r := a.do("GET", p, a.anon, nil)
			m := r.ok(t)
			if len(m) != 11 || m["name"] != "dir/a b.txt" || m["bucket_id"] != "open" || m["size"] != 10.0 || m["etag"] != etag(content) ||
				m["content_type"] != "text/plain;charset=UTF-8" || m["cache_control"] != "max-age=60" || !isUUID(m["id"]) || !isUUID(m["version"]) {
				t.Errorf("%s", r.body)
			}
			if um, ok := m["metadata"].(map[string]any); !ok || len(um) != 0 {
				t.Errorf("user metadata: %v", m["metadata"])
			}
			if r.header.Get("ETag") != etag(content) || r.header.Get("Cache-Control") != "max-age=60" || r.header.Get("Last-Modified") == "" {
				t.Errorf("%v", r.header)
			}
		}
	})

	// what a picture would be transformed to is told by info, and must be right for HEAD, too
	t.Run("transformations", func(t *testing.T) {
		for _, route := range []string{"/object/info/public/open/", "/object/info/open/", "/object/info/authenticated/open/"} {
			r := a.do("GET", route+"image?width=100&height=3000&resize=contain&quality=50", a.anon, nil)
			if got := r.header.Get("X-Transformations"); r.status != 200 || got != "height:2000,width:100,resizing_type:fit,quality:50" {
				t.Errorf("%s: %d %q", route, r.status, got)
			}
			a.do("GET", route+"image?resize=cover%0Ax", a.anon, nil).fails(t, 400, "400", "Error", "querystring/resize must be equal to one of the allowed values", "InvalidRequest")
		}
		for _, route := range []string{"/object/public/open/", "/object/open/", "/object/authenticated/open/"} {
			if r := a.do("HEAD", route+"image?width=x", a.anon, nil); r.status != 400 {
				t.Errorf("HEAD %s: %d", route, r.status)
			}
			if r := a.do("HEAD", route+"image?width=5&download=x", a.anon, nil); r.status != 200 {
				t.Errorf("HEAD %s: %d", route, r.status)
			}
			if r := a.do("GET", route+"image?width=x", a.anon, nil); r.status != 200 {
				t.Errorf("GET %s: %d", route, r.status)
			}
		}
	})

	t.Run("rows without bytes", func(t *testing.T) {
		a.exec(`insert into storage.objects (bucket_id, name, metadata) values ('open', 'sql', '{"size": 3}')`)
		a.do("GET", "/object/public/open/sql", "", nil).fails(t, 400, "404", "Not found", "The resource was not found", "NoSuchKey")
		if r := a.do("HEAD", "/object/public/open/sql", "", nil); r.status != 200 || r.header.Get("Content-Length") != "3" {
			t.Errorf("HEAD reads the row only: %v", r)
		}
		a.exec(`insert into storage.objects (bucket_id, name, metadata) values ('open', 'tagged', '{"size": 3, "eTag": "\"x\""}')`)
		if r := a.do("GET", "/object/public/open/tagged", "", nil, headers{"If-None-Match": `"x"`}); r.status != 304 {
			t.Errorf("304 reads the row only: %v", r)
		}
		a.exec(`insert into storage.objects (bucket_id, name) values ('open', 'bare')`)
		if m := a.do("GET", "/object/info/open/bare", "", nil).ok(t); m["size"] != nil || m["metadata"] != nil || m["version"] != nil {
			t.Errorf("%v", m)
		}
		a.exec(`insert into storage.objects (bucket_id, name, updated_at, created_at) values ('open', 'timeless', null, null)`)
		r := a.do("GET", "/object/info/open/timeless", "", nil)
		if m := r.ok(t); m["last_modified"] != nil || m["created_at"] != nil || r.header["Last-Modified"] != nil {
			t.Errorf("times that are not known: %v", r)
		}
	})
}
