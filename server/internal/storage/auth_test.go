package storage_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

//covers:storage 9 10 11 12 13 14 15 17
func TestTokens(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("private", false)
	a.bucket("open", true)
	a.put("private/k", "secret")
	a.put("open/k", "public")
	hour := time.Now().Add(time.Hour).Unix()
	good := a.sign(map[string]any{"role": "authenticated", "exp": hour})
	bad := map[string]struct{ token, message string }{
		"garbage":        {"garbage", "Invalid Compact JWS"},
		"empty":          {" ", "Invalid Compact JWS"},
		"expired":        {a.sign(map[string]any{"role": "authenticated", "exp": time.Now().Unix() - 1}), `"exp" claim timestamp check failed`},
		"not yet":        {a.sign(map[string]any{"role": "authenticated", "nbf": hour}), `"nbf" claim timestamp check failed`},
		"another key":    {good[:strings.LastIndex(good, ".")+1] + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "signature verification failed"},
		"none":           {"eyJhbGciOiJub25lIn0.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.", `"alg" (Algorithm) Header Parameter value not allowed`},
		"another method": {"eyJhbGciOiJIUzUxMiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.AAAA", `"alg" (Algorithm) Header Parameter value not allowed`},
	}
	for name, tt := range bad {
		r := a.do("GET", "/bucket", "", nil, headers{"Authorization": "Bearer " + tt.token})
		r.fails(t, 400, "403", "Unauthorized", tt.message, "AccessDenied")
		a.do("GET", "/object/authenticated/open/k", "", nil, headers{"Authorization": "Bearer " + tt.token}).
			fails(t, 400, "403", "Unauthorized", tt.message, "AccessDenied")
		// as if not signed in: a public bucket serves, another is not there
		if r := a.do("GET", "/object/open/k", "", nil, headers{"Authorization": "Bearer " + tt.token}); r.status != 200 || r.body != "public" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		a.do("GET", "/object/private/k", "", nil, headers{"Authorization": "Bearer " + tt.token}).noSuchBucket(t)
		a.do("GET", "/object/info/private/k", "", nil, headers{"Authorization": "Bearer " + tt.token}).noSuchBucket(t)
	}
	missing := "headers must have required property 'authorization'"
	a.do("GET", "/bucket", "", nil).fails(t, 400, "400", "Error", missing, "InvalidRequest")
	a.do("POST", "/object/private/k", "", "x").fails(t, 400, "400", "Error", missing, "InvalidRequest")

	for name, h := range map[string]headers{
		"lower case":  {"Authorization": "bearer " + a.service},
		"upper case":  {"Authorization": "BEARER " + a.service},
		"bare":        {"Authorization": a.service},
		"apikey only": {"apikey": a.service},
		"opaque key":  {"apikey": a.keys.SecretKey},
		"opaque both": {"apikey": a.keys.SecretKey, "Authorization": "Bearer " + a.keys.SecretKey},
	} {
		if l := a.do("GET", "/bucket", "", nil, h).list(t); len(l) != 2 {
			t.Errorf("%s: %v", name, l)
		}
	}
	a.do("GET", "/bucket", "", nil, headers{"apikey": a.keys.PublishableKey}).is(t, 200, "[]")
	// no role is anon, who may see nothing here; a token from the future is good
	a.do("GET", "/bucket", a.sign(map[string]any{"iat": hour}), nil).is(t, 200, "[]")
	a.do("GET", "/object/private/k", a.anon, nil).noSuchKey(t)
	a.exec(`create policy p on storage.objects for select to anon using (true)`)
	if r := a.do("GET", "/object/private/k", a.anon, nil); r.status != 200 {
		t.Errorf("anon with a policy: %d %s", r.status, r.body)
	}
	a.do("GET", "/object/private/k", "", nil).noSuchBucket(t) // not signed in at all
	a.do("GET", "/bucket", a.sign(map[string]any{"role": "nobody"}), nil).
		fails(t, 400, "403", "Unauthorized", `role "nobody" does not exist`, "AccessDenied")
	a.do("GET", "/bucket", a.sign(map[string]any{"role": "supabase_admin"}), nil).
		fails(t, 400, "403", "Unauthorized", `permission denied to set role "supabase_admin"`, "AccessDenied")
}

//covers:storage 2 4 5 7
func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, tt := range [][2]string{
		{"PATCH", "/bucket"}, {"GET", "/object"}, {"POST", "/object/b"}, {"GET", "/object/list/b"}, {"PATCH", "/object/b/k?x=1"},
		{"GET", "/render/image/public/b/k?width=1"}, {"POST", "/vector/CreateIndex"}, {"GET", "/bucket/a/b"}, {"POST", "/bucket/a/empty/x"},
	} {
		r := a.do(tt[0], tt[1], a.service, nil)
		want := `{"statusCode":"404","error":"Not Found","message":"Route ` + tt[0] + ":" + tt[1] + ` not found","code":"InvalidRequest"}`
		if tt[1] == "/object/list/b" { // an upload's path read by GET is an object in the bucket "list"
			r.noSuchBucket(t)
			continue
		}
		r.is(t, 404, want)
		if got := r.header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s: %q", tt[1], got)
		}
	}
	for _, path := range []string{"/nope", "/", "/upload/resumable", "/s3x/b", "/iceberg/v1/config", "/render/x"} {
		r := a.do("GET", path, a.service, nil)
		r.is(t, 404, `{"message":"Route GET:`+path+` not found","error":"Not Found","statusCode":404}`)
		if got := r.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
			t.Errorf("%s: %q", path, got)
		}
	}
	a.do("GET", "/object/b/%ff", "", nil).is(t, 400, `{"error":"Bad Request","code":"FST_ERR_BAD_URL","message":"'/object/b/%ff' is not a valid url component","statusCode":400}`)
	a.do("GET", "/status", "", nil).is(t, 200, "")
	a.do("GET", "/health", a.service, nil).is(t, 200, `{"healthy":true}`)
	a.do("GET", "/health", a.anon, nil).fails(t, 403, "403", "Unauthorized", "Access denied: Invalid role", "AccessDenied")
	if r := a.do("GET", "/version", "", nil); r.status != 200 || r.body == "" {
		t.Errorf("version: %d %q", r.status, r.body)
	}
	if r := a.do("HEAD", "/object/none/k", "", nil); r.status != http.StatusBadRequest || r.body != "" {
		t.Errorf("HEAD: %d %q", r.status, r.body)
	}
}

// TestFixedWords: words of the API win over buckets that are called so, and a
// path is decoded once.
//
//covers:storage 3
func TestFixedWords(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, word := range []string{"public", "sign", "info", "authenticated", "list", "copy"} {
		a.bucket(word, true)
		a.exec(`insert into storage.objects (bucket_id, name, version, metadata) values ($1, 'word/k', 'v', '{"size":1}')`, word)
	}
	for word, code := range map[string]string{"public": "NoSuchBucket", "sign": "InvalidRequest", "info": "NoSuchBucket", "authenticated": "NoSuchBucket"} {
		if r := a.do("GET", "/object/"+word+"/word/k", a.service, nil); r.status != 400 || !strings.Contains(r.body, `"code":"`+code+`"`) {
			t.Errorf("%s: %d %s", word, r.status, r.body)
		}
	}
	for path, status := range map[string]int{"/object/list/word/k": 200, "/object/public/public/word/k": 200, "/object/public/copy/word/k": 200, "/object/public/copy/word%2Fk": 200, "/object/public/copy/word%252Fk": 400} {
		if r := a.do("HEAD", path, a.service, nil); r.status != status {
			t.Errorf("%s: %d", path, r.status)
		}
	}
}

//covers:storage 8
func TestPurge(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, path := range []string{"/cdn", "/cdn/b", "/cdn/b/dir/k?transformations=true"} {
		a.do("DELETE", path, a.service, nil).is(t, 200, `{"message":"success"}`)
		a.do("DELETE", path, a.anon, nil).fails(t, 403, "403", "Unauthorized", "Access denied: Invalid role", "AccessDenied")
	}
	a.do("DELETE", "/cdn/b/", a.service, nil).fails(t, 400, "400", "Error", "params/* must NOT have fewer than 1 characters", "InvalidRequest")
}

//covers:storage 6
func TestCORS(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	a.put("b/k", "x")
	origin := headers{"Origin": "https://app.example"}
	for _, path := range []string{"/object/public/b/k", "/object/public/b/none", "/bucket", "/nope", "/object/b/%ff", "/status"} {
		h := a.do("GET", path, "", nil, origin).header
		if h.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %v", path, h)
		}
		exposed := strings.Split(strings.ToLower(h.Get("Access-Control-Expose-Headers")), ", ")
		for _, name := range []string{"content-range", "etag", "location", "accept-ranges", "content-disposition", "tus-resumable", "tus-version", "tus-extension",
			"tus-max-size", "upload-offset", "upload-length", "upload-expires", "upload-metadata"} {
			if !slices.Contains(exposed, name) {
				t.Errorf("%s: %s is not exposed", path, name)
			}
		}
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		r := a.do("OPTIONS", "/object/b/k", "", nil, origin, headers{"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,x-upsert,x-of-mine"})
		if r.status >= 300 || !strings.Contains(r.header.Get("Access-Control-Allow-Methods"), method) || !strings.Contains(r.header.Get("Access-Control-Allow-Headers"), "x-of-mine") {
			t.Errorf("%s: %d %v", method, r.status, r.header)
		}
	}
}
