package storage

import (
	"encoding/json"
	"errors"
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

func message400(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	if err != nil {
		return "not an answer: " + err.Error()
	}
	return ""
}

//covers:storage 20 27
func TestBucketNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "avatars", "A b", "a.b_c-d!e*f'g(h)i&j$k@l=m;n:o+p,q?r", strings.Repeat("x", 100), ".", "..", "public"} {
		if err := checkNewBucketName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", strings.Repeat("x", 101), "a/b", " a", "a ", "\ta", "é", "a#b", "a%b", `a\b`, "a--table-s3", "a\x00", "a\n"} {
		if err := checkNewBucketName(name); message400(err) != "Bucket name invalid" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

//covers:storage 20 27 28 29
func TestKeys(t *testing.T) {
	t.Parallel()
	tests := []struct{ key, onWrite, onRead string }{
		{"a", "", ""},
		{"a/b/c.txt", "", ""},
		{"a//b", "", ""},
		{"/", "", ""},
		{" a ", "", ""},
		{"A!_.*'()&$@=;:+,?-", "", ""},
		{strings.Repeat("k", 1024), "", ""},
		{strings.Repeat("k", 1025), "Invalid key: " + strings.Repeat("k", 1025), "Object not found"},
		{"", "Invalid key: ", "Invalid key: "},
		{"n/你好.txt", "Invalid key: n/你好.txt", "Invalid key: n/你好.txt"},
		{"..", "Invalid key: ..", "Object not found"},
		{"a/../b", "Invalid key: a/../b", "Object not found"},
		{"a/./b", "Invalid key: a/./b", "Object not found"},
		{"a/..b/c...", "", ""},
		{"a\x00", "Invalid key: a\x00", "Invalid key: a\x00"},
	}
	for _, c := range `%#\~"<>{}|^[]` + "`\n\t\x7f" {
		k := "x" + string(c)
		tests = append(tests, struct{ key, onWrite, onRead string }{k, "Invalid key: " + k, "Invalid key: " + k})
	}
	for _, tt := range tests {
		if got := message400(checkNewKey(tt.key)); got != tt.onWrite {
			t.Errorf("write %q: %q, want %q", tt.key, got, tt.onWrite)
		}
		if got := message400(checkKey(tt.key)); got != tt.onRead {
			t.Errorf("read %q: %q, want %q", tt.key, got, tt.onRead)
		}
	}
}

func FuzzKey(f *testing.F) {
	for _, s := range []string{"a/b", "../x", "a//", "%2e%2e", "\xff", "a/..", strings.Repeat("a/", 600)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if checkNewKey(key) != nil {
			return
		}
		if !utf8.ValidString(key) || strings.ContainsRune(key, 0) || len(key) > maxKeyBytes || checkKey(key) != nil {
			t.Errorf("%q passes", key)
		}
		if clean := path.Join("/root", key); clean != "/root" && !strings.HasPrefix(clean, "/root/") {
			t.Errorf("%q leads out", key)
		}
	})
}

//covers:storage 3
func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, path, bucket, key string
		ok                         bool
	}{
		{"bucket", "bucket", "", "", true},
		{"bucket", "bucket/", "", "", true},
		{"bucket/:", "bucket/a", "a", "", true},
		{"bucket/:", "bucket/a/", "", "", false},
		{"bucket/:", "bucket/", "", "", true},
		{"bucket/:/empty", "bucket/a/empty", "a", "", true},
		{"object/:/*", "object/a/b/c", "a", "b/c", true},
		{"object/:/*", "object/a/", "a", "", true},
		{"object/:/*", "object/a", "", "", false},
		{"object/:", "object/a", "a", "", true},
		{"object/sign/:/*", "object/sign/a", "", "", false},
		{"bucket/:", "bucket/" + strings.Repeat("x", 2501), "", "", false},
	} {
		bucket, key, ok := match(tt.pattern, tt.path)
		if ok != tt.ok || ok && (bucket != tt.bucket || key != tt.key) {
			t.Errorf("%s %s: %q %q %v", tt.pattern, tt.path, bucket, key, ok)
		}
	}
}

func TestErrorBodyOrder(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(errorBody{"404", "not_found", "Object not found", "NoSuchKey"})
	if err != nil || string(b) != `{"statusCode":"404","error":"not_found","message":"Object not found","code":"NoSuchKey"}` {
		t.Errorf("%s, %v", b, err)
	}
}
