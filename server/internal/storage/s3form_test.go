package storage_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"testing"
	"time"
)

//covers:storage 64
func TestS3Form(t *testing.T) {
	t.Parallel()
	a, c := startS3(t)
	a.bucket("b", false)
	post := func(conditions []any, fields map[string]string, life time.Duration) answer {
		t.Helper()
		date := time.Now().UTC().Format("20060102T150405Z")
		raw, err := json.Marshal(map[string]any{"expiration": time.Now().Add(life).UTC().Format(time.RFC3339), "conditions": conditions})
		if err != nil {
			t.Fatal(err)
		}
		doc := base64.StdEncoding.EncodeToString(raw)
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		field := func(name, value string) {
			if err := w.WriteField(name, value); err != nil {
				t.Fatal(err)
			}
		}
		for name, value := range fields {
			field(name, value)
		}
		field("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
		field("X-Amz-Credential", c.key+"/"+c.scope(date[:8]))
		field("X-Amz-Date", date)
		field("Policy", doc)
		field("X-Amz-Signature", hex.EncodeToString(hmacOf(c.signingKey(date[:8]), doc)))
		f, err := w.CreateFormFile("file", "name.txt")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(f, "by form")
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), "POST", a.url+"/s3/b", &body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", w.FormDataContentType())
		return c.send(r)
	}
	fields := map[string]string{"key": "f/a.txt", "Content-Type": "text/plain", "x-amz-meta-color": "red"}
	conditions := []any{
		map[string]string{"bucket": "b"}, []any{"starts-with", "$key", "f/"}, []any{"eq", "$Content-Type", "text/plain"},
		map[string]string{"x-amz-meta-color": "red"},
	}
	if r := post(conditions, fields, time.Minute); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := c.ok(200, "GET", "/b/f/a.txt", "", ""); r.body != "by form" || r.header.Get("Content-Type") != "text/plain" || r.header.Get("X-Amz-Meta-Color") != "red" {
		t.Errorf("%s %v", r.body, r.header)
	}
	wantFailure(t, "expired", post(conditions, fields, -time.Minute), 400, "ExpiredToken", "")
	wantFailure(t, "another key", post(conditions, map[string]string{"key": "g", "Content-Type": "text/plain", "x-amz-meta-color": "red"}, time.Minute),
		403, "AccessDenied", `Policy condition failed: "key" does not start with "f/"`)
	wantFailure(t, "a field without a condition", post(conditions[:3], fields, time.Minute), 403, "AccessDenied",
		`Policy condition failed: field "x-amz-meta-color" is not covered by the policy`)
	wantFailure(t, "too small", post(append(conditions[:4:4], []any{"content-length-range", 100, 200}), fields, time.Minute), 400, "EntityTooSmall", "")
	wantFailure(t, "too large", post(append(conditions[:4:4], []any{"content-length-range", 1, 2}), fields, time.Minute), 413, "EntityTooLarge", "")
}
