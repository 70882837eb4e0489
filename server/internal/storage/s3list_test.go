package storage_test

import (
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

type s3List struct {
	Name, Prefix, NextContinuationToken, NextMarker, EncodingType string
	KeyCount                                                      int
	IsTruncated                                                   bool
	Contents                                                      []struct {
		Key, LastModified, ETag string
		Size                    int
	}
	CommonPrefixes []struct{ Prefix string }
}

// entries are keys and folders in the order of the answer, both kinds sorted.
func (l s3List) entries() string {
	var all []string
	for _, o := range l.Contents {
		all = append(all, o.Key)
	}
	for _, p := range l.CommonPrefixes {
		all = append(all, p.Prefix)
	}
	return strings.Join(all, " ")
}

//covers:storage 65
func TestS3List(t *testing.T) {
	t.Parallel()
	a, c := startS3(t)
	a.bucket("b", false)
	for _, key := range []string{"a", "a-b", "a/1", "a/2", "a/b/3", "B", "c d", "d/x/1", "d/y/2", "e"} {
		c.ok(200, "PUT", "/b/"+key, "", key)
	}
	list := func(query string) (l s3List) {
		t.Helper()
		r := c.ok(200, "GET", "/b", query, "")
		if err := xml.Unmarshal([]byte(r.body), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	for query, want := range map[string]string{
		"list-type=2":                                  "B a a-b a/1 a/2 a/b/3 c d d/x/1 d/y/2 e",
		"list-type=2&prefix=a":                         "a a-b a/1 a/2 a/b/3",
		"list-type=2&prefix=a/":                        "a/1 a/2 a/b/3",
		"list-type=2&delimiter=/":                      "B a a-b c d e a/ d/",
		"list-type=2&delimiter=/&prefix=a/":            "a/1 a/2 a/b/",
		"list-type=2&delimiter=/&prefix=d":             "d/",
		"list-type=2&delimiter=-":                      "B a a/1 a/2 a/b/3 c d d/x/1 d/y/2 e a-",
		"list-type=2&start-after=a/2":                  "a/b/3 c d d/x/1 d/y/2 e",
		"list-type=2&delimiter=/&start-after=a/":       "c d e d/",
		"list-type=2&delimiter=/&start-after=a":        "a-b c d e a/ d/",
		"list-type=2&prefix=zz":                        "",
		"list-type=2&prefix=a%00":                      "",
		"list-type=2&prefix=c&encoding-type=url":       "c%20d",
		"list-type=2&max-keys=0":                       "",
		"prefix=a":                                     "a a-b a/1 a/2 a/b/3",
		"marker=c d":                                   "d/x/1 d/y/2 e",
		"delimiter=/":                                  "B a a-b c d e a/ d/",
		"list-type=2&delimiter=/&prefix=a/&max-keys=1": "a/1",
	} {
		if got := list(query).entries(); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for _, delimiter := range []string{"", "/"} {
		var keys, folders []string
		token := ""
		for page := 0; page < 20; page++ {
			l := list("list-type=2&max-keys=1&delimiter=" + delimiter + "&continuation-token=" + url.QueryEscape(token))
			for _, o := range l.Contents {
				keys = append(keys, o.Key)
				if o.ETag != fmt.Sprintf(`"%x"`, md5.Sum([]byte(o.Key))) || o.Size != len(o.Key) || o.LastModified == "" {
					t.Errorf("%+v", o)
				}
			}
			for _, p := range l.CommonPrefixes {
				folders = append(folders, p.Prefix)
			}
			if token = l.NextContinuationToken; !l.IsTruncated {
				break
			}
		}
		want := "B a a-b a/1 a/2 a/b/3 c d d/x/1 d/y/2 e"
		if delimiter != "" {
			want = "B a a-b c d e a/ d/"
		}
		if got := strings.Join(append(keys, folders...), " "); got != want {
			t.Errorf("page by page with %q: %q, want %q", delimiter, got, want)
		}
	}
	var all []string
	for marker, page := "", 0; page < 20; page++ {
		l := list("max-keys=2&delimiter=/&marker=" + url.QueryEscape(marker))
		all = append(all, l.entries())
		if marker = l.NextMarker; !l.IsTruncated {
			break
		}
	}
	if got := strings.Join(all, "|"); got != "B a|a-b a/|c d d/|e" {
		t.Errorf("by markers: %s", got)
	}
	type versions struct {
		NextKeyMarker, NextVersionIdMarker string
		IsTruncated                        bool
		Version                            []struct {
			Key, VersionId, ETag string
			IsLatest             bool
			Size                 int
		}
		CommonPrefixes []struct{ Prefix string }
	}
	all = nil
	for marker, page := "", 0; page < 20; page++ {
		r := c.ok(200, "GET", "/b", "versions&max-keys=2&delimiter=/&version-id-marker=null&key-marker="+url.QueryEscape(marker), "")
		var v versions
		if err := xml.Unmarshal([]byte(r.body), &v); err != nil || !strings.Contains(r.body, "<ListVersionsResult ") {
			t.Fatalf("%v %s", err, r.body)
		}
		for _, o := range v.Version {
			all = append(all, o.Key)
			if o.VersionId != "null" || !o.IsLatest || o.ETag == "" || o.Size != len(o.Key) {
				t.Errorf("%+v", o)
			}
		}
		for _, p := range v.CommonPrefixes {
			all = append(all, p.Prefix)
		}
		if marker = v.NextKeyMarker; !v.IsTruncated {
			break
		}
	}
	if got := strings.Join(all, " "); got != "B a a-b a/ c d d/ e" {
		t.Errorf("versions: %s", got)
	}
	c.ok(204, "DELETE", "/b/e", "versionId=null", "")
	if got := list("list-type=2&prefix=e").entries(); got != "" {
		t.Errorf("a deleted version: %q", got)
	}
	wantFailure(t, "a bad token", c.do("GET", "/b", "list-type=2&continuation-token=%21", ""), 400, "InvalidParameter", "Invalid Parameter continuation token")
	wantFailure(t, "max-keys", c.do("GET", "/b", "list-type=2&max-keys=x", ""), 400, "InvalidRequest", "")
	wantFailure(t, "encoding", c.do("GET", "/b", "list-type=2&encoding-type=x", ""), 400, "InvalidRequest", "")
	wantFailure(t, "no bucket", c.do("GET", "/none", "list-type=2", ""), 404, "NoSuchBucket", "")
}
