package storage_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// parts decodes a token's header and claims.
func parts(t *testing.T, token string) (header, claims string) {
	t.Helper()
	p := strings.Split(token, ".")
	h, err := base64.RawURLEncoding.DecodeString(p[0])
	if err != nil {
		t.Fatal(err)
	}
	c, err := base64.RawURLEncoding.DecodeString(p[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(h), string(c)
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatal(err)
	}
}

func tokenOf(url string) string {
	_, token, _ := strings.Cut(url, "?token=")
	return token
}

//covers:storage 1 22 51 52 53
func TestSignedDownload(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	a.put("b/a b.txt", "content", headers{"Cache-Control": "max-age=9"})
	sign := func(token, key string, body any) answer { return a.do("POST", "/object/sign/b/"+key, token, body) }

	url := sign(a.service, "a%20b.txt", map[string]any{"expiresIn": 60, "transform": map[string]any{"width": 3}}).ok(t)["signedURL"].(string)
	if !strings.HasPrefix(url, "/object/sign/b/a b.txt?token=") {
		t.Fatal(url)
	}
	header, claims := parts(t, tokenOf(url))
	if header != `{"alg":"HS256"}` || !regexp.MustCompile(`^\{"url":"b/a b\.txt","scope":"download","iat":\d+,"exp":\d+\}$`).MatchString(claims) {
		t.Errorf("%s %s", header, claims)
	}
	get := func(method, path, token string, hs ...headers) answer {
		return a.do(method, "/object/sign/"+path+"?token="+token, "", nil, hs...)
	}
	r := get("GET", "b/a%20b.txt", tokenOf(url)+"&download=x")
	r.is(t, 200, "content")
	expires, err := http.ParseTime(r.header.Get("Expires"))
	if err != nil || time.Until(expires) > time.Minute || time.Until(expires) < 30*time.Second || r.header.Get("Cache-Control") != "" || r.header.Get("Content-Disposition") == "" {
		t.Errorf("%v", r.header)
	}
	if r := get("HEAD", "b/a%20b.txt", tokenOf(url)); r.status != 200 || r.header.Get("Content-Length") != "7" {
		t.Errorf("%v", r)
	}
	if r := get("GET", "b/a%20b.txt", tokenOf(url), headers{"If-None-Match": etag("content")}); r.status != 304 {
		t.Errorf("%v", r)
	}
	get("GET", "b/other", tokenOf(url)).fails(t, 400, "400", "InvalidSignature", "Invalid signature", "InvalidSignature")
	get("GET", "b/a%20b.txt", a.service).fails(t, 400, "400", "InvalidSignature", "Invalid signature", "InvalidSignature")
	get("GET", "b/a%20b.txt", tokenOf(url)[:len(tokenOf(url))-6]+"AAAAAA").fails(t, 400, "400", "InvalidJWT", "signature verification failed", "InvalidJWT")
	get("GET", "b/a%20b.txt", "x").fails(t, 400, "400", "InvalidJWT", "Invalid Compact JWS", "InvalidJWT")
	a.do("GET", "/object/sign/b/a%20b.txt", "", nil).fails(t, 400, "400", "Error", "querystring must have required property 'token'", "InvalidRequest")
	claim := func(m map[string]any) string { return a.sign(m) }
	soon := time.Now().Add(time.Minute).Unix()
	get("GET", "b/a%20b.txt", claim(map[string]any{"url": "b/a b.txt", "exp": time.Now().Unix() - 5})).
		fails(t, 400, "400", "InvalidJWT", `"exp" claim timestamp check failed`, "InvalidJWT")
	get("GET", "b/a%20b.txt", claim(map[string]any{"url": "b/a b.txt", "exp": soon})).is(t, 200, "content") // of an older release
	for _, m := range []map[string]any{{"url": "b/a b.txt", "exp": soon, "upsert": false}, {"url": "b/a b.txt", "exp": soon, "scope": "upload"}} {
		get("GET", "b/a%20b.txt", claim(m)).fails(t, 400, "400", "InvalidSignature", "Token is not scoped for download", "InvalidSignature")
	}

	sign(a.user(alice), "a%20b.txt", map[string]any{"expiresIn": 60}).noSuchKey(t)
	sign(a.service, "missing", map[string]any{"expiresIn": 60}).noSuchKey(t)
	a.do("POST", "/object/sign/none/k", a.service, map[string]any{"expiresIn": 60}).noSuchKey(t)
	sign(a.service, "a%20b.txt", map[string]any{}).fails(t, 400, "400", "Error", "body must have required property 'expiresIn'", "InvalidRequest")
	sign(a.service, "a%20b.txt", map[string]any{"expiresIn": 0}).fails(t, 400, "400", "Error", "body/expiresIn must be >= 1", "InvalidRequest")
	sign(a.service, "a%20b.txt", map[string]any{"expiresIn": 1e18}).fails(t, 400, "400", "InvalidParameter", "Invalid Parameter expiresIn", "InvalidParameter")

	many := func(token string, body any) answer { return a.do("POST", "/object/sign/b", token, body) }
	l := many(a.service, map[string]any{"expiresIn": "60", "paths": []string{"missing", "a b.txt", "\x00"}}).list(t)
	missing := "Either the object does not exist or you do not have access to it"
	if len(l) != 3 || l[0]["error"] != missing || l[0]["signedURL"] != nil || l[0]["path"] != "missing" || l[1]["error"] != nil || l[1]["path"] != "a b.txt" || l[2]["error"] != missing {
		t.Fatalf("%v", l)
	}
	get("GET", "b/a%20b.txt", tokenOf(l[1]["signedURL"].(string))).is(t, 200, "content")
	if l := many(a.user(alice), map[string]any{"expiresIn": 60, "paths": []string{"a b.txt"}}).list(t); l[0]["error"] != missing {
		t.Errorf("%v", l)
	}
	many(a.service, map[string]any{"expiresIn": 60, "paths": []string{}}).fails(t, 400, "400", "Error", "body/paths must NOT have fewer than 1 items", "InvalidRequest")
	many(a.service, map[string]any{"expiresIn": 60, "paths": make([]string, 1001)}).fails(t, 400, "400", "Error", "body/paths must NOT have more than 1000 items", "InvalidRequest")
}

//covers:storage 1 22 54 80
func TestSignedUpload(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	user := a.user(alice)
	sign := func(key string, hs ...headers) answer {
		return a.do("POST", "/object/upload/sign/b/"+key, user, nil, hs...)
	}
	sign("k").violates(t)
	a.exec(mayInsert)
	m := sign("k").ok(t)
	token := m["token"].(string)
	if m["url"] != "/object/upload/sign/b/k?token="+token {
		t.Errorf("%v", m)
	}
	_, claims := parts(t, token)
	var c map[string]any
	decode(t, claims, &c)
	if c["exp"].(float64)-c["iat"].(float64) != 7200 || !strings.HasPrefix(claims, `{"owner":"`+alice+`","url":"b/k","upsert":false,"scope":"upload","iat":`) {
		t.Errorf("%s", claims)
	}
	put := func(path, token string, body any, hs ...headers) answer {
		return a.do("PUT", "/object/upload/sign/"+path+"?token="+token, "", body, hs...)
	}
	put("b/other", token, "x").fails(t, 400, "400", "InvalidSignature", "Invalid signature", "InvalidSignature")
	put("b/k", token, "x").is(t, 200, `{"Key":"b/k"}`)
	if got := a.one(`select owner_id from storage.objects`); got != alice {
		t.Errorf("owner: %s", got)
	}
	put("b/k", token, "y", headers{"X-Upsert": "true"}).duplicate(t, "KeyAlreadyExists") // what the token says counts
	sign("k").duplicate(t, "KeyAlreadyExists")
	sign("k", headers{"X-Upsert": "true"}).violates(t)
	a.exec(maySelect + mayUpdate)
	upsert := sign("k", headers{"X-Upsert": "true"}).ok(t)["token"].(string)
	body, ct := form(t, nil, "text/plain", "z")
	put("b/k", upsert, body, ct).is(t, 200, `{"Key":"b/k"}`)
	a.do("GET", "/object/b/k", a.service, nil).is(t, 200, "z")
	a.do("GET", "/object/sign/b/k?token="+upsert, "", nil).fails(t, 400, "400", "InvalidSignature", "Token is not scoped for download", "InvalidSignature")
	download := a.do("POST", "/object/sign/b/k", user, map[string]any{"expiresIn": 60}).ok(t)["signedURL"].(string)
	put("b/k", tokenOf(download), "x").fails(t, 400, "400", "InvalidSignature", "Token is not scoped for upload", "InvalidSignature")
	a.do("PUT", "/object/upload/sign/b/k", "", "x").fails(t, 400, "400", "Error", "querystring must have required property 'token'", "InvalidRequest")
	a.do("POST", "/object/upload/sign/none/k", a.service, nil).fails(t, 400, "404", "InvalidRequest", "The related resource does not exist", "InvalidRequest")
	// whether the key is one is told at the upload
	bad := a.do("POST", "/object/upload/sign/b/a%23", a.service, nil).ok(t)["token"].(string)
	put("b/a%23", bad, "x").fails(t, 400, "400", "InvalidKey", "Invalid key: a#", "InvalidKey")
	a.bytesMatchRows(t)
}
