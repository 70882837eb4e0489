package storage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/storage"
)

// TestSettings: what the settings of the server change.
//
//covers:storage 38 46 54
func TestSettings(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *storage.Config) {
		c.FileSizeLimit, c.StandardLimit, c.SignedUploadExpiry = 100, 10, 5*time.Second
		c.LimitDeletes = true
		c.SMaxAge, c.ETagHeaders = 30, []string{"X-Cache-Has", "If-None-Match"}
	})
	a.bucket("b", true)
	a.put("b/k", "0123456789", headers{"Cache-Control": "max-age=60"})
	a.do("POST", "/object/b/x", a.service, "0123456789a").
		fails(t, 400, "413", "Payload too large", "The object exceeded the maximum allowed size", "EntityTooLarge")
	// a bucket may have more, for uploads in parts
	a.do("POST", "/bucket", a.service, map[string]any{"name": "more", "file_size_limit": 100}).ok(t)
	a.do("POST", "/object/more/x", a.service, strings.NewReader("0123456789a")).
		fails(t, 400, "413", "Payload too large", "The object exceeded the maximum allowed size", "EntityTooLarge")

	token := a.do("POST", "/object/upload/sign/b/s", a.service, nil).ok(t)["token"].(string)
	var claims struct{ Iat, Exp int64 }
	_, text := parts(t, token)
	decode(t, text, &claims)
	if claims.Exp-claims.Iat != 5 {
		t.Errorf("%s", text)
	}

	a.do("DELETE", "/object/b", a.service, map[string]any{"prefixes": make([]string, 1001)}).
		fails(t, 400, "400", "InvalidRequest", "Bulk object requests are limited to 1000 objects per request.", "InvalidRequest")
	a.do("DELETE", "/object/b", a.service, map[string]any{"prefixes": make([]string, 1000)}).is(t, 200, "[]")

	tag := etag("0123456789")
	for _, tt := range []struct {
		method string
		h      headers
		want   string
	}{
		{"GET", nil, "max-age=60"},
		{"GET", headers{"X-Cache-Has": tag}, "max-age=60, s-maxage=30"},
		{"GET", headers{"X-Cache-Has": `"other"`}, "max-age=60, s-maxage=30, stale-while-revalidate=30"},
		{"GET", headers{"If-None-Match": `"other"`}, "max-age=60, s-maxage=30, stale-while-revalidate=30"},
		{"HEAD", headers{"X-Cache-Has": tag}, "max-age=60, s-maxage=30"},
		{"HEAD", headers{"X-Cache-Has": `"other"`}, "max-age=60, must-revalidate"},
	} {
		r := a.do(tt.method, "/object/public/b/k", "", nil, tt.h)
		if got := r.header.Get("Cache-Control"); r.status != 200 || got != tt.want {
			t.Errorf("%s %v: %d %s, not %s", tt.method, tt.h, r.status, got, tt.want)
		}
	}
}
